"""The prober's spool: a small SQLite file that survives the prober, the server and a power cut.

It keeps findings until the server has them, and whatever else the prober must not forget. One
process holds it; a command may open it beside that one, to acknowledge.
"""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from server.probing.finding import Finding, Outcome

_VERSION = 1
_BUSY_S = 5.0
_NAME_OCTETS = 16
_CREATE = """
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE finding (
    number INTEGER PRIMARY KEY, outcome TEXT NOT NULL, at_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL, why TEXT NOT NULL
);
CREATE TABLE record (
    reference TEXT NOT NULL, number INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (reference, number)
) WITHOUT ROWID;
"""


class SpoolError(Exception):
    """The spool cannot be used; says what to do."""


class Spool:
    """Keeps `server.probing.ports.FindingSpool`. most: findings that may wait."""

    def __init__(self, connection: sqlite3.Connection, most: int) -> None:
        self._connection = connection
        self._most = most
        self.prober = self.get("prober") or ""

    @classmethod
    def open(cls, path: Path, most: int = 100_000) -> Self:
        """Open the file, or make it; SpoolError."""
        try:
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with _writing(connection):
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    _create(connection)
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(
                f"{path} cannot be used ({error}). Is its directory there, is the disk full?"
            ) from error
        if version not in {0, _VERSION}:
            connection.close()
            raise SpoolError(f"{path} is of version {version}: use the program that it is from")
        return cls(connection, most)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def get(self, name: str) -> str | None:
        """Return a value that was kept, None when none was."""
        row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str) -> None:
        """Keep a value; durable on return."""
        self._connection.execute(_PUT, (name, value))

    def append(self, outcome: Outcome, at_us: int, until_us: int, why: str = "") -> Finding:
        """Keep a finding under the next number; the oldest give way."""
        with _writing(self._connection):
            number = self.newest + 1
            finding = Finding(number, outcome, at_us, until_us, why)
            self._connection.execute("INSERT INTO finding VALUES (?, ?, ?, ?, ?)", finding)
            oldest = "DELETE FROM finding WHERE number <= ?"
            lost = self._connection.execute(oldest, (number - self._most,)).rowcount
            for name, value in (("number", number), ("latest", until_us)):
                self._connection.execute(_PUT, (name, str(value)))
            if lost:
                lost += self.lost
                self._connection.execute(_PUT, ("lost", str(lost)))
        return finding

    @property
    def lost(self) -> int:
        """How many findings gave way that the server never had."""
        return int(self.get("lost") or 0)

    @property
    def waiting(self) -> int:
        """How many findings the server has not yet."""
        (count,) = self._connection.execute("SELECT count(*) FROM finding").fetchone()
        return int(count)

    def latest_us(self) -> int | None:
        """Return when the newest finding ever ended."""
        found = self.get("latest")
        return None if found is None else int(found)

    def unsent(self, limit: int) -> Sequence[Finding]:
        """Return the oldest that the server has not, in order."""
        rows = self._connection.execute("SELECT * FROM finding ORDER BY number LIMIT ?", (limit,))
        return [Finding(number, Outcome(outcome), *more) for number, outcome, *more in rows]

    @property
    def newest(self) -> int:
        """The number of the newest finding ever."""
        return int(self.get("number") or 0)

    def renumber(self, after: int) -> None:
        """Count on from a number, with those that wait first."""
        with _writing(self._connection):
            waiting = self.unsent(self._most)
            self._connection.execute("DELETE FROM finding")
            anew = [one._replace(number=after + at) for at, one in enumerate(waiting, 1)]
            self._connection.executemany("INSERT INTO finding VALUES (?, ?, ?, ?, ?)", anew)
            self.put("number", str(after + len(anew)))

    def taken(self, number: int) -> None:
        """Forget all up to a number."""
        self._connection.execute("DELETE FROM finding WHERE number <= ?", (number,))

    def add_record(self, reference: str, value: str) -> int:
        """Append to an incident's history; return the record's number, from 1."""
        with _writing(self._connection):
            query = "SELECT coalesce(max(number), 0) + 1 FROM record WHERE reference = ?"
            (number,) = self._connection.execute(query, (reference,)).fetchone()
            row = (reference, number, value)
            self._connection.execute("INSERT INTO record VALUES (?, ?, ?)", row)
        return int(number)

    def records(self, reference: str) -> Sequence[str]:
        """Return an incident's history, in order."""
        query = "SELECT value FROM record WHERE reference = ? ORDER BY number"
        return [str(value) for (value,) in self._connection.execute(query, (reference,))]

    def forget_records(self, reference: str) -> None:
        """Forget an incident that is wholly the server's."""
        self._connection.execute("DELETE FROM record WHERE reference = ?", (reference,))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do several things at once, alone, or none of them."""
        with _writing(self._connection):
            yield


_PUT = "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    if connection.in_transaction:
        yield  # part of a greater one
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    for statement in _CREATE.split(";"):
        connection.execute(statement)
    connection.execute(_PUT, ("prober", secrets.token_hex(_NAME_OCTETS)))
    connection.execute(f"PRAGMA user_version = {_VERSION}")
