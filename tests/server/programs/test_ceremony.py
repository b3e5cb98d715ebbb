"""`keystead-ceremony` as a person uses it: a connector, files, words and exit codes."""

import json
import stat
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from yubihsm.core import YubiHsm
from yubihsm.defs import CAPABILITY
from yubihsm.objects import AuthenticationKey

from hsm.ceremony.transcript import Transcript
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.wire.firmware import DEFAULT, Firmware
from hsm.journalkey import JournalKey, format_public
from server.programs.ceremony import main
from tests.hsm.device.connectors import real_connector

Run = Callable[..., int]


class Served:
    """A device behind a connector on a free port."""

    def __init__(self, firmware: Firmware) -> None:
        # Its time stands still: a machine that pauses ends no session here.
        self.emulator = Emulator(firmware, clock=lambda: 1000.0)
        self.url = ""

    def factory(self) -> YubiHsm:
        return YubiHsm(EmulatorBackend(self.emulator))


@pytest.fixture
def firmware(request: pytest.FixtureRequest) -> Firmware:
    return getattr(request, "param", DEFAULT)


@pytest.fixture
def served(firmware: Firmware) -> Iterator[Served]:
    made = Served(firmware)
    with real_connector(made.emulator.transceive) as connector:
        made.url = connector.url
        yield made


@pytest.fixture
def run(served: Served, tmp_path: Path) -> Run:
    """Provide the command, pointed at the device and at files in a folder of the test's."""

    def command(name: str, *more: str, connector: str | None = None) -> int:
        secret = ["--secret-file", str(tmp_path / "hsm.key")]
        return main([name, "--connector", connector or served.url, *secret, *more])

    return command


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_plan_tells_and_changes_nothing(
    run: Run, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = served.emulator.device.version
    assert run("plan", "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["steps"][-1]["act"] == "DELETE_FACTORY_KEY"
    assert planned["refusals"] == []
    assert served.emulator.device.version == before
    assert names(tmp_path) == set()


def test_a_dry_run_changes_nothing_and_makes_no_file(
    run: Run, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = served.emulator.device.version
    assert run("perform", "--dry-run", "--out", str(tmp_path / "out.json")) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert served.emulator.device.version == before
    assert names(tmp_path) == set()


def test_a_ceremony_from_the_factory_to_a_verified_transcript(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "transcript.json"
    assert run("perform", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "EMULATOR" in said
    assert names(tmp_path) == {"hsm.key", "ceremony.key", "operator.key", "transcript.json"}
    for name in ("hsm.key", "ceremony.key", "operator.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert run("verify") == 0
    public = tmp_path / "operator.pub"
    operator = JournalKey.parse((tmp_path / "operator.key").read_bytes())
    public.write_text(format_public(operator.public_key))
    check = ["verify", "--transcript", str(out), "--operator-public-key", str(public)]
    assert main(check) == 0
    said = capsys.readouterr().out
    assert "signed by: device, operator" in said
    assert "NOT checked" not in said
    assert main(check[:3]) == 0
    assert "NOT checked" in capsys.readouterr().out
    # Again: nothing is done, and the first transcript stays what it is.
    assert run("perform", "--out", str(out)) == 1
    assert "never replaces" in capsys.readouterr().err
    assert run("perform", "--out", str(tmp_path / "again.json")) == 0
    assert Transcript.parse((tmp_path / "again.json").read_text()).body["steps"] == []


def test_no_secret_is_printed_or_written_but_to_its_own_file(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    password = tmp_path / "password"
    password.write_text("password\n")
    out = tmp_path / "out.json"
    assert run("perform", "--out", str(out), "--password-file", str(password)) == 0
    assert run("verify") == 0
    said = capfd.readouterr()
    for name in ("hsm.key", "ceremony.key"):
        secret = (tmp_path / name).read_text().splitlines()[2]
        assert secret not in said.out + said.err + out.read_text()


def test_a_wrong_password_is_refused_and_nothing_is_changed(
    run: Run, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password = tmp_path / "password"
    password.write_text("canary-wrong")
    before = served.emulator.device.version
    assert run("perform", "--password-file", str(password)) == 1
    said = capsys.readouterr().err
    assert "lets nobody in" in said
    assert "Nothing was changed" in said
    assert "canary-wrong" not in said
    assert served.emulator.device.version == before
    assert names(tmp_path) == {"password"}


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", b"x" * 2000])
def test_a_file_that_holds_no_password_is_refused(
    run: Run, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    password = tmp_path / "password"
    password.write_bytes(content)
    assert run("perform", "--password-file", str(password)) == 1
    assert "has to hold a password" in capsys.readouterr().err


def test_a_changed_password_comes_from_a_file(run: Run, served: Served, tmp_path: Path) -> None:
    session = served.factory().create_session_derived(1, "password")
    AuthenticationKey(session, 1).change_password("mine")
    password = tmp_path / "password"
    password.write_text("mine\n")
    assert run("perform", "--out", str(tmp_path / "o.json"), "--password-file", str(password)) == 0
    assert run("verify") == 0


def test_a_connector_that_is_not_there_is_unreachable(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", connector="http://127.0.0.1:1") == 4
    assert "cannot be reached" in capsys.readouterr().err
    assert run("perform", connector=f"http+unix://{tmp_path}/none.sock") == 4
    assert names(tmp_path) == set()


@pytest.mark.parametrize("url", ["ftp://host", "nothing", "http://host/path", "http://u@h:1"])
def test_a_url_that_is_none_is_wrong_usage(run: Run, url: str) -> None:
    assert run("plan", connector=url) == 2


@pytest.mark.parametrize("firmware", [Firmware(2, 2, 0), Firmware(2, 3, 1)], indirect=True)
def test_firmware_that_is_too_old_is_refused(
    run: Run, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "issuing.toml"
    packaged = resources.files("hsm") / "manifests" / "issuing.toml"
    manifest.write_bytes(packaged.read_bytes())
    assert run("perform", "--manifest", str(manifest)) == 1
    said = capsys.readouterr()
    assert "Firmware cannot be replaced" in said.out
    assert "YSA-2024-03" in said.out
    assert "nothing was done" in said.err
    assert len(list(served.emulator.device.store)) == 1
    assert names(tmp_path) == {"issuing.toml"}


def test_a_manifest_with_a_fault_is_wrong_usage(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "device.toml"
    manifest.write_text("format = 1\n[[role]]\nname = 3\n")
    assert run("perform", "--manifest", str(manifest)) == 2
    assert "device.toml: role number 1: name" in capsys.readouterr().err


def test_drift_is_told_by_verify(
    run: Run, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = served.factory().create_session_derived(1, "password")
    assert run("perform", "--out", str(tmp_path / "out.json")) == 0
    # That session began before its key was deleted, and outlives it.
    none = CAPABILITY.NONE
    AuthenticationKey.put_derived(session, 0x777, "spare", 1, none, none, "a password")
    assert run("verify") == 1
    assert "authentication-key 0x0777" in capsys.readouterr().err
    assert run("perform", "--out", str(tmp_path / "again.json")) == 1
    assert "0x0777" in capsys.readouterr().out


def test_a_lost_secret_is_not_replaced_by_a_new_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("perform", "--out", str(tmp_path / "out.json")) == 0
    (tmp_path / "hsm.key").rename(tmp_path / "elsewhere")
    assert run("perform", "--out", str(tmp_path / "again.json")) == 1
    assert "name the file they were made from" in capsys.readouterr().err
    assert not (tmp_path / "hsm.key").exists()


def test_the_ceremonys_secret_is_not_taken_as_the_hosts(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("perform", "--out", str(tmp_path / "out.json")) == 0
    assert run("verify", "--secret-file", str(tmp_path / "ceremony.key")) == 1
    assert "wanted is the host's" in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new"), [('"kind": "emulator"', '"kind": "hardware"'), ("{", "[")])
def test_a_transcript_that_was_tampered_with_has_an_exit_code_of_its_own(
    run: Run, tmp_path: Path, old: str, new: str
) -> None:
    out = tmp_path / "out.json"
    assert run("perform", "--out", str(out)) == 0
    forged = tmp_path / "forged.json"
    forged.write_text(out.read_text().replace(old, new, 1))
    assert main(["verify", "--transcript", str(forged)]) == 5
    assert main(["verify", "--transcript", str(tmp_path / "nothing.json")]) == 1


def test_a_sub_ca_comes_from_a_file(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sub_ca = tmp_path / "sub.pem"
    sub_ca.write_text("nothing")
    assert run("verify", "--sub-ca", str(sub_ca)) == 1
    assert "no certificates" in capsys.readouterr().err
