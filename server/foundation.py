"""What everything stands on: the store, the vault, and that the two belong together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import structlog

from hsm import journalkey, keyfile
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from server.checkpoint_file import CheckpointFile
from server.clock import Clock, SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.journal.acts import Cause
from server.journal.desk import JournalDamagedError, JournalDesk, WitnessError
from server.local_users import this_process
from server.storage.gathering import remove_leftovers
from server.storage.identity import bind_sealing_key, bucket_salt, introduce_journal_key

_log = structlog.stdlib.get_logger(__name__)

if TYPE_CHECKING:
    from server.storage.postgres.store import PostgresStore
    from server.storage.sqlite.store import SqliteStore

Store: TypeAlias = "SqliteStore | PostgresStore"


class Foundation(NamedTuple):
    """What every house that owns a store stands on."""

    store: Store
    vault: SealedVault
    journal: JournalDesk
    key_id: bytes
    salt: bytes
    data: DataDirectory


async def open_store(config: Config, data: DataDirectory, clock: Clock, *, create: bool) -> Store:
    """Open the configured store. create: an absent or empty one gets its schema."""
    policy = config.limits.default_policy
    # Late: a worker on the embedded store needs neither engine, and is replaced in half the time.
    if config.store.is_sqlite:
        from server.storage.sqlite.store import open_sqlite  # noqa: PLC0415

        return await open_sqlite(
            data.database_file,
            clock=clock,
            default_policy=policy,
            create=create,
            cache_mib=config.store.cache_mib,
        )
    from server.storage.postgres.store import open_postgres  # noqa: PLC0415

    return await open_postgres(config.store.database, default_policy=policy, create=create)


def open_vault(config: Config, data: DataDirectory) -> tuple[SealedVault, bytes]:
    """Return the vault over the directory's sealing key, and that key's id."""
    key = keyfile.load(data.sealing_key_file)
    return SealedVault(Rings.single(key), opened=config.verify.ciphers_cached), key.key_id


async def open_journal(data: DataDirectory, store: Store, cause: Cause) -> JournalDesk:
    """Return the journal's desk. A key that is new to the store signs its first checkpoint."""
    # An installation of before there was a journal gets its key now.
    absent = not data.journal_key_file.exists()
    signer = (journalkey.create if absent else journalkey.load)(data.journal_key_file)
    desk = JournalDesk(store, signer, CheckpointFile(data.checkpoints_file))
    if await introduce_journal_key(store, signer.public_key, cause=cause):
        try:
            await desk.checkpoint()
        except (JournalDamagedError, WitnessError) as error:
            # An alarm; people get in all the same.
            _log.error("journal_not_signed", error=str(error))
    return desk


@asynccontextmanager
async def foundation(
    config: Config, data: DataDirectory, clock: Clock, *, create: bool = False
) -> AsyncIterator[Foundation]:
    """Open store and vault, make sure that they belong together, close the store at the end."""
    vault, key_id = open_vault(config, data)
    # An empty PostgreSQL database was made on purpose; a SQLite file that is not there was lost.
    store = await open_store(config, data, clock, create=create or not config.store.is_sqlite)
    try:
        cause = Cause(this_process())
        await bind_sealing_key(store, key_id, data.sealing_key_file, cause=cause)
        # Whoever is here holds the directory's lock: what an import left behind is nobody's.
        remove_leftovers(data.imports)
        journal = await open_journal(data, store, cause)
        yield Foundation(store, vault, journal, key_id, await bucket_salt(store), data)
    finally:
        await store.close()


async def create_store(config: Config, data: DataDirectory) -> None:
    """Make the configured store, for `keystead init`."""
    async with foundation(config, data, SystemClock(), create=True):
        pass
