"""The Locust user against a real service: it counts what is right, and refuses wrong targets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loadtest.keyfile import main as make_keys
from tests.keystead_process import REPOSITORY, KeysteadProcess

LONGEST_S = 90.0
FRESH, REPLAYED = "/wsapi/2.0/verify [fresh]", "/wsapi/2.0/verify [replayed]"


class Run(NamedTuple):
    """A Locust run that has ended. rows: its statistics by name; said: what it logged."""

    code: int
    rows: dict[str, dict[str, Any]]
    said: str


def run_locust(host: str, keys: Path, *more: str, users: int = 3) -> Run:
    """Run the user file without a browser for a moment."""
    command = [sys.executable, "-m", "locust", "-f", "loadtest/users.py", "--headless", "--json"]
    command += ["--users", str(users), "--spawn-rate", "10", "--run-time", "3s", "--host", host]
    command += ["--stop-timeout", "30"]  # requests under way are finished and counted
    ended = subprocess.run(
        [*command, "--keystead-keys", str(keys), *more],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    rows = json.loads(ended.stdout) if ended.stdout.strip() else []
    return Run(ended.returncode, {row["name"]: row for row in rows}, ended.stderr)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeysteadProcess]:
    """Run a service with a client and three keys: `load.json` beside its data directory."""
    place = tmp_path_factory.mktemp("load")
    with KeysteadProcess(place / "var") as keystead:
        keystead.init()
        keystead.start()
        client = keystead.cli("client", "add", "load")
        (place / "client.json").write_text(json.dumps(client))
        files = [str(place / "load.json"), str(place / "keys.csv")]
        make_keys(["--keys", "3", "--client", str(place / "client.json"), *files])
        keystead.cli("key", "import", files[1], "--format", "ksm")
        yield keystead


def key_file(service: KeysteadProcess) -> Path:
    return service.directory.parent / "load.json"


def test_a_run_without_a_wrong_answer_passes_and_the_next_presses_other_otps(
    service: KeysteadProcess,
) -> None:
    assert service.ready is not None
    host = service.ready.verify_url.removesuffix("/wsapi/2.0/verify")
    for _ in range(2):
        accepted = service.responses("OK")
        run = run_locust(host, key_file(service))
        assert run.code == 0, run.said
        assert run.rows[FRESH]["num_requests"] > 0
        assert run.rows[FRESH]["num_failures"] == 0
        assert service.responses("OK") - accepted == run.rows[FRESH]["num_requests"]


def test_a_fresh_otp_that_is_refused_fails_the_run(service: KeysteadProcess) -> None:
    assert service.ready is not None
    document = json.loads(key_file(service).read_text())
    for key in document["keys"]:
        key["session"] = 1
    stale = service.directory.parent / "stale.json"
    stale.write_text(json.dumps(document))
    stale.chmod(0o600)
    run = run_locust(service.ready.verify_url.removesuffix("/wsapi/2.0/verify"), stale)
    assert run.code != 0
    assert "REPLAYED_OTP instead of OK" in run.said


@pytest.mark.parametrize(
    ("host", "more", "reason"),
    [
        ("http://192.0.2.1", (), "not on the list"),
        ("https://api.yubico.com", ("--keystead-allow-host", "api.yubico.com"), "never a target"),
        ("", (), "is not a URL"),
    ],
)
def test_a_wrong_target_is_refused_before_a_request_and_before_a_key_is_taken(
    service: KeysteadProcess, host: str, more: tuple[str, ...], reason: str
) -> None:
    before = key_file(service).read_text()
    run = run_locust(host, key_file(service), *more)
    assert run.code == 2
    assert reason in run.said
    assert not run.rows
    assert key_file(service).read_text() == before


def test_more_users_than_keys_end_the_run(service: KeysteadProcess) -> None:
    assert service.ready is not None
    host = service.ready.verify_url.removesuffix("/wsapi/2.0/verify")
    run = run_locust(host, key_file(service), users=4)
    assert run.code == 2
    assert "4 users, 3 keys" in run.said
