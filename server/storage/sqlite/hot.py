"""The embedded hot path: load, decide, store, commit. Runs on a thread of its own."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from server.clock import Clock
from server.otp.decision import ClientRow, Decision, KeyRow, decide
from server.otp.ports import Entry, Outcome, StoreUnavailableError, UnknownOutcomeError
from server.storage.directory_rows import limit_of
from server.storage.sqlite import hot_statements as sql
from server.storage.sqlite.connection import connect
from validation.gcra import Budget, Policy

_PREPARED = 2 * sql.ROWS_AT_ONCE + 8


class Decided(NamedTuple):
    """Outcomes of a committed batch, and how many rows it rewrote in the log."""

    outcomes: list[Outcome]
    rows: int


class Change(NamedTuple):
    """A statement and the rows to execute it for.

    pages: how many pages it may write, 0 for one a row.
    """

    statement: str
    rows: Sequence[tuple[object, ...]] | Sequence[Mapping[str, object]]
    pages: int = 0

    @property
    def log_pages(self) -> int:
        """How many pages it may write into the log."""
        return self.pages or len(self.rows)


class HotPath:
    """Decides batches on a connection that it opens, and opens anew after a failure.

    Every method belongs to one thread. cache_mib: pages of the database kept in memory.
    """

    def __init__(self, path: Path, *, clock: Clock, default_policy: Policy, cache_mib: int) -> None:
        self._path = path
        self._clock = clock
        self._default_policy = default_policy
        self._cache_kib = cache_mib * 1024
        self._connection: sqlite3.Connection | None = None

    def decide(self, batch: Sequence[Entry]) -> Decided:
        """Decide and commit a batch; raises StoreUnavailableError or UnknownOutcomeError."""
        with self._transaction() as connection:
            decision = self._decide(connection, batch)
            _store(connection, decision)
        return Decided(decision.outcomes, len(decision.keys) + len(decision.budgets))

    def write(self, changes: Sequence[Change]) -> None:
        """Execute statements, each for many rows, and commit; raises as `decide`."""
        with self._transaction() as connection:
            for change in changes:
                connection.executemany(change.statement, change.rows)

    def attach(self, path: Path, name: str) -> None:
        """Let statements read another file under a name, until `detach` or a failure."""
        try:
            uri = path.absolute().as_uri() + "?mode=ro"
            self._connected().execute(f"ATTACH ? AS {name}", [uri])
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailableError(f"nothing was written: {_describe(error)}") from error

    def detach(self, name: str) -> None:
        """Let go of it; a no-op after a failure, which has closed the connection."""
        try:
            if self._connection is not None:
                self._connection.execute(f"DETACH {name}")
        except sqlite3.Error:
            self.close()

    def prove_writable(self) -> None:
        """Take the write lock and let go of it; raises StoreUnavailableError."""
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailableError(_describe(error)) from error

    def close(self) -> None:
        """Close the connection, and roll back what it had begun; the next batch opens anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            yield connection
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailableError(f"nothing was written: {_describe(error)}") from error
        except BaseException:
            self.close()
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # The log may hold the whole transaction and only its fsync failed: a restart
            # would then find it committed.
            self.close()
            raise UnknownOutcomeError(f"the commit failed: {_describe(error)}") from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(self._path, cached_statements=_PREPARED)
            self._connection = connection
            connection.execute(f"PRAGMA cache_size=-{self._cache_kib}")
        return self._connection

    def _decide(self, connection: sqlite3.Connection, batch: Sequence[Entry]) -> Decision:
        asked = (
            json.dumps([entry.public_id for entry in batch]),
            json.dumps(list({entry.client_id for entry in batch})),
            json.dumps(list({(entry.client_id, entry.bucket) for entry in batch})),
        )
        keys, clients, budgets = connection.execute(sql.LOAD, asked).fetchone()
        return decide(
            batch,
            clients={
                int(client_id): ClientRow(row[0], row[1], limit_of(*row[2:]))
                for client_id, row in json.loads(clients).items()
            },
            keys={public_id: KeyRow._make(row) for public_id, row in json.loads(keys).items()},
            budgets={(row[0], row[1]): Budget(row[2], row[3]) for row in json.loads(budgets)},
            default_policy=self._default_policy,
            now_us=self._clock.now_us(),
        )


def _store(connection: sqlite3.Connection, decision: Decision) -> None:
    spent = [(*account, *budget) for account, budget in decision.budgets.items()]
    for rows in _parts(spent):
        connection.execute(sql.store_budgets(len(rows)), list(chain.from_iterable(rows)))
    for rows in _parts(decision.keys):
        advanced = connection.execute(
            sql.advance_keys(len(rows)), list(chain.from_iterable(rows))
        ).rowcount
        if advanced != len(rows):
            raise StoreUnavailableError("a counter did not move: decision and store disagree")


def _parts(rows: Sequence[tuple[object, ...]]) -> Iterable[Sequence[tuple[object, ...]]]:
    return (
        rows[start : start + sql.ROWS_AT_ONCE] for start in range(0, len(rows), sql.ROWS_AT_ONCE)
    )


def _describe(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{name}: {error}"
