"""The PostgreSQL hot path: one prepared statement per batch decides and commits.

What a failure means is decided by one question: can the statement have been committed? An
error of the statement itself rolled it back. A connection that broke, a time-out, a server
that shut down, or a commit that did not wait for its replicas: unknown.
"""

import asyncio
from collections.abc import Callable, Sequence
from importlib.resources import files

import asyncpg  # type: ignore[import-untyped] # the driver ships no types
import structlog

from server.otp.ports import Entry, Kind, Outcome, StoreUnavailableError, UnknownOutcomeError
from server.storage.identity import FIRST_EPOCH, STORE_EPOCH
from server.storage.postgres.connection import COMMITTING, UNREACHABLE, connect, describe
from server.storage.postgres.lane import Lane
from server.storage.postgres.purses import Purses
from validation.gcra import Policy

_STATEMENT = files("server.storage.postgres").joinpath("spend_and_advance.sql").read_text("utf-8")

_ATTEMPTS = 5
_GRACE_S = 1.0
_KINDS = tuple(Kind)

_log = structlog.get_logger(__name__)


class HotPath:
    """Decides batches, one at a time. command_timeout_s: how long the server may take."""

    def __init__(self, dsn: str, *, default_policy: Policy, command_timeout_s: float) -> None:
        self._dsn = dsn
        self._limit = (*default_policy.burst, *default_policy.day)
        self._timeout_s = command_timeout_s
        self._lane = Lane(self._connect)
        self._purses = Purses()
        self._statement: asyncpg.prepared_stmt.PreparedStatement | None = None
        self._unconfirmed = False
        self._epoch: str | None = None
        self.now_us: Callable[[], int] | None = None
        """For tests: decides at this time instead of the server's."""

    async def decide(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide and commit a batch; raises StoreUnavailableError or UnknownOutcomeError."""
        connection = await self._lane.connection()
        await self._make_purses(connection, batch)
        now_us = None if self.now_us is None else self.now_us()
        values = (*_columns(batch), *self._limit, now_us)
        for _ in range(_ATTEMPTS):
            try:
                rows = await self._run(values)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                # The server rolled it back: trying again decides for the first time.
                _log.info("a batch is tried again", reason=describe(error))
                failure = error
            else:
                return self._outcomes(batch, rows)
        raise StoreUnavailableError(f"nothing was written: {describe(failure)}") from failure

    async def connect(self) -> None:
        """Connect now, so that a refusal shows at the start."""
        await self._lane.connection()

    async def close(self) -> None:
        """Close the connection."""
        await self._lane.close()

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect(
            self._dsn,
            settings={
                "default_transaction_isolation": "read committed",  # locks yield newest rows
                "statement_timeout": str(int(self._timeout_s * 1000)),
                # Planned once, for batches of any size, while the tables may still be empty.
                "plan_cache_mode": "force_generic_plan",
                "enable_seqscan": "off",
            },
            # The server's own time-out comes first: it tells that nothing was written.
            command_timeout_s=self._timeout_s + _GRACE_S,
            warn=True,
        )
        try:
            await self._refuse_another_epoch(connection)
            self._statement = await connection.prepare(_STATEMENT)
        except UNREACHABLE as error:
            connection.terminate()
            raise StoreUnavailableError(f"PostgreSQL: {describe(error)}") from error
        except StoreUnavailableError:
            connection.terminate()
            raise
        connection.add_log_listener(self._on_notice)
        return connection

    async def _refuse_another_epoch(self, connection: asyncpg.Connection) -> None:
        """Commit into no store that was restored meanwhile: its fence was never looked for.

        Raises StoreUnavailableError. The lock is held until the connection ends.
        """
        if not await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", COMMITTING):
            raise StoreUnavailableError("PostgreSQL: a backup is being restored into the database")
        epoch = await connection.fetchval("SELECT value FROM meta WHERE name = $1", STORE_EPOCH)
        epoch = FIRST_EPOCH if epoch is None else epoch
        if self._epoch not in {None, epoch}:
            raise StoreUnavailableError(
                "a backup was restored into the database since this service began: restart it,"
                " so that it sees the fence"
            )
        self._epoch = epoch

    def _on_notice(self, _connection: object, notice: asyncpg.PostgresLogMessage) -> None:
        # "canceling wait for synchronous replication": committed here, and perhaps nowhere
        # else; the statement succeeds all the same. No other warning belongs into a batch.
        if notice.severity_en == "WARNING":
            self._unconfirmed = True

    async def _make_purses(self, connection: asyncpg.Connection, batch: Sequence[Entry]) -> None:
        missing = self._purses.missing((entry.client_id, entry.bucket) for entry in batch)
        if not missing:
            return
        try:
            await self._purses.make(connection, missing)
        except UNREACHABLE as error:
            self._lane.drop()
            raise StoreUnavailableError(f"nothing was written: {describe(error)}") from error

    async def _run(self, values: tuple[object, ...]) -> list[asyncpg.Record]:
        self._unconfirmed = False
        if self._statement is None:
            raise StoreUnavailableError("PostgreSQL is not connected")
        try:
            rows: list[asyncpg.Record] = await self._statement.fetch(*values)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            raise
        except UNREACHABLE as error:
            self._lane.drop()
            if _is_rolled_back(error):
                raise StoreUnavailableError(f"nothing was written: {describe(error)}") from error
            raise UnknownOutcomeError(f"PostgreSQL: {describe(error)}") from error
        except asyncio.CancelledError:
            self._lane.drop()
            raise
        if self._unconfirmed:
            raise UnknownOutcomeError("PostgreSQL did not wait for its replicas")
        return rows

    def _outcomes(self, batch: Sequence[Entry], rows: list[asyncpg.Record]) -> list[Outcome]:
        outcomes = [Outcome(_KINDS[row[0]], row[1], row[2], row[3]) for row in rows]
        for entry, outcome in zip(batch, outcomes, strict=True):
            if outcome.kind is Kind.STALE_CLIENT:
                self._purses.forget((entry.client_id, entry.bucket))
        return outcomes


def _is_rolled_back(error: BaseException) -> bool:
    """Tell whether the server said that our statement failed.

    A FATAL or PANIC may come while a commit is under way; an ERROR cannot come after one.
    What the driver raises by itself (a connection that broke) has no severity.
    """
    return isinstance(error, asyncpg.PostgresError) and error.severity_en == "ERROR"


def _columns(batch: Sequence[Entry]) -> tuple[Sequence[object], ...]:
    """Turn entries into the statement's first eleven parameters."""
    clients, versions, buckets, free, public_ids, key_versions, advances, nonces = zip(
        *batch, strict=True
    )
    return (
        clients,
        versions,
        buckets,
        free,
        public_ids,
        key_versions,
        [advance and advance.session for advance in advances],
        [advance and advance.use for advance in advances],
        [advance and advance.clock for advance in advances],
        [advance is not None and advance.phishing_test for advance in advances],
        nonces,
    )
