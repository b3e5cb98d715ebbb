"""`keystead-ceremony backup`, `restore`, `split` and `join`, as people use them."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm import credentials
from hsm.ceremony.shares import Kind, SharesError, split
from hsm.credentials import HsmSecret
from server.programs import share_papers
from server.programs.ceremony import main
from server.programs.exits import Exit
from tests.hsm.ceremony.drills import served

A_SECRET = bytes(range(32))


@pytest.fixture
def devices() -> Iterator[tuple[str, str]]:
    with served() as one, served() as two:
        yield one, two


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def perform(url: str) -> None:
    assert main(["perform", "--connector", url]) == Exit.OK


def test_a_device_is_backed_up_for_another_one_and_restored(
    devices: tuple[str, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = devices
    perform(one)
    assert main(["restore", "transport.json", "--prepare", "--connector", two]) == Exit.OK
    shown = capsys.readouterr().out
    arguments = ["backup", "backup.json", "--for", "transport.json", "--connector", one]
    assert main(arguments) == Exit.REFUSED
    assert "not proven to be hardware" in capsys.readouterr().err
    assert not (folder / "backup.json").exists()
    assert main([*arguments, "--accept-emulator"]) == Exit.OK
    fingerprint = next(
        line for line in capsys.readouterr().out.splitlines() if line.count(" ") == 17
    )
    assert fingerprint in shown
    assert main(["restore", "backup.json", "--connector", two]) == Exit.OK
    assert "each proven" in capsys.readouterr().out
    (transcript,) = [
        path
        for path in folder.glob("ceremony-*.json")
        if path.name.count("-") == 2
        and (folder / path.name.replace("ceremony", "restore")).exists()
    ]
    assert main(["verify", "--transcript", str(transcript)]) == Exit.OK


def test_a_device_is_backed_up_under_shares_and_restored(
    devices: tuple[str, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = devices
    perform(one)
    (folder / "safe").mkdir()
    sizes = ["--shares", "3", "--threshold", "2"]
    arguments = ["backup", "backup.json", *sizes, "--connector", one]
    assert main(arguments) == Exit.REFUSED, "no terminal to show shares on"
    assert main([*arguments, "--shares-to", "absent"]) == Exit.REFUSED
    assert not (folder / "backup.json").exists()
    assert main([*arguments, "--shares-to", "safe"]) == Exit.OK
    sheets = sorted((folder / "safe").iterdir())
    assert len(sheets) == 3
    assert {path.stat().st_mode & 0o777 for path in sheets} == {0o600}
    restore = ["restore", "backup.json", "--connector", two]
    assert main([*restore, "--share-file", str(sheets[0])]) == Exit.REFUSED
    assert "2 are needed" in capsys.readouterr().err
    files = [part for path in sheets[1:] for part in ("--share-file", str(path))]
    assert main([*restore, *files]) == Exit.OK
    (report,) = folder.glob("restore-*.json")
    assert json.loads(report.read_text())["body"]["backup"]["by"] == "shares"
    assert main(arguments) == Exit.REFUSED, "a backup never replaces another one"


def test_the_ceremonys_secret_is_split_and_put_together_again(folder: Path) -> None:
    secret = credentials.create(folder / "ceremony.key", "ceremony")
    (folder / "safe").mkdir()
    sizes = ["--shares", "4", "--threshold", "3"]
    assert main(["split", *sizes, "--shares-to", "safe"]) == Exit.OK
    sheets = sorted((folder / "safe").iterdir())
    files = [part for path in sheets[:3] for part in ("--share-file", str(path))]
    assert main(["join", *files]) == Exit.REFUSED, "it never replaces a secret"
    assert main(["join", "--ceremony-file", "again.key", *files]) == Exit.OK
    assert credentials.load(folder / "again.key", "ceremony").reveal() == secret.reveal()
    sheets[0].chmod(0o644)
    assert main(["join", "--ceremony-file", "third.key", *files]) == Exit.REFUSED
    assert main(["split", "--shares", "2", "--threshold", "3", "--shares-to", "safe"]) == Exit.USAGE


def test_shares_of_another_kind_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = share_papers.write_sheets(folder, split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=2))
    files = [part for path in paths for part in ("--share-file", str(path))]
    assert main(["join", *files]) == Exit.REFUSED
    assert "the wrap key of a backup" in capsys.readouterr().err
    assert main(["join"]) == Exit.REFUSED
    assert "typed on a terminal" in capsys.readouterr().err


def test_shares_are_typed_in_and_slips_are_told_where_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two, _ = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=3)
    groups = one.groups()
    slipped = f"{groups[6][:-1]}{'0' if groups[6][-1] != '0' else '1'}"
    typed = [
        " ".join(groups[:6]),
        f"{slipped} {groups[7]}",
        " ".join(groups[6:]).lower(),
        "-".join(groups),
        *two.groups(),
    ]
    found = share_papers.ask(io.StringIO("\n".join(typed) + "\n"))
    assert found == [one, two]
    told = capsys.readouterr().err
    assert "group 7 was mistyped" in told
    assert "Type on from group 7." in told
    assert "typed already" in told
    for group in groups:
        assert group not in told


def test_input_that_ends_early_gives_no_secret() -> None:
    one = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=3)[0]
    with pytest.raises(SharesError, match="ended before"):
        share_papers.ask(io.StringIO(" ".join(one.groups()) + "\nABC"))


def test_a_file_that_holds_no_share_is_refused(folder: Path) -> None:
    (folder / "share.txt").write_text("nothing of the kind\n")
    (folder / "share.txt").chmod(0o600)
    with pytest.raises(Exception, match="holds no share"):
        share_papers.read_sheets([folder / "share.txt"])


def test_shares_are_shown_one_by_one_on_a_terminal_and_vanish(folder: Path) -> None:
    secret = HsmSecret("ceremony", A_SECRET)
    (folder / "ceremony.key").write_text(secret.format())
    (folder / "ceremony.key").chmod(0o600)
    ours, theirs = pty.openpty()
    command = Path(sys.executable).with_name("keystead-ceremony")
    process = subprocess.Popen(
        [str(command), "split", "--shares", "2", "--threshold", "2"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
    )
    os.close(theirs)
    seen = b""
    pressed = 0
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal's other end is gone
            break
        seen += piece
        if seen.count(b"press Enter") > pressed:
            pressed += 1
            os.write(ours, b"\n")
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert pressed == 2
    sheets = [
        part.split("keystead-share-v1")[1].split("Copy it")[0]
        for part in seen.decode().replace("\r", "").split("\x1b[2J\x1b[3J\x1b[H")[:2]
    ]
    shares = [share_papers.read_sheet("keystead-share-v1" + sheet) for sheet in sheets]
    assert [share.number for share in shares] == [1, 2]
