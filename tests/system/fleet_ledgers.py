"""What an agent made and what a server counted, each written down where it is decided.

Triggers in both databases note every report within the transaction that makes or counts it, so
that no kill comes between: the agent deletes a report that was taken, the server keeps the last.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from agent.store import FILE, Store

_MADE = """
CREATE TABLE made (sequence INTEGER NOT NULL, id TEXT NOT NULL);
CREATE TRIGGER note_made AFTER INSERT ON report BEGIN
    INSERT INTO made VALUES (new.sequence, new.id);
END;
"""
_COUNTED = """
CREATE TABLE counted (sequence INTEGER NOT NULL, id TEXT NOT NULL);
CREATE TRIGGER note_counted AFTER UPDATE ON fleet_host WHEN new.report_id <> old.report_id BEGIN
    INSERT INTO counted VALUES (new.sequence, new.report_id);
END;
"""


class Noted(NamedTuple):
    """A report: its number and its id."""

    sequence: int
    report_id: str


class Ledger:
    """One database's."""

    def __init__(self, path: Path, table: str, script: str) -> None:
        self._path = path
        self._read = f"SELECT sequence, id FROM {table} ORDER BY rowid"  # noqa: S608 - ours
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)

    def read(self) -> list[Noted]:
        """Return what was noted, in its order."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            return [Noted(*row) for row in connection.execute(self._read)]


def ledger_of_agent(directory: Path) -> Ledger:
    """Have an agent's reports written down, before it runs the first time."""
    Store(directory).close()
    return Ledger(directory / FILE, "made", _MADE)


def ledger_of_server(directory: Path) -> Ledger:
    """Have what a server counts written down, while it does not run."""
    return Ledger(directory / "keystead.db", "counted", _COUNTED)
