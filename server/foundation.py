"""What everything stands on: the store, the vault, and that the two belong together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import structlog

from hsm import journalkey, keyfile
from hsm.vault import VaultError, VaultUnavailableError
from server.checkpoint_file import CheckpointFile
from server.clock import Clock, SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.journal.acts import Cause
from server.journal.desk import JournalDamagedError, JournalDesk, WitnessError
from server.key_room import KeyRoom
from server.ledger.desk import LedgerDesk
from server.local_users import this_process
from server.storage.data_keys import stored_data_keys
from server.storage.gathering import remove_leftovers
from server.storage.identity import (
    IN_HSM,
    SEALING_KEY_ID,
    ForeignStoreError,
    bind_sealing_key,
    bucket_salt,
    introduce_journal_key,
)

_log = structlog.stdlib.get_logger(__name__)

if TYPE_CHECKING:
    from hsm.credentials import HsmSecret
    from server.hsm_host import HsmHost
    from server.storage.postgres.store import PostgresStore
    from server.storage.sqlite.store import SqliteStore

WAIT_S = 2.0
"""Between two looks for an HSM that is not there when the service starts."""

Store: TypeAlias = "SqliteStore | PostgresStore"


class Foundation(NamedTuple):
    """What every house that owns a store stands on."""

    store: Store
    keys: KeyRoom
    journal: JournalDesk
    salt: bytes
    data: DataDirectory
    ledger: LedgerDesk


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


class StoppedError(Exception):
    """The service was told to stop before it had begun."""


class Patience(NamedTuple):
    """How a service waits for its HSM. door: is open meanwhile; stop: ends the waiting."""

    door: Callable[[], AbstractAsyncContextManager[None]]
    stop: asyncio.Event


MakeRoom: TypeAlias = Callable[[Store, "HsmHost"], Awaitable[None]]


async def patiently(begin: Callable[[], Awaitable[None]], patience: Patience | None) -> None:
    """Do what needs the HSM, again and again until it is there; StoppedError."""
    try:
        await begin()
    except VaultUnavailableError as error:
        if patience is None:
            raise
        said = str(error)
    else:
        return
    async with patience.door():
        while True:
            _log.error("waiting_for_the_hsm", error=said, again_in_s=WAIT_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(patience.stop.wait(), WAIT_S)
                raise StoppedError
            try:
                await begin()
            except VaultUnavailableError as error:
                said = str(error)
            else:
                _log.info("the_hsm_is_there")
                return


async def open_key_room(
    config: Config,
    data: DataDirectory,
    store: Store,
    cause: Cause,
    *,
    ceremony_secret: Path | None = None,
    patience: Patience | None = None,
    make_room: MakeRoom | None = None,
) -> KeyRoom:
    """Return the keys that belong to this store. Raises VaultError and ForeignStoreError.

    make_room: empties an HSM's log before something is asked of it that it has to log.
    """
    file = data.sealing_key_file
    file_key = keyfile.load(file) if file.exists() or not data.has_hsm else None
    opened = config.verify.ciphers_cached
    if not data.has_hsm:
        if config.hsm.mode == "strict":
            raise VaultError(
                'hsm.mode = "strict" opens OTPs inside an HSM, and this installation has none: its'
                " records are sealed by a key file. Move them with `keystead vault migrate`"
            )
        if not config.hsm.is_embedded:
            raise VaultError(
                f"hsm.connectors is set, but {data.hsm_secret_file} is absent: put the host's"
                " secret of the devices' ceremony there, mode 0600"
            )
        room = KeyRoom(store, None, file_key, opened=opened)
        await bind_sealing_key(store, room.file_key_id, file, cause=cause)
        return room
    # Late: an installation with a key file does not need the HSM's library.
    from server.hsm_host import HsmHost  # noqa: PLC0415

    hsm = await asyncio.to_thread(HsmHost.open, config.hsm, data)
    strict = config.hsm.mode == "strict"
    room = KeyRoom(store, hsm, file_key, opened=opened, strict=strict)
    production = config.environment == "production"

    async def begin() -> None:
        await asyncio.to_thread(hsm.inspect, production=production)
        if make_room is not None:
            await make_room(store, hsm)
        await _fill(room, data, store, cause, ceremony_secret)

    try:
        await patiently(begin, patience)
    except BaseException:
        await room.close()
        raise
    return room


async def _fill(
    room: KeyRoom,
    data: DataDirectory,
    store: Store,
    cause: Cause,
    ceremony_secret: Path | None,
) -> None:
    """Open or make the store's data keys, and see that nothing of it stays without a key."""
    bound = await store.meta(SEALING_KEY_ID)
    foreign = bound not in {None, IN_HSM, room.file_key_id.hex()}
    if foreign:
        raise ForeignStoreError(
            f"the store holds records that sealing key {bound} sealed, and"
            f" {data.sealing_key_file} is not that key's file. Put it back until `keystead vault"
            " status` says that nothing needs it, or use the right database"
        )
    if bound == IN_HSM and room.file_key_id:
        _log.warning(
            "key_file_not_needed",
            file=str(data.sealing_key_file),
            do="nothing is sealed by it any more: move it to where backups of before are kept",
        )
        room.leave_file_key()
    if await stored_data_keys(store) is not None:
        await room.open()
    elif room.file_key_id:
        # An HSM was added, and nothing has moved there yet.
        await bind_sealing_key(store, room.file_key_id, data.sealing_key_file, cause=cause)
    elif bound is not None:
        raise ForeignStoreError(
            "the store's records are sealed under data keys, and it has none any more: somebody"
            " removed them from its table meta. Restore a backup"
        )
    else:
        await room.make_first(_ceremony_secret(data, ceremony_secret), cause=cause)


def _ceremony_secret(data: DataDirectory, given: Path | None) -> "HsmSecret":
    """Return the ceremony's secret: a file that was named, or the data directory's."""
    from hsm import credentials  # noqa: PLC0415 - takes the library that derives keys

    file = given or data.ceremony_secret_file
    if given is None and not file.exists():
        raise ForeignStoreError(
            "the store has no data keys yet, and to make them takes the ceremony's secret. Run:"
            f" keystead init --ceremony-secret FILE --data {data.root}"
        )
    return credentials.load(file, "ceremony")


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


def open_ledger(data: DataDirectory, store: Store) -> LedgerDesk:
    """Return the ledger's desk, once there is a journal: one key signs both chains."""
    signer = journalkey.load(data.journal_key_file)
    return LedgerDesk(store, signer, CheckpointFile(data.ledger_checkpoints_file))


@asynccontextmanager
async def foundation(
    config: Config,
    data: DataDirectory,
    clock: Clock,
    *,
    create: bool = False,
    ceremony_secret: Path | None = None,
    patience: Patience | None = None,
    make_room: MakeRoom | None = None,
) -> AsyncIterator[Foundation]:
    """Open store and vault, make sure that they belong together, close the store at the end.

    patience: wait for an HSM that does not answer; without it that is refused. make_room: as of
    `open_key_room`.
    """
    # An empty PostgreSQL database was made on purpose; a SQLite file that is not there was lost.
    store = await open_store(config, data, clock, create=create or not config.store.is_sqlite)
    keys = None
    try:
        cause = Cause(this_process())
        keys = await open_key_room(
            config,
            data,
            store,
            cause,
            ceremony_secret=ceremony_secret,
            patience=patience,
            make_room=make_room,
        )
        # Whoever is here holds the directory's lock: what an import left behind is nobody's.
        remove_leftovers(data.imports)
        journal = await open_journal(data, store, cause)
        ledger = open_ledger(data, store)
        yield Foundation(store, keys, journal, await bucket_salt(store), data, ledger)
    finally:
        if keys is not None:
            await keys.close()
        await store.close()


async def create_store(
    config: Config, data: DataDirectory, ceremony_secret: Path | None = None
) -> None:
    """Make the configured store with its data keys, for `keystead init`.

    ceremony_secret: the file, where it is not, or no longer, in the data directory.
    """
    clock = SystemClock()
    async with foundation(config, data, clock, create=True, ceremony_secret=ceremony_secret):
        pass
