"""The embedded store, put together: hot path, directory and books on one SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from hsm.provisioning.release_states import KeptRelease
from server.clock import Clock
from server.counter_journal.ports import Raised
from server.counter_journal.records import Accepted
from server.fleet.hosts import Host
from server.journal.acts import Act, Deed
from server.leases import Lease
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
from server.resealing.ports import Kind
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
from server.storage.books.steps import Step
from server.storage.books.uptime_book import SqlUptimeBook
from server.storage.books.usage_book import SqlUsageBook
from server.storage.gathered_reads import GatheredReads
from server.storage.limits import check_policy
from server.storage.moved import refuse_moved
from server.storage.sqlite.aside import Aside
from server.storage.sqlite.checkpoint import Checkpointer
from server.storage.sqlite.connection import prepare_database_file, sqlite_engine
from server.storage.sqlite.hot import Change, HotPath
from server.storage.sqlite.key_import import KeyImport
from server.storage.sqlite.reader import Reader
from server.storage.sqlite.transactions import SqliteTransactions
from server.storage.upgrade import ensure_schema
from validation.gcra import Policy

T = TypeVar("T")


class SqliteStore(
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
    """HotStore, Directory and all books on one file that this process owns.

    Whoever writes holds the write turn, so batches and administrative changes never meet a
    locked file; a lock held by a foreign program is waited for one second.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        default_policy: Policy,
        cache_mib: int,
        checkpoint_pages: int,
    ) -> None:
        self._turn = asyncio.Lock()
        self._hot = HotPath(path, clock=clock, default_policy=default_policy, cache_mib=cache_mib)
        self._hot_thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-hot")
        self._reader = Reader(path, clock=clock, default_policy=default_policy)
        self._reader_thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-read")
        self._checkpoints = Checkpointer(path, self._turn, after_pages=checkpoint_pages)
        self._engine = sqlite_engine(path)
        self._aside = Aside(path)
        self._transactions = SqliteTransactions(
            self._engine,
            turn=self._turn,
            clock=clock,
            note=self._checkpoints.note,
            execute=self._execute,
            aside=self._aside,
        )
        self._import = KeyImport(
            self._transactions,
            clock=clock,
            write=self._write,
            checkpoints=self._checkpoints,
            kept=self.kept_counters,
            attached=self._attached,
        )
        self._batches = BatchQueue(self._decide)
        self._client_reads: GatheredReads[int, ClientRecord] = GatheredReads(self._read_clients)
        self._key_reads: GatheredReads[str, KeyRecord] = GatheredReads(self._read_keys)
        self._last_batch_failed = False

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
        await self._import.add(keys, act)

    async def move_in(self, gathered: Gathered, progress: Progress, *, deed: Deed) -> None:
        """Take over everything that an import gathered, or nothing: ConflictError."""
        await self._import.move_in(gathered, progress, deed)

    async def raise_counters(self, accepted: Sequence[Accepted]) -> Raised:
        """Raise counters as `FenceBook` promises, and while no import brings keys."""
        async with self._import.pause():
            return await super().raise_counters(accepted)

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        """Store a minted key as `MintingBook` promises, and while no import brings keys."""
        async with self._import.pause():
            await (
                self._import.clean_up()
            )  # whose rows nobody sees, and one of which may be in the way
            return await super().add_minted(key, kept, act=act)

    async def retire_seals(
        self, kind: Kind, seals: Collection[bytes], *, lease: Lease, deed: Deed
    ) -> None:
        """Retire seals as `ResealingBook` promises, and while no import brings records."""
        async with self._import.pause():
            await super().retire_seals(kind, seals, lease=lease, deed=deed)

    async def erase_host(self, host_id: str, *, act: Act) -> Host | None:
        """Forget a host as `FleetBook` promises, also in the log of the file."""
        host = await super().erase_host(host_id, act=act)
        await self._checkpoints.empty()
        return host

    async def erase_fleet_key(self, key_id: str, *, act: Act) -> bool:
        """Forget a key as `ForgettingBook` promises, also in the log of the file."""
        erased = await super().erase_fleet_key(key_id, act=act)
        await self._checkpoints.empty()
        return erased

    async def tell_retention(self, lease: Lease, *, act: Act) -> None:
        """End a run as `RetentionBook` promises; what went is in the log of the file no more."""
        await super().tell_retention(lease, act=act)
        await self._checkpoints.empty()

    async def standbys(self) -> int:
        """Return how many other databases follow this one: a file has none."""
        return 0

    async def probe(self) -> None:
        """Raise StoreUnavailableError unless the store can write now."""
        async with self._turn:
            await self._on_hot_thread(self._hot.prove_writable)
        if self._last_batch_failed:
            # A full disk shows only when something is written.
            try:
                await self.set_meta("readiness-probe", "")
            except StoreError as error:
                raise StoreUnavailableError(str(error)) from error

    async def clean_up(self) -> None:
        """Remove what an interrupted import left behind."""
        await self._import.clean_up_at_start()

    async def close(self) -> None:
        """Finish what was accepted, then close; the last to close empties the log."""
        await self._batches.close()
        await self._client_reads.close()
        await self._key_reads.close()
        async with self._turn:
            await self._engine.dispose()
            await self._aside.close()
        await self._checkpoints.close()
        await self._on_reader_thread(self._reader.close)
        await self._on_hot_thread(self._hot.close)
        self._reader_thread.shutdown()
        self._hot_thread.shutdown()

    async def _decide(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        async with self._turn:
            try:
                decided = await self._on_hot_thread(self._hot.decide, batch)
            except BaseException:
                self._last_batch_failed = True
                raise
        self._last_batch_failed = False
        self._checkpoints.note(decided.rows)
        return decided.outcomes

    async def _execute(self, steps: Sequence[Step]) -> None:
        """Make a transaction of steps on the hot thread, for who holds the turn.

        On its connection: whatever another one writes empties this one's memory of pages.
        """
        await self._on_hot_thread(self._hot.write, [Change(*step) for step in steps])

    async def _write(self, changes: Sequence[Change]) -> None:
        await self._checkpoints.finished()
        async with self._turn:
            await self._on_hot_thread(self._hot.write, changes)
        self._checkpoints.note(sum(change.log_pages for change in changes))

    @asynccontextmanager
    async def _attached(self, path: Path, name: str) -> AsyncIterator[None]:
        """Let `_write` read another file under a name."""
        async with self._turn:
            await self._on_hot_thread(self._hot.attach, path, name)
        try:
            yield
        finally:
            async with self._turn:
                await self._on_hot_thread(self._hot.detach, name)

    async def _read_clients(self, client_ids: Sequence[int]) -> Mapping[int, ClientRecord]:
        return await self._on_reader_thread(self._reader.clients, client_ids)

    async def _read_keys(self, public_ids: Sequence[str]) -> Mapping[str, KeyRecord]:
        return await self._on_reader_thread(self._reader.keys, public_ids)

    async def _on_hot_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hot_thread, call, *args)

    async def _on_reader_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader_thread, call, *args)


async def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    default_policy: Policy,
    create: bool = False,
    cache_mib: int = 32,
    checkpoint_pages: int = 32_768,
) -> SqliteStore:
    """Open the store in `path`; with `create`, an absent or empty one gets its schema.

    default_policy: the limit of clients without one of their own. cache_mib: memory for the
    pages of counters. checkpoint_pages: size of the log, in pages, that starts a checkpoint.
    The caller makes sure that no other process uses the file. Raises StoreRefusedError
    (schema not current, SQLite too old) and StoreUnavailableError.
    """
    check_policy(default_policy)
    await ensure_schema(path, create=create)
    await asyncio.to_thread(prepare_database_file, path)
    store = SqliteStore(
        path,
        clock=clock,
        default_policy=default_policy,
        cache_mib=cache_mib,
        checkpoint_pages=checkpoint_pages,
    )
    try:
        await refuse_moved(store)
        await store.clean_up()
    except BaseException:
        await store.close()
        raise
    return store
