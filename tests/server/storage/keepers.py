"""The keepers of the store's promises, each behind the same few handles for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from server.facts import NewFact
from server.ledger.entry import NewEntry
from server.otp.decision import KeyRow
from server.storage.books.fact_book import append_facts
from server.storage.books.ledger_book import append_ledger
from server.storage.postgres.store import PostgresStore, open_postgres
from server.storage.schema import budget, lease, meta, metadata, otp_key
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from validation.gcra import Budget, Policy

Store: TypeAlias = MemoryStore | SqliteStore | PostgresStore
_HOURS_S = 3600 * 5

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, object]]]


class Keeper(Protocol):
    """One store and what a test may do behind its back."""

    clock: StillClock

    async def open(self) -> Store:
        """Return a handle on the store: the same one, or one more connection."""
        ...

    async def close(self) -> None:
        """Close every handle."""
        ...

    async def lose_counters(self, public_id: str) -> None:
        """Remove a key's counters and leave the key."""
        ...

    async def counters(self) -> dict[str, KeyRow]:
        """Return all rows of counters by public id."""
        ...

    async def budgets(self) -> dict[tuple[int, int], Budget]:
        """Return all budgets that were spent from."""
        ...

    async def append_facts(self, facts: Sequence[NewFact]) -> None:
        """Write facts down, as a change does within its transaction."""
        ...

    async def append_ledger(self, entries: Sequence[NewEntry]) -> None:
        """Append to the ledger, as a change does within its transaction."""
        ...

    async def hours_pass(self) -> None:
        """Let every lease end, as time does."""
        ...


class MemoryKeeper:
    """The stand-in."""

    def __init__(self, policy: Policy) -> None:
        self.clock = StillClock()
        self._store = MemoryStore(clock=self.clock, default_policy=policy)

    async def open(self) -> MemoryStore:
        return self._store

    async def close(self) -> None:
        await self._store.close()

    async def lose_counters(self, public_id: str) -> None:
        self._store.lose_counters(public_id)

    async def counters(self) -> dict[str, KeyRow]:
        return dict(self._store._rows)

    async def budgets(self) -> dict[tuple[int, int], Budget]:
        return dict(self._store._budgets)

    async def append_facts(self, facts: Sequence[NewFact]) -> None:
        self._store.append_facts(facts)

    async def append_ledger(self, entries: Sequence[NewEntry]) -> None:
        self._store.append_ledger(entries, self.clock.now_us())

    async def hours_pass(self) -> None:
        self.clock.pass_by(_HOURS_S)


class SqlKeeper:
    """What SQLite and PostgreSQL have in common: tables."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self._opened: list[SqliteStore | PostgresStore] = []

    @property
    def engine(self) -> AsyncEngine:
        return self._opened[0]._engine

    @staticmethod
    def table(name: str) -> Table:
        return metadata.tables[name]

    async def close(self) -> None:
        for store in reversed(self._opened):
            await store.close()
        self._opened.clear()

    async def lose_counters(self, public_id: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(otp_key).where(otp_key.c.public_id == public_id))

    async def counters(self) -> dict[str, KeyRow]:
        columns = [otp_key.c[name] for name in ("public_id", *KeyRow._fields)]
        async with self.engine.begin() as connection:
            rows = await connection.execute(select(*columns))
            return {row[0]: KeyRow._make(row[1:]) for row in rows}

    async def budgets(self) -> dict[tuple[int, int], Budget]:
        async with self.engine.begin() as connection:
            rows = await connection.execute(select(budget))
            return {
                (row.client_id, row.bucket): Budget(row.burst_tat_us, row.day_tat_us)
                for row in rows
                if (row.burst_tat_us, row.day_tat_us) != (0, 0)
            }

    async def install_meta(self, name: str, value: str) -> None:
        """Set a named value behind the store's back."""
        async with self.engine.begin() as connection:
            await connection.execute(delete(meta).where(meta.c.name == name))
            await connection.execute(insert(meta).values(name=name, value=value))

    async def append_facts(self, facts: Sequence[NewFact]) -> None:
        transactions = self._opened[-1]._transactions
        async with transactions.writing() as connection:
            await append_facts(transactions.now_us, connection, facts)

    async def append_ledger(self, entries: Sequence[NewEntry]) -> None:
        transactions = self._opened[-1]._transactions
        async with transactions.writing() as connection:
            await append_ledger(transactions.now_us, connection, entries)

    async def hours_pass(self) -> None:
        # The server's clock is not ours: all that was to end later ends earlier instead.
        async with self.engine.begin() as connection:
            earlier = lease.c.expires_us - _HOURS_S * 1_000_000
            await connection.execute(update(lease).values(expires_us=earlier))

    async def install(self, rows: Rows) -> None:
        """Replace the contents of the tables named in `rows` and of those that refer to them."""
        async with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name not in {"sequence", "journal_head"}:
                    await connection.execute(delete(table))
            for table in metadata.sorted_tables:
                if rows.get(table.name):
                    await connection.execute(insert(table), list(rows[table.name]))


class SqliteKeeper(SqlKeeper):
    """The embedded store; it has one owner, so every handle is the same."""

    def __init__(self, path: Path, policy: Policy) -> None:
        super().__init__()
        self.path = path
        self._policy = policy

    async def open(self) -> SqliteStore:
        if not self._opened:
            self._opened.append(
                await open_sqlite(
                    self.path, clock=self.clock, default_policy=self._policy, create=True
                )
            )
        store = self._opened[0]
        assert isinstance(store, SqliteStore)
        return store


class PostgresKeeper(SqlKeeper):
    """PostgreSQL. server_time: decide by the server's clock, as in production."""

    def __init__(self, url: str, policy: Policy, *, server_time: bool = False) -> None:
        super().__init__()
        self.url = url
        self._policy = policy
        self._server_time = server_time

    async def open(self) -> PostgresStore:
        store = await open_postgres(self.url, default_policy=self._policy, create=True)
        if not self._server_time:
            store._hot.now_us = self.clock.now_us
        self._opened.append(store)
        return store

    async def install(self, rows: Rows) -> None:
        await super().install(rows)
        for store in self._opened:
            assert isinstance(store, PostgresStore)
            store._hot._purses._made.clear()
