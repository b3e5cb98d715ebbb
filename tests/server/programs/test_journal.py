"""`keystead journal`: exported, verified offline and over the store, whoever touched it."""

import json
import pkgutil
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.storage.migrations import versions
from tests.keystead_process import KeysteadProcess


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an installation in which something was administered, and exports.

    var: the data directory; key.pem; export.jsonl: all of it; kept.jsonl: a checkpoint.
    """
    folder = tmp_path_factory.mktemp("filled")
    with KeysteadProcess(folder / "var") as keystead:
        keystead.init("--sandbox")
        keystead.start()
        keystead.cli("client", "disable", "1", "--reason", "lost & found")
        keystead.cli("client", "enable", "1")
        kept = keystead.cli("journal", "checkpoint")
        (folder / "kept.jsonl").write_text(json.dumps(kept) + "\n")
        (folder / "key.pem").write_text(keystead.run("journal", "public-key").out)
        ended = keystead.run("journal", "export", str(folder / "export.jsonl"))
        assert (ended.code, ended.out) == (0, "")
        keystead.terminate()
    return folder


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> KeysteadProcess:
    """Return a copy of the installation, to be tampered with."""
    shutil.copytree(filled / "var", tmp_path / "var")
    return KeysteadProcess(tmp_path / "var")


def verify(folder: Path, file: Path, *more: str) -> tuple[int, Any]:
    """Verify an export where there is no installation; return exit code and JSON."""
    ended = KeysteadProcess(folder / "nowhere").run(
        "journal", "verify", str(file), "--public-key", str(folder / "key.pem"), *more, "--json"
    )
    return ended.code, ended.value


def test_what_was_done_is_listed_with_who_and_why(filled: Path) -> None:
    keystead = KeysteadProcess(filled / "var")
    entries = keystead.cli("journal", "list")["entries"]
    assert [entry["action"] for entry in entries] == [
        "data_key.make",
        "store.init",
        "journal.key",
        "client.add",
        "key.import",
        "client.disable",
        "client.enable",
    ]
    assert entries[5]["reason"] == "lost & found"
    assert {entry["actor"]["kind"] for entry in entries} == {"local"}
    shown = keystead.cli("journal", "show", "6")
    assert (shown["before"]["active"], shown["after"]["active"]) == (True, False)
    about = keystead.cli("journal", "list", "--about", "client:1", "--limit", "2")["entries"]
    assert [entry["sequence"] for entry in about] == [6, 7]
    after = keystead.cli("journal", "list", "--after", "1", "--limit", "1")["entries"]
    assert [entry["sequence"] for entry in after] == [2]
    printed = keystead.run("journal", "list", "--about", "client")
    assert "lost & found" in printed.out
    assert keystead.run("journal", "show", "99").code == 3


def test_an_export_is_verified_without_any_installation(filled: Path) -> None:
    code, verdict = verify(filled, filled / "export.jsonl")
    assert code == 0
    assert verdict["whole"]
    assert (verdict["entries"], verdict["confirmed"], verdict["first_bad"]) == (7, 7, None)
    assert verdict["checkpoints"] >= 3
    assert stat.S_IMODE((filled / "export.jsonl").stat().st_mode) == 0o600


def test_the_stores_journal_is_verified(filled: Path) -> None:
    keystead = KeysteadProcess(filled / "var")
    verdict = keystead.cli("journal", "verify", "--checkpoint", str(filled / "kept.jsonl"))
    assert (verdict["whole"], verdict["entries"]) == (True, 7)
    ended = keystead.run("journal", "verify", "--public-key", str(filled / "key.pem"))
    assert ended.code == 0
    assert "The journal is whole: 7 entries" in ended.out


def damaged(lines: list[str]) -> dict[str, tuple[list[str], int]]:
    """Return what may be done to an export and the first bad entry then."""
    first = next(n for n, line in enumerate(lines) if '"type":"entry"' in line)
    at = first + 5  # entry 6
    edited = lines[at].replace("lost & found", "lost & fount")
    assert edited != lines[at]
    return {
        "an edit": ([*lines[:at], edited, *lines[at + 1 :]], 6),
        "a deletion": ([*lines[:at], *lines[at + 1 :]], 6),
        "a new order": ([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]], 6),
        "an insertion": ([*lines[:at], lines[at - 1], *lines[at:]], 5),
        "a truncation": (lines[:at], 6),
        "a careful truncation": ([*lines[:at], lines[-1]], 6),
        "nonsense": ([*lines[:at], "nonsense\n", *lines[at:]], 6),
    }


@pytest.mark.parametrize(
    "what",
    [
        "an edit",
        "a deletion",
        "a new order",
        "an insertion",
        "a truncation",
        "a careful truncation",
        "nonsense",
    ],
)
def test_a_damaged_export_is_told_by_its_first_bad_entry(
    filled: Path, tmp_path: Path, what: str
) -> None:
    lines = (filled / "export.jsonl").read_text().splitlines(keepends=True)
    altered, first = damaged(lines)[what]
    file = tmp_path / "altered.jsonl"
    file.write_text("".join(altered))
    code, verdict = verify(filled, file)
    assert (code, verdict["whole"], verdict["first_bad"]) == (5, False, first)


def test_another_installations_key_confirms_nothing(filled: Path, tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as other:
        other.init()
        (tmp_path / "key.pem").write_text(other.run("journal", "public-key").out)
    code, verdict = verify(tmp_path, filled / "export.jsonl")
    assert code == 5
    assert "was not given" in verdict["fault"]


TAMPERING = {
    "an edit": ("UPDATE journal SET reason = 'another' WHERE sequence = 5", 5),
    "a deletion": ("DELETE FROM journal WHERE sequence = 5", 5),
    "a truncation": (
        """DELETE FROM journal WHERE sequence > 4;
           DELETE FROM journal_checkpoint WHERE sequence > 4;
           UPDATE journal_head
              SET sequence = 4, hash = (SELECT hash FROM journal WHERE sequence = 4)""",
        5,
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_whoever_writes_to_the_database_is_found_out(copy: KeysteadProcess, what: str) -> None:
    statements, first = TAMPERING[what]
    with closing(sqlite3.connect(copy.directory / "keystead.db")) as connection:
        connection.executescript(statements)
    ended = copy.run("journal", "verify", "--json")
    assert (ended.code, ended.value["first_bad"]) == (5, first)
    assert f"First bad entry: {first}" in ended.err
    # Evidence is exported all the same, and administration goes on.
    assert copy.run("journal", "export", str(copy.directory.parent / "evidence")).code == 0
    assert copy.run("client", "list").code == 0


def test_the_alarm_is_raised_by_the_daily_job(copy: KeysteadProcess) -> None:
    with closing(sqlite3.connect(copy.directory / "keystead.db")) as connection:
        connection.execute("UPDATE journal SET reason = 'another' WHERE sequence = 7")
        connection.execute("DELETE FROM lease")
        connection.commit()
    with copy as keystead:
        keystead.start()
        keystead.wait_until(lambda: any(line["event"] == "job_failed" for line in keystead.logs()))
    (line,) = [line for line in copy.logs() if line["event"] == "job_failed"]
    assert (line["job"], line["level"]) == ("journal-checkpoint", "error")
    assert "entry 7" in line["error"]


def test_a_start_signs_the_journal_and_another_on_the_same_day_does_not(
    copy: KeysteadProcess,
) -> None:
    def signed() -> int:
        file = copy.directory / "journal-checkpoints.jsonl"
        return len(file.read_text().splitlines())

    with closing(sqlite3.connect(copy.directory / "keystead.db")) as connection:
        connection.execute("DELETE FROM lease")
        connection.commit()
    before = signed()
    with copy as keystead:
        keystead.start(workers=2)
        keystead.wait_until(lambda: signed() == before + 1)
        assert keystead.terminate() == 0
        keystead.start()
        keystead.cli("client", "add", "another")
        assert signed() == before + 1


def test_an_installation_of_before_gets_its_key_at_the_next_start(copy: KeysteadProcess) -> None:
    key = copy.directory / "secrets" / "journal.key"
    old = copy.run("journal", "public-key").out
    key.unlink()
    with copy as keystead:
        keystead.start()
        keystead.terminate()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    new = copy.run("journal", "public-key").out
    assert new != old
    last = copy.cli("journal", "list", "--limit", "1")["entries"][-1]
    assert last["action"] == "journal.key"
    pems = copy.directory.parent / "old.pem", copy.directory.parent / "new.pem"
    for path, pem in zip(pems, (old, new), strict=True):
        path.write_text(pem)
    both = [part for path in pems for part in ("--public-key", str(path))]
    assert copy.run("journal", "verify", *both).code == 0


def test_mistakes_are_told_in_words(filled: Path, tmp_path: Path) -> None:
    keystead = KeysteadProcess(filled / "var")
    nothing = str(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    text, export = str(tmp_path / "text"), str(filled / "export.jsonl")
    key = ("--public-key", str(filled / "key.pem"))
    assert keystead.run("journal", "verify", export).code == 2
    for arguments, words in (
        (["verify", nothing, *key], "cannot be read"),
        (["verify", export, "--public-key", text], "keystead journal public-key"),
        (["verify", export, "--public-key", nothing], "cannot be read"),
        (["verify", export, *key, "--checkpoint", text], "text:1 is no checkpoint"),
        (["export", text], "cannot be made: File exists"),
        (["export", str(tmp_path / "no" / "folder")], "cannot be made"),
        (["list", "--after", "1", "--about", ":1"], ""),
    ):
        ended = keystead.run("journal", *arguments)
        assert words in ended.err
        assert ended.code == (1 if words else 0)
    assert (tmp_path / "text").read_text() == "text"


def test_a_store_upgrade_is_an_act_with_its_reason(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init("--sandbox")
        _back_to_revision_one(keystead.directory)
        refused = keystead.run("client", "list")
        assert refused.code == 1
        assert "keystead store upgrade" in refused.err
        done = keystead.cli("store", "upgrade", "--reason", "version 0.2")
        assert done == {"before": "outdated", "after": "current"}
        first = keystead.cli("journal", "show", "1")
        assert (first["action"], first["reason"]) == ("store.upgrade", "version 0.2")
        newest = max(module.name[1:5] for module in pkgutil.iter_modules(versions.__path__))
        assert (first["before"], first["after"]) == ({"revision": "0001"}, {"revision": newest})
        keystead.start()
        assert keystead.verify(1, keystead.otp()).status == "OK"
        assert keystead.cli("journal", "verify")["whole"]
        assert keystead.cli("client", "show", "1")["customer"] is None
        ended = keystead.run("store", "upgrade", "--reason", "two\nlines")
        assert (ended.code, "reason" in ended.err) == (1, True)


_OF_REVISION_ONE = frozenset(
    {"client", "api_key", "budget", "otp_key", "otp_key_record", "sequence", "meta"}
    | {"alembic_version"}
)


def _back_to_revision_one(directory: Path) -> None:
    """Make of an installation what the version before the journal would have left."""
    (directory / "secrets" / "journal.key").unlink()
    (directory / "journal-checkpoints.jsonl").unlink()
    with closing(sqlite3.connect(directory / "keystead.db")) as connection:
        # Whatever came later; with a foreign key last made, first dropped.
        later = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid DESC"
        )
        for (table,) in later.fetchall():
            if table not in _OF_REVISION_ONE:
                connection.execute(f'DROP TABLE "{table}"')
        for column in ("email", "notes"):
            connection.execute(f"ALTER TABLE client DROP COLUMN {column}")
        connection.execute("DELETE FROM sequence WHERE name NOT IN ('client', 'key_import')")
        connection.execute("DELETE FROM meta WHERE name LIKE 'journal_key%'")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
