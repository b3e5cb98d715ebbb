"""The composition root: configuration -> storage -> vault -> rooms -> doors.

Four houses are built from the same parts: the whole service in one process, the control
process, a worker, and the admin API for a command while no service runs. Each part receives
what it uses, never the whole.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import structlog
from aiohttp import web

from hsm import keyfile
from hsm.filevault import FileVault
from server.accounts.clients import ClientDesk
from server.clock import Clock, SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.metrics.counted_store import CountedHotStore
from server.metrics.exposition import Gauge, metrics_registry
from server.metrics.tally import Tally
from server.otp.batcher import Batcher
from server.otp.keys import KeyDesk
from server.otp.ports import Directory, HotStore
from server.otp.settings import VerifierSettings
from server.otp.verify import Verifier
from server.storage.identity import bind_sealing_key, bucket_salt
from server.storage.link.connection import Link
from server.storage.link.desk import StoreDesk
from server.storage.link.remote import RemoteStore
from server.web.admin import admin_app
from server.web.guard import Caps
from server.web.loop_lag import watch_loop_lag
from server.web.ops import NotReadyError, ops_app
from server.web.runner import Serving, serve
from server.web.source import SourceReader
from server.web.verify import verify_app

if TYPE_CHECKING:
    from server.storage.postgres.store import PostgresStore
    from server.storage.sqlite.store import SqliteStore

Store: TypeAlias = "SqliteStore | PostgresStore"

try:
    VERSION = version("keystead")
except PackageNotFoundError:  # run from a tree that was not installed
    VERSION = "unknown"


class Workforce(Protocol):
    """What the operations door shows of the workers."""

    @property
    def restarts(self) -> int:
        """How many workers were replaced since the start."""
        ...

    @property
    def ready_workers(self) -> int:
        """How many workers accept requests now."""
        ...


class Foundation(NamedTuple):
    """What every house that owns a store stands on."""

    store: Store
    vault: FileVault
    key_id: bytes
    salt: bytes


async def open_store(config: Config, data: DataDirectory, clock: Clock, *, create: bool) -> Store:
    """Open the configured store. create: an absent or empty one gets its schema."""
    policy = config.limits.default_policy
    # Late: a worker on the embedded store needs neither engine, and is replaced in half the time.
    if config.store.is_sqlite:
        from server.storage.sqlite.store import open_sqlite  # noqa: PLC0415

        path = data.database_file
        return await open_sqlite(path, clock=clock, default_policy=policy, create=create)
    from server.storage.postgres.store import open_postgres  # noqa: PLC0415

    return await open_postgres(config.store.database, default_policy=policy, create=create)


def open_vault(config: Config, data: DataDirectory) -> tuple[FileVault, bytes]:
    """Return the vault over the directory's sealing key, and that key's id."""
    key = keyfile.load(data.sealing_key_file)
    return FileVault(key, opened=config.verify.ciphers_cached), key.key_id


@asynccontextmanager
async def foundation(
    config: Config, data: DataDirectory, clock: Clock, *, create: bool = False
) -> AsyncIterator[Foundation]:
    """Open store and vault, make sure that they belong together, close the store at the end."""
    vault, key_id = open_vault(config, data)
    # An empty PostgreSQL database was made on purpose; a SQLite file that is not there was lost.
    store = await open_store(config, data, clock, create=create or not config.store.is_sqlite)
    try:
        await bind_sealing_key(store, key_id, data.sealing_key_file)
        yield Foundation(store, vault, key_id, await bucket_salt(store))
    finally:
        await store.close()


async def create_store(config: Config, data: DataDirectory) -> None:
    """Make the configured store, for `keystead init`."""
    async with foundation(config, data, SystemClock(), create=True):
        pass


def batcher(hot: HotStore, config: Config, clock: Clock) -> Batcher:
    """Return what gathers a process's verifications into batches."""
    return Batcher(hot, clock=clock, queue_limit=config.verify.queue)


async def open_verify_door(
    *,
    config: Config,
    batches: Batcher,
    directory: Directory,
    vault: FileVault,
    salt: bytes,
    tally: Tally,
    clock: Clock,
    listener: socket.socket,
) -> Serving:
    """Build the verification room and open its door."""
    verifier = Verifier(
        directory=directory,
        batcher=batches,
        vault=vault,
        clock=clock,
        log=structlog.stdlib.get_logger("server.otp"),
        salt=salt,
        settings=VerifierSettings(
            deadline_s=config.verify.deadline_seconds,
            guaranteed_sync_level=config.store.sync_level,
            source_rate=config.limits.source_policy,
            clients=config.verify.clients_cached,
            keys=config.verify.keys_cached,
        ),
    )
    app = verify_app(
        verifier,
        tally=tally,
        clock=clock,
        sources=SourceReader([ipaddress.ip_network(n) for n in config.limits.trusted_proxies]),
        legacy=config.verify.legacy,
        body_s=config.http.body_seconds,
    )
    caps = Caps(
        head_s=config.http.header_seconds,
        idle_s=config.http.idle_seconds,
        write_s=config.http.write_seconds,
        connections=config.http.connections,
    )
    grace_s = config.http.drain_seconds
    return await serve(app, [listener], tally=tally, caps=caps, grace_s=grace_s)


class Doors(NamedTuple):
    """Sockets for the doors of a process that owns the store."""

    admin: socket.socket
    ops: socket.socket


def build_admin_app(config: Config, base: Foundation, clock: Clock) -> web.Application:
    """Wire the operator's desks to the admin door."""

    async def status() -> dict[str, object]:
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "environment": config.environment,
            "store": "sqlite" if config.store.is_sqlite else "postgresql",
            "workers": config.workers,
            "sealing_key": base.key_id.hex(),
        }

    policy = config.limits.default_policy
    clients = ClientDesk(base.store, base.vault, clock=clock, default_policy=policy)
    return admin_app(clients=clients, keys=KeyDesk(base.store, base.vault), status=status)


async def open_side_doors(
    stack: AsyncExitStack,
    config: Config,
    base: Foundation,
    clock: Clock,
    *,
    doors: Doors,
    tallies: Mapping[str, Tally],
    workforce: Workforce,
) -> None:
    """Open the admin door and the operations door; `stack` closes them."""

    async def workers_accept() -> None:
        if workforce.ready_workers == 0:
            raise NotReadyError("no worker accepts requests")

    gauges = [
        Gauge("keystead_workers_ready", "Workers that accept.", lambda: workforce.ready_workers),
        Gauge("keystead_worker_restarts", "Workers replaced.", lambda: workforce.restarts),
    ]
    build = {"version": VERSION, "store": "sqlite" if config.store.is_sqlite else "postgresql"}
    ops = ops_app(
        registry=metrics_registry(tallies, gauges=gauges, build=build),
        checks={"store": base.store.probe, "workers": workers_accept},
    )
    tally = tallies["control"]
    for app, listener in ((build_admin_app(config, base, clock), doors.admin), (ops, doors.ops)):
        stack.push_async_callback((await serve(app, [listener], tally=tally)).stop)


def watch_loop(stack: AsyncExitStack, clock: Clock, tally: Tally) -> None:
    """Note in `tally` how late this process's event loop is, until `stack` ends."""
    task = asyncio.get_running_loop().create_task(watch_loop_lag(clock, tally.lagged))
    stack.callback(task.cancel)


class OneProcess(NamedTuple):
    """The workforce of a service that is one process: as ready as that is."""

    restarts: int = 0
    ready_workers: int = 1


@asynccontextmanager
async def whole_service(
    config: Config, data: DataDirectory, clock: Clock, *, verify: socket.socket, doors: Doors
) -> AsyncIterator[None]:
    """Everything in this process. Leaving finishes what was accepted."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(foundation(config, data, clock))
        tally = Tally.open(data.run / "tally-0")
        watch_loop(stack, clock, tally)
        batches = batcher(CountedHotStore(base.store, tally), config, clock)
        stack.push_async_callback(batches.close)
        await open_side_doors(
            stack,
            config,
            base,
            clock,
            doors=doors,
            tallies={"worker-0": tally, "control": Tally.in_memory()},
            workforce=OneProcess(),
        )
        door = await open_verify_door(
            config=config,
            batches=batches,
            directory=base.store,
            vault=base.vault,
            salt=base.salt,
            tally=tally,
            clock=clock,
            listener=verify,
        )
        stack.push_async_callback(door.stop)
        yield


class Control(NamedTuple):
    """What workers need of the control process. desk: None when they have a store themselves."""

    desk: StoreDesk | None
    key_id: bytes
    salt: bytes


@asynccontextmanager
async def control(
    config: Config, data: DataDirectory, clock: Clock, *, doors: Doors, workforce: Workforce
) -> AsyncIterator[Control]:
    """Own the store, the admin door and the operations door. Workers end before this does."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(foundation(config, data, clock))
        tallies = {"control": Tally.open(data.run / "tally-control")}
        for slot in range(config.workers):
            tallies[f"worker-{slot}"] = Tally.open(data.run / f"tally-{slot}")
        watch_loop(stack, clock, tallies["control"])
        desk = None
        if config.store.is_sqlite:
            # What waits here has been admitted by a worker's queue: there is no second cap.
            merged = Batcher(
                CountedHotStore(base.store, tallies["control"]),
                clock=clock,
                queue_limit=config.verify.queue * config.workers,
                key_queue_limit=config.verify.queue * config.workers,
            )
            stack.push_async_callback(merged.close)
            desk = StoreDesk(merged, base.store)
        await open_side_doors(
            stack, config, base, clock, doors=doors, tallies=tallies, workforce=workforce
        )
        yield Control(desk, base.key_id, base.salt)


class WrongKeyError(Exception):
    """The sealing key's file is not the one that the control process started with."""


@asynccontextmanager
async def worker(
    config: Config,
    data: DataDirectory,
    clock: Clock,
    *,
    slot: int,
    control: Control,
    link: Link,
    listener: socket.socket,
) -> AsyncIterator[Serving]:
    """Verify on one listening socket, with the control process's store or one of our own."""
    async with AsyncExitStack() as stack:
        vault, key_id = open_vault(config, data)
        if key_id != control.key_id:
            raise WrongKeyError(f"{data.sealing_key_file} was replaced: restart the service")
        tally = Tally.open(data.run / f"tally-{slot}")
        tally.reset_gauges()
        watch_loop(stack, clock, tally)
        store: RemoteStore | Store = RemoteStore(link)
        hot: HotStore = store
        if not config.store.is_sqlite:
            store = await open_store(config, data, clock, create=False)
            stack.push_async_callback(store.close)
            hot = CountedHotStore(store, tally)
        batches = batcher(hot, config, clock)
        stack.push_async_callback(batches.close)
        yield await open_verify_door(
            config=config,
            batches=batches,
            directory=store,
            vault=vault,
            salt=control.salt,
            tally=tally,
            clock=clock,
            listener=listener,
        )


@asynccontextmanager
async def administration(
    config: Config, data: DataDirectory, listener: socket.socket
) -> AsyncIterator[None]:
    """Serve the admin API alone, for a command while no service runs."""
    clock = SystemClock()
    async with foundation(config, data, clock) as base:
        app = build_admin_app(config, base, clock)
        door = await serve(app, [listener], tally=Tally.in_memory())
        try:
            yield
        finally:
            await door.stop()
