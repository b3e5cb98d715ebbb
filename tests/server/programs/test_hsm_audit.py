"""The log of the embedded HSM while a service runs, and the commands at its archive."""

import json
from pathlib import Path

import pytest

from hsm.audit.finding import NOTICES, Kind
from hsm.journalkey import format_public
from server.programs.cli import main
from server.programs.exits import Exit
from tests.hsm.audit.archives import KEY, fill
from tests.hsm.audit.logs import CREATED, a_log, read
from tests.keystead_process import KeysteadProcess


def records(keystead: KeysteadProcess) -> int:
    """Count the records of a service's one archive."""
    return sum(path.read_bytes().count(b"\n") for path in the_archives(keystead))


def the_archives(keystead: KeysteadProcess) -> list[Path]:
    return list((keystead.directory / "hsm-log").glob("*.jsonl"))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_embedded_hsms_log_is_carried_away_and_proven(
    keystead: KeysteadProcess, tmp_path: Path, workers: int
) -> None:
    keystead.init("--sandbox")
    for start in (1, 2):
        keystead.start(workers=workers)
        keystead.wait_until(lambda start=start: records(keystead) >= start)
        shown = keystead.metrics()
        assert shown["keystead_hsm_log_entries"] < 62
        alarms = {name: one for name, one in shown.items() if "hsm_alarms_total" in name}
        assert len(alarms) == len([kind for kind in Kind if kind not in NOTICES])
        assert not any(alarms.values())
        if start == 1:
            key = tmp_path / "key.pem"
            key.write_text(keystead.run("journal", "public-key").out)
        assert keystead.terminate() == 0
    (archive,) = the_archives(keystead)
    command = ("hsm", "audit", "verify", str(archive), "--public-key", str(key))
    verified = keystead.run(*command, data=False)
    assert verified.code == 0, verified.err
    assert "is whole" in verified.out
    assert " 0 alarms" in verified.out
    found = keystead.cli("hsm", "audit", "findings", "--all")["findings"]
    assert {one["kind"] for one in found} == {"boot", "ceremony"}
    assert keystead.cli("hsm", "audit", "findings") == {"findings": []}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Provide an archive with a gap in it, and its key beside it."""
    log = a_log(3)
    fill(tmp_path, log, [2])
    for tick in range(5):
        log.note(CREATED, tick)
    log.forget(read(log).entries[1].number)
    fill(tmp_path, log, [0])
    (tmp_path / "key.pem").write_text(format_public(KEY.public_key))
    (made,) = tmp_path.glob("*.jsonl")
    return made


def verify(archive: Path, *more: str) -> int:
    key = str(archive.parent / "key.pem")
    return main(["hsm", "audit", "verify", str(archive), "--public-key", key, *more])


def test_a_whole_archive_is_whole_and_tells_its_end(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(archive) == Exit.OK
    said = capsys.readouterr().out
    assert "2 records" in said
    assert "1 alarms" in said
    end = said.split("Its end is ")[1].strip().rstrip(".")
    assert verify(archive, "--noted", end) == Exit.OK
    archive.write_bytes(archive.read_bytes().splitlines(keepends=True)[0])
    assert verify(archive) == Exit.OK, "the file alone cannot tell"
    assert verify(archive, "--noted", end, "--json") == Exit.DAMAGED
    captured = capsys.readouterr()
    assert "cut off" in captured.err


def test_an_edited_archive_is_named_with_its_line(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.write_bytes(archive.read_bytes().replace(b'"v":1', b'"v":2', 1))
    assert verify(archive, "--json") == Exit.DAMAGED
    captured = capsys.readouterr()
    assert json.loads(captured.out)[0]["line"] == 1
    assert "at line 1" in captured.err


def test_findings_are_shown_the_alarms_first_of_all(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hsm", "audit", "findings", str(archive)]) == Exit.OK
    said = capsys.readouterr().out
    assert "gap" in said
    assert "boot" not in said
    assert main(["hsm", "audit", "findings", str(archive), "--all", "--limit", "1"]) == Exit.OK
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["verify", "absent", "--public-key", "key.pem"], Exit.REFUSED),
        (["verify", "archive"], Exit.USAGE),
        (["verify", "archive", "--public-key", "absent"], Exit.REFUSED),
        (["verify", "archive", "--public-key", "key.pem", "--noted", "7"], Exit.USAGE),
        (["findings", "absent"], Exit.REFUSED),
        (["findings", "key.pem"], Exit.DAMAGED),
    ],
)
def test_what_cannot_be_read_is_said(
    archive: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: Exit
) -> None:
    monkeypatch.chdir(archive.parent)
    archive.rename("archive")
    assert main(["hsm", "audit", *arguments]) == code
