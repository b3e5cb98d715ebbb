"""The PostgreSQL store, put together: hot path, directory and books on one database."""

import asyncio
from collections.abc import Awaitable, Sequence

from sqlalchemy import text

from hsm.provisioning.release_states import KeptRelease
from server.counter_journal.ports import Raised
from server.counter_journal.records import Accepted
from server.journal.acts import Act, Deed
from server.moving.ports import Gathered, Progress
from server.otp.ports import (
    ClientRecord,
    Entry,
    KeyRecord,
    NewKey,
    Outcome,
    StoreError,
    StoreUnavailableError,
)
from server.provisioning.ports import MintedKey
from server.storage.batch_queue import BatchQueue
from server.storage.books.advisory_book import SqlAdvisoryBook
from server.storage.books.client_book import SqlClientBook
from server.storage.books.customer_book import SqlCustomerBook
from server.storage.books.delivery_book import SqlDeliveryBook
from server.storage.books.fact_book import SqlFactBook
from server.storage.books.fence_book import SqlFenceBook
from server.storage.books.fleet_altered_book import SqlFleetAlteredBook
from server.storage.books.fleet_claim_book import SqlFleetClaimBook
from server.storage.books.fleet_count_book import SqlFleetCountBook
from server.storage.books.fleet_key_book import SqlFleetKeyBook
from server.storage.books.fleet_proof_book import SqlFleetProofBook
from server.storage.books.fleet_repeat_book import SqlFleetRepeatBook
from server.storage.books.fleet_retention_book import SqlFleetRetentionBook
from server.storage.books.fleet_view_book import SqlFleetViewBook
from server.storage.books.hsm_log_book import SqlHsmLogBook
from server.storage.books.incident_book import SqlIncidentBook
from server.storage.books.journal_book import SqlJournalBook
from server.storage.books.judgement_book import SqlJudgementBook
from server.storage.books.key_book import SqlKeyBook
from server.storage.books.lease_book import SqlLeaseBook
from server.storage.books.ledger_book import SqlLedgerBook
from server.storage.books.maintenance_book import SqlMaintenanceBook
from server.storage.books.meta_book import SqlMetaBook
from server.storage.books.minting_book import SqlMintingBook
from server.storage.books.move_book import SqlMoveBook
from server.storage.books.operator_book import SqlOperatorBook
from server.storage.books.probe_book import SqlProbeBook
from server.storage.books.report_book import SqlReportBook
from server.storage.books.resealing_book import SqlResealingBook
from server.storage.books.uptime_book import SqlUptimeBook
from server.storage.books.usage_book import SqlUsageBook
from server.storage.gathered_reads import GatheredReads
from server.storage.limits import check_policy
from server.storage.moved import refuse_moved
from server.storage.postgres.connection import check_dsn, postgres_engine
from server.storage.postgres.directory import PostgresDirectory
from server.storage.postgres.hot import HotPath
from server.storage.postgres.key_import import add_keys, move_in
from server.storage.postgres.transactions import PostgresTransactions
from server.storage.upgrade import ensure_schema
from validation.gcra import Policy

_BOOKS_TIMEOUT_S = 60.0


class PostgresStore(
    SqlKeyBook,
    SqlClientBook,
    SqlCustomerBook,
    SqlOperatorBook,
    SqlMetaBook,
    SqlMoveBook,
    SqlJournalBook,
    SqlLeaseBook,
    SqlFactBook,
    SqlFenceBook,
    SqlHsmLogBook,
    SqlUsageBook,
    SqlReportBook,
    SqlResealingBook,
    SqlIncidentBook,
    SqlMaintenanceBook,
    SqlMintingBook,
    SqlFleetRetentionBook,
    SqlFleetClaimBook,
    SqlFleetRepeatBook,
    SqlFleetProofBook,
    SqlFleetAlteredBook,
    SqlFleetKeyBook,
    SqlFleetViewBook,
    SqlFleetCountBook,
    SqlAdvisoryBook,
    SqlJudgementBook,
    SqlLedgerBook,
    SqlProbeBook,
    SqlDeliveryBook,
    SqlUptimeBook,
):
    """HotStore, Directory and all books on one database, shared with any others.

    Three lanes: one connection for batches, one for the directory, a small pool for the
    books. Each connects again by itself.
    """

    def __init__(self, dsn: str, *, default_policy: Policy, command_timeout_s: float) -> None:
        self._hot = HotPath(dsn, default_policy=default_policy, command_timeout_s=command_timeout_s)
        self._directory = PostgresDirectory(
            dsn, default_policy=default_policy, command_timeout_s=command_timeout_s
        )
        self._engine = postgres_engine(dsn, command_timeout_s=_BOOKS_TIMEOUT_S)
        self._transactions = PostgresTransactions(self._engine)
        # Who waits for another machine's import waits with a connection: one of the pool's few.
        self._bringing = asyncio.Lock()
        self._batches = BatchQueue(self._decide)
        self._client_reads: GatheredReads[int, ClientRecord] = GatheredReads(
            self._directory.clients
        )
        self._key_reads: GatheredReads[str, KeyRecord] = GatheredReads(self._directory.keys)
        self._last_batch_failed = False

    async def connect(self) -> None:
        """Connect the hot path now; raises StoreRefusedError or StoreUnavailableError."""
        await self._hot.connect()

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide a batch in order and commit it, as `HotStore` promises."""
        return await self._batches.submit(batch)

    def client(self, client_id: int) -> Awaitable[ClientRecord | None]:
        """Return the newest committed state of a client, or None."""
        return self._client_reads.read(client_id)

    def key(self, public_id: str) -> Awaitable[KeyRecord | None]:
        """Return the newest committed state of a key, or None."""
        return self._key_reads.read(public_id)

    async def add_keys(self, keys: Sequence[NewKey], *, act: Act) -> None:
        """Create all keys with counters at (-1, -1), or none: KeyExistsError."""
        async with self._bringing:
            await add_keys(self._transactions, keys, act)

    async def move_in(self, gathered: Gathered, progress: Progress, *, deed: Deed) -> None:
        """Take over everything that an import gathered, or nothing: ConflictError."""
        async with self._bringing:
            await move_in(self._transactions, gathered, progress, deed=deed)

    async def raise_counters(self, accepted: Sequence[Accepted]) -> Raised:
        """Raise counters as `FenceBook` promises, and while no import brings keys."""
        async with self._bringing:
            return await super().raise_counters(accepted)

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        """Store a minted key as `MintingBook` promises, and while no import brings keys."""
        async with self._bringing:
            return await super().add_minted(key, kept, act=act)

    async def standbys(self) -> int:
        """Return how many standbys follow this server now; everybody may count them."""
        async with self._transactions.reading() as connection:
            found = await connection.execute(text("SELECT count(*) FROM pg_stat_replication"))
            return int(found.scalar_one())

    async def probe(self) -> None:
        """Raise StoreUnavailableError unless the store can write now."""
        await self._directory.prove_primary()
        if self._last_batch_failed:
            # A full disk shows only when something is written.
            try:
                await self.set_meta("readiness-probe", "")
            except StoreError as error:
                raise StoreUnavailableError(str(error)) from error

    async def close(self) -> None:
        """Finish what was accepted and close."""
        await self._batches.close()
        await self._client_reads.close()
        await self._key_reads.close()
        await self._hot.close()
        await self._directory.close()
        await self._engine.dispose()

    async def _decide(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        try:
            outcomes = await self._hot.decide(batch)
        except BaseException:
            self._last_batch_failed = True
            raise
        self._last_batch_failed = False
        return outcomes


async def open_postgres(
    dsn: str, *, default_policy: Policy, create: bool = False, command_timeout_s: float = 5.0
) -> PostgresStore:
    """Connect to `dsn`; with `create`, an empty database gets its schema.

    default_policy: the limit of clients without one of their own. command_timeout_s: after
    which a batch or a read is given up. The time is the server's. Raises StoreRefusedError
    (password in the URL, unsafe settings, schema not current) and StoreUnavailableError.
    """
    check_policy(default_policy)
    check_dsn(dsn)
    await ensure_schema(dsn, create=create)
    store = PostgresStore(dsn, default_policy=default_policy, command_timeout_s=command_timeout_s)
    try:
        await store.connect()
        await refuse_moved(store)
    except BaseException:
        await store.close()
        raise
    return store
