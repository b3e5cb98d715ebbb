"""`keystead probe`: its configuration, what makes it, and its process beside a real service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.configfile import ConfigError
from server.programs.probe_config import ProbeConfig, read_config
from tests.keystead_process import KeysteadProcess
from tests.prober_process import ProberProcess

GOOD = """\
url = "https://otp.example.org"
allowed_hosts = ["otp.example.org"]
client = 7

[server]
socket = "/var/lib/keystead/run/admin.sock"
"""


def read(tmp_path: Path, text: str) -> ProbeConfig:
    file = tmp_path / "probe.toml"
    file.write_text(text)
    return read_config(file)


def test_what_is_needed_is_little(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    assert (config.client, config.interval_seconds, config.listen) == (7, 30.0, "127.0.0.1:8082")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("otp.example.org", "api.yubico.com", "never probed"),
        ('["otp.example.org"]', '["other.example.org"]', "not on the list"),
        ('["otp.example.org"]', '["otp.example.org", "yubico.com"]', "never probed"),
        ("client = 7", "client = 7\ninterval_seconds = 40\ndeadline_seconds = 10", "more than 90"),
        ("client = 7", "client = 7\nlink = 'http://prober.example'", "a link is a key"),
        ("client = 7", "client = 7\nlink = 'http://localhost.example.org'", "a link is a key"),
        ("client = 7", "client = 7\nlink = 'http://127.0.0.1@example.org'", "a link is a key"),
        ("client = 7", "client = 7\nlink = 'https://prober.example/?x='", "with a path at most"),
        ("client = 7", "client = 7\nintervall = 3", "no such setting"),
        ("client = 7", "client = '7'", "client"),
        ("socket =", "url = 'https://x'\nsocket =", "either the socket or the url"),
        ("socket =", "url =", "belong together"),
    ],
)
def test_what_cannot_be_right_is_refused_with_words(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, GOOD.replace(old, new))


def test_without_a_file_one_is_told_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keystead probe init"):
        read_config(tmp_path / "absent.toml")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProberProcess]:
    """Run a service and its prober, shared by this module's tests."""
    root = tmp_path_factory.mktemp("watched")
    with (
        KeysteadProcess(root / "var") as keystead,
        ProberProcess(keystead, root / "probe") as prober,
    ):
        keystead.init()
        keystead.start()
        prober.init('interval_seconds = 0.5\nlisten = "127.0.0.1:0"\n')
        prober.start()
        keystead.wait_until(lambda: prober.rounds("good") >= 2)
        yield prober


def test_rounds_are_good_and_handed_in(watched: ProberProcess) -> None:
    keystead = watched.keystead
    keystead.wait_until(lambda: keystead.cli("probe", "list")["probers"])
    (known,) = keystead.cli("probe", "list")["probers"]
    assert known["number"] >= 1
    assert (known["failing"], known["missing"]) == (False, 0)
    assert watched.rounds("bad") == 0
    assert watched.metrics()["keystead_probe_server_away"] == 0


def test_a_second_prober_with_the_same_spool_is_refused(watched: ProberProcess) -> None:
    second = watched.run()
    assert second.code == 1
    assert "another prober works" in second.err


def test_without_an_incident_there_is_nothing_to_show_or_acknowledge(
    watched: ProberProcess,
) -> None:
    assert watched.incident() is None
    assert watched.run("ack", "--as", "ann").code == 3


def test_what_was_made_is_private_and_no_secret_is_told(watched: ProberProcess) -> None:
    directory = watched.directory
    assert {path.stat().st_mode & 0o077 for path in directory.iterdir()} == {0}
    secrets = [
        (directory / "api.key").read_text().strip(),
        json.loads((directory / "virtual-key").read_text())["aes_key"],
    ]
    said = watched.log_file.read_text() + watched.get("/metrics").text + watched.config.read_text()
    assert not any(secret in said for secret in secrets)


def test_nothing_is_made_over_what_is_there_or_for_a_host_that_is_never_probed(
    watched: ProberProcess, tmp_path: Path
) -> None:
    keystead = watched.keystead
    again = keystead.run("probe", "init", str(watched.directory), "--probe", "http://127.0.0.1:1")
    assert (again.code, "exists already" in again.err) == (1, True)
    refused = keystead.run("probe", "init", str(tmp_path / "x"), "--probe", "https://yubico.com")
    assert (refused.code, "never probed" in refused.err) == (1, True)
    assert not (tmp_path / "x").exists()


def test_it_ends_when_it_is_told(watched: ProberProcess) -> None:
    assert watched.terminate() == 0
    watched.start()
