"""What must survive: reports that wait, and the keys that this host has seen. SQLite.

A report is stored before it is sent and deleted when the server has it. Each thread has a
connection of its own.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

from agent.attached import SeenKey
from agent.composing import KnownKey
from agent.days import KEEP, gone_on, is_believable
from agent.findings import Findings
from agent.private_file import own_private, private_directory
from agent.report import Report, Value, encode

FILE = "agent.sqlite"
MAX_WAITING = 2_000
"""Reports: eighty days of one an hour."""

MAX_KEYS_KNOWN = 200
"""A device that names itself anew each time it is plugged in fills no disk, and no report."""
MAX_CLAIMS = 100
"""A person says a few."""

Result = TypeVar("Result")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS report (
    sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS known_key (
    name TEXT PRIMARY KEY, serial INTEGER, facts TEXT NOT NULL, unreadable TEXT NOT NULL,
    last_seen TEXT NOT NULL, reported TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS claim (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, said TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class StoreError(Exception):
    """Nothing was stored: a full disk, a read-only one. The message is for people."""


class FullError(StoreError):
    """So many claims wait that nobody will read them."""

    def __init__(self) -> None:
        super().__init__(f"{MAX_CLAIMS} claims wait already: the server takes none now")


class Waiting(NamedTuple):
    """A report that waits, or a claim: that has a number in the place of the sequence."""

    sequence: int
    report_id: str
    body: bytes


class Store:
    """The file of one agent. StoreError from everything."""

    def __init__(self, directory: Path, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        try:
            private_directory(directory)
            path = directory / FILE
            own_private(path)
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{directory} cannot be used: {error}") from None
        self._run(self._prepare)

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        # An agent that is killed, or a machine that loses power, has what it said it has.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA cache_size = -256")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    # -- reports

    def put(
        self,
        make: Callable[[int, int], Sequence[Report]],
        reported: Mapping[str, str],
    ) -> int:
        """Store reports. make: given the next sequence number and how many were dropped.

        reported: what is reported with them, by key, as `digest_of` tells it. In one
        transaction; the oldest make room, and are counted. Returns the last sequence number.
        """

        def do() -> int:
            last = int(self._note("sequence", "0"))
            dropped = int(self._note("dropped", "0"))
            waiting = self._count()
            reports = make(last + 1, dropped)
            surplus = max(0, waiting + len(reports) - self._max_waiting)
            if surplus:
                reports = make(last + 1, dropped + surplus)
                self._connection.execute(
                    "DELETE FROM report WHERE sequence IN"
                    " (SELECT sequence FROM report ORDER BY sequence LIMIT ?)",
                    (surplus,),
                )
                self._set("dropped", str(dropped + surplus))
            self._connection.executemany(
                "INSERT INTO report (sequence, id, body) VALUES (?, ?, ?)",
                [(one.sequence, one.report_id, encode(one)) for one in reports],
            )
            last = max((one.sequence for one in reports), default=last)
            self._set("sequence", str(last))
            self._connection.executemany(
                "UPDATE known_key SET reported = ? WHERE name = ?",
                [(digest, name) for name, digest in reported.items()],
            )
            return last

        return self._transaction(do)

    def oldest(self) -> Waiting | None:
        """Return the report that is to be sent next."""
        row = self._run(
            lambda: self._connection.execute(
                "SELECT sequence, id, body FROM report ORDER BY sequence LIMIT 1"
            ).fetchone()
        )
        return None if row is None else Waiting(*row)

    def waiting(self) -> list[Waiting]:
        """Return all that wait, oldest first."""
        rows = self._run(
            lambda: self._connection.execute(
                "SELECT sequence, id, body FROM report ORDER BY sequence"
            ).fetchall()
        )
        return [Waiting(*row) for row in rows]

    def count(self) -> int:
        """Return how many wait."""
        return self._run(self._count)

    def done(self, report_id: str, notes: Mapping[str, str]) -> None:
        """Delete a report that the server has, or will never take; and note that."""

        def do() -> None:
            self._connection.execute("DELETE FROM report WHERE id = ?", (report_id,))
            for name, value in notes.items():
                self._set(name, value)

        self._transaction(do)

    def begin(self, host: str) -> None:
        """Be the store of an enrolment. What was for another one is forgotten.

        Its reports would be nobody's to the server; all that is known of keys is told again.
        """

        def do() -> None:
            if self._note("host", "") == host:
                return
            self._connection.execute("DELETE FROM report")
            self._connection.execute("DELETE FROM claim")
            self._connection.execute("DELETE FROM note WHERE name <> 'calendar'")
            self._connection.execute("UPDATE known_key SET reported = ''")
            self._set("host", host)

        self._transaction(do)

    # -- claims

    def put_claim(self, said: str, make: Callable[[int], tuple[str, bytes]]) -> bool:
        """Store a claim. make: given its number, returns its id and body.

        said: what it says; the same is not stored twice while it waits: False. FullError.
        """

        def do() -> bool:
            waiting = self._connection.execute("SELECT said FROM claim").fetchall()
            if (said,) in waiting:
                return False
            if len(waiting) >= MAX_CLAIMS:
                raise FullError
            number = int(self._note("claim", "0")) + 1
            claim_id, body = make(number)
            self._connection.execute(
                "INSERT INTO claim (number, id, said, body) VALUES (?, ?, ?, ?)",
                (number, claim_id, said, body),
            )
            self._set("claim", str(number))
            return True

        return self._transaction(do)

    def claims(self) -> list[Waiting]:
        """Return the claims that wait, oldest first."""
        rows = self._run(
            lambda: self._connection.execute(
                "SELECT number, id, body FROM claim ORDER BY number"
            ).fetchall()
        )
        return [Waiting(*row) for row in rows]

    def claim_done(self, claim_id: str, notes: Mapping[str, str]) -> None:
        """Delete a claim that the server has, or will never take; and note that."""

        def do() -> None:
            self._connection.execute("DELETE FROM claim WHERE id = ?", (claim_id,))
            for name, value in notes.items():
                self._set(name, value)

        self._transaction(do)

    # -- keys

    def remember(self, keys: Iterable[SeenKey], day: date) -> None:
        """Note what was read of keys, and that they were here on a day.

        A reading without any fact says nothing new about a key.
        """
        rows = [
            (
                key.name,
                key.findings.serial,
                json.dumps(key.findings.facts),
                json.dumps(key.findings.unreadable),
                day.isoformat(),
                is_believable(day),
            )
            for key in keys
            if key.findings.facts
        ]
        self._transaction(
            lambda: self._connection.executemany(
                "INSERT INTO known_key (name, serial, facts, unreadable, last_seen, reported)"
                " VALUES (?, ?, ?, ?, ?, '') ON CONFLICT (name) DO UPDATE SET"
                " facts = excluded.facts, unreadable = excluded.unreadable, last_seen ="
                " CASE WHEN ? THEN excluded.last_seen ELSE max(last_seen, excluded.last_seen) END",
                rows,
            )
        )

    def known(self, since: date, attached: frozenset[str]) -> list[tuple[KnownKey, str]]:
        """Return the keys seen since a day, and as what each was reported. The latest first."""
        rows = self._run(
            lambda: self._connection.execute(
                "SELECT name, serial, facts, unreadable, last_seen, reported FROM known_key"
                " WHERE last_seen >= ? ORDER BY last_seen DESC, name",
                (since.isoformat(),),
            ).fetchall()
        )
        found = []
        for name, serial, facts, unreadable, last_seen, reported in rows:
            findings = Findings(_facts(facts), json.loads(unreadable), serial)
            key = KnownKey(SeenKey(name, findings), date.fromisoformat(last_seen), name in attached)
            found.append((key, reported))
        return found

    def since(self, today: date) -> date:
        """Return since when keys are told of."""
        return min(today, date.fromisoformat(self.note("calendar", today.isoformat()))) - KEEP

    def tidy(self, today: date, attached: frozenset[str]) -> None:
        """Delete keys that were not seen for long, or are too many, the oldest first.

        A day that is to come yet was never seen: the clock was wrong when it was noted.
        """

        def do() -> None:
            calendar = gone_on(date.fromisoformat(self._note("calendar", today.isoformat())), today)
            self._set("calendar", calendar.isoformat())
            if is_believable(today):
                self._connection.execute(
                    "UPDATE known_key SET last_seen = :today WHERE last_seen > :today",
                    {"today": today.isoformat()},
                )
            self._connection.execute(
                "DELETE FROM known_key WHERE last_seen < ?", ((calendar - KEEP).isoformat(),)
            )
            names = self._connection.execute(
                "SELECT name FROM known_key ORDER BY last_seen DESC, rowid DESC"
            ).fetchall()
            elsewhere = [name for (name,) in names if name not in attached]
            surplus = max(0, len(names) - MAX_KEYS_KNOWN)
            self._connection.executemany(
                "DELETE FROM known_key WHERE name = ?",
                [(name,) for name in elsewhere[len(elsewhere) - min(surplus, len(elsewhere)) :]],
            )

        self._transaction(do)

    # -- notes

    def note(self, name: str, otherwise: str = "") -> str:
        """Return a note."""
        return self._run(lambda: self._note(name, otherwise))

    def set_notes(self, notes: Mapping[str, str]) -> None:
        """Write notes."""

        def do() -> None:
            for name, value in notes.items():
                self._set(name, value)

        self._transaction(do)

    def _note(self, name: str, otherwise: str) -> str:
        row = self._connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return otherwise if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO note (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _count(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM report").fetchone()
        return int(count)

    def _transaction(self, do: Callable[[], Result]) -> Result:
        def within() -> Result:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = do()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return result

        return self._run(within)

    def _run(self, do: Callable[[], Result]) -> Result:
        try:
            return do()
        except sqlite3.Error as error:
            raise StoreError(f"the agent's store failed: {error}") from None


def _facts(text: str) -> dict[str, Value]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }
