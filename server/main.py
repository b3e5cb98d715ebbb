"""The composition root: configuration -> storage -> vault -> rooms -> doors.

Four houses are built from the same parts: the whole service in one process, the control
process, a worker, and the admin API for a command while no service runs. Each part receives
what it uses, never the whole.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from server.clock import Clock, SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.doors import (
    Doors,
    Workforce,
    build_admin_app,
    count_usage,
    open_side_doors,
    open_verify_door,
    serve_certificate,
    start_jobs,
    watch_loop,
    watch_maintenance,
    watch_vault,
)
from server.foundation import MakeRoom, Patience, Store, foundation, open_store
from server.handed_keys import HandedKeys, OpenKeys
from server.hsm_care import HsmCare
from server.hsm_doors import waiting_door
from server.key_room import KeyRoom
from server.metrics.counted_store import CountedHotStore
from server.metrics.tally import Tally
from server.notice_care import acknowledgements, board_file
from server.otp.batcher import Batcher
from server.otp.ports import HotStore
from server.safeguards import guarded, installation, watch_fence
from server.status_door import snapshot_reader, watch_status
from server.storage.link.connection import Link
from server.storage.link.desk import Rooms, StoreDesk
from server.storage.link.remote import RemoteStore
from server.tlsfiles import Handed
from server.web.runner import Serving, serve
from server.web.security_txt import SecurityTxt

if TYPE_CHECKING:
    from server.notices.acknowledging import AcknowledgementSource
    from server.status.ports import SnapshotSource
    from server.web.certificate import ServedCertificate


def batcher(hot: HotStore, config: Config, clock: Clock) -> Batcher:
    """Return what gathers a process's verifications into batches."""
    return Batcher(hot, clock=clock, queue_limit=config.verify.queue)


# Late: workers start without the HSM's library, and so does an installation with a key file.
def _room_maker(data: DataDirectory, clock: Clock) -> MakeRoom | None:
    if not data.has_hsm:
        return None
    from server.hsm_audit import room_maker  # noqa: PLC0415 - as said above

    return room_maker(data, clock)


class OneProcess(NamedTuple):
    """The workforce of a service that is one process: as ready as that is."""

    restarts: int = 0
    ready_workers: int = 1


@asynccontextmanager
async def whole_service(
    config: Config,
    data: DataDirectory,
    clock: Clock,
    *,
    verify: socket.socket,
    doors: Doors,
    stop: asyncio.Event,
) -> AsyncIterator[Serving]:
    """Everything in this process. Leaving finishes what was accepted.

    stop: ends the waiting for an HSM that is not there; then StoppedError.
    """
    async with AsyncExitStack() as stack:
        patience = Patience(partial(waiting_door, doors.ops), stop)
        base = await stack.enter_async_context(
            foundation(config, data, clock, patience=patience, make_room=_room_maker(data, clock))
        )
        tally = Tally.open(data.run / "tally-0")
        watch_loop(stack, clock, tally)
        certificate = serve_certificate(stack, config.tls.files, clock, tally)
        fence = await watch_fence(base.store, clock)
        hot = await guarded(stack, config, data, base.store, clock, node="0", watch=fence)
        care = HsmCare(config, base, clock, tally)
        await care.begin(stack, doors.hsm)
        board = board_file(config, clock)
        jobs = start_jobs(stack, config, base, clock, board)
        batches = batcher(CountedHotStore(hot, tally), config, clock)
        stack.push_async_callback(batches.close)
        usage = await count_usage(stack, config, base.store, clock)
        maintenance = await watch_maintenance(stack, config, base.store, clock, tally)
        status = await watch_status(stack, snapshot_reader(config, base.store, clock), clock)
        await open_side_doors(
            stack,
            config,
            base,
            clock,
            doors=doors,
            tallies={"worker-0": tally, "control": Tally.in_memory()},
            workforce=OneProcess(),
            fence=fence,
            to_reseal=watch_vault(stack, config, base, clock),
            hsm=care,
            board=board,
            jobs=jobs,
            certificate=certificate,
        )
        door = await open_verify_door(
            config=config,
            batches=batches,
            directory=base.store,
            vault=base.keys.vault,
            salt=base.salt,
            tally=tally,
            clock=clock,
            listener=verify,
            certificate=certificate,
            security_txt=SecurityTxt.read(data.security_txt, clock),
            usage=usage,
            maintenance=maintenance,
            status=status,
            acknowledgements=acknowledgements(
                config,
                base.store,
                clock,
                board,
                salt=base.salt,
                own_key=base.journal.public_key,
            ),
        )
        stack.push_async_callback(door.stop)
        yield door


def seats(slot: int) -> tuple[str, str]:
    """Return the names of a slot's two tallies: one each while a worker relieves another."""
    return f"{slot}", f"{slot}b"


class Control(NamedTuple):
    """What workers need of the control process.

    desk: None when they have a store themselves; keys: the room whose rings they get;
    certificate: what they show at first, None without TLS. Newer files they read themselves.
    """

    desk: StoreDesk | None
    keys: KeyRoom
    salt: bytes
    certificate: "ServedCertificate | None" = None


@asynccontextmanager
async def control(
    config: Config,
    data: DataDirectory,
    clock: Clock,
    *,
    doors: Doors,
    workforce: Workforce,
    stop: asyncio.Event,
) -> AsyncIterator[Control]:
    """Own the store, the admin door and the operations door. Workers end before this does.

    stop: as of `whole_service`.
    """
    async with AsyncExitStack() as stack:
        patience = Patience(partial(waiting_door, doors.ops), stop)
        base = await stack.enter_async_context(
            foundation(config, data, clock, patience=patience, make_room=_room_maker(data, clock))
        )
        tallies = {"control": Tally.open(data.run / "tally-control")}
        for slot in range(config.workers):
            for seat in seats(slot):
                tallies[f"worker-{seat}"] = Tally.open(data.run / f"tally-{seat}")
        watch_loop(stack, clock, tallies["control"])
        certificate = serve_certificate(stack, config.tls.files, clock, tallies["control"])
        installation(data)  # now: the workers all begin at once
        fence = await watch_fence(base.store, clock)
        care = HsmCare(config, base, clock, tallies["control"])
        await care.begin(stack, doors.hsm)
        board = board_file(config, clock)
        jobs = start_jobs(stack, config, base, clock, board)
        desk = None
        if config.store.is_sqlite:
            hot = await guarded(stack, config, data, base.store, clock, node="0", watch=fence)
            # What waits here has been admitted by a worker's queue: there is no second cap.
            merged = Batcher(
                CountedHotStore(hot, tallies["control"]),
                clock=clock,
                queue_limit=config.verify.queue * config.workers,
                key_queue_limit=config.verify.queue * config.workers,
            )
            stack.push_async_callback(merged.close)
            behind = acknowledgements(
                config,
                base.store,
                clock,
                board,
                salt=base.salt,
                own_key=base.journal.public_key,
            )
            rooms = Rooms(
                base.store, base.store, snapshot_reader(config, base.store, clock), behind
            )
            desk = StoreDesk(merged, base.store, rooms)
        await open_side_doors(
            stack,
            config,
            base,
            clock,
            doors=doors,
            tallies=tallies,
            workforce=workforce,
            fence=fence,
            to_reseal=watch_vault(stack, config, base, clock),
            hsm=care,
            board=board,
            jobs=jobs,
            certificate=certificate,
        )
        yield Control(desk, base.keys, base.salt, certificate)


@asynccontextmanager
async def worker(
    config: Config,
    data: DataDirectory,
    clock: Clock,
    *,
    seat: str,
    keys: HandedKeys,
    handing: Callable[[OpenKeys], None],
    salt: bytes,
    link: Link,
    listener: socket.socket,
    handed: Handed | None,
) -> AsyncIterator[Serving]:
    """Verify on one listening socket, with the control process's store or one of our own.

    keys: what the control process hands over; handing: told of the vault, to which
    others may be handed later; handed: the certificate that the service shows, None without TLS.
    """
    async with AsyncExitStack() as stack:
        held = await keys.open(stack, opened=config.verify.ciphers_cached)
        handing(held)
        tally = Tally.open(data.run / f"tally-{seat}")
        tally.reset_gauges()
        watch_loop(stack, clock, tally)
        certificate = serve_certificate(stack, config.tls.files, clock, tally, handed=handed)
        remote = RemoteStore(link)
        store: RemoteStore | Store = remote
        shows: SnapshotSource = remote
        hot: HotStore = remote
        if not config.store.is_sqlite:
            store = await open_store(config, data, clock, create=False)
            stack.push_async_callback(store.close)
            fence = await watch_fence(store, clock)
            hot = await guarded(stack, config, data, store, clock, node=seat, watch=fence)
            hot = CountedHotStore(hot, tally)
            shows = snapshot_reader(config, store, clock)
        batches = batcher(hot, config, clock)
        stack.push_async_callback(batches.close)
        usage = await count_usage(stack, config, store, clock)
        maintenance = await watch_maintenance(stack, config, store, clock, tally)
        status = await watch_status(stack, shows, clock)
        behind: AcknowledgementSource | None = None
        if isinstance(store, RemoteStore):
            behind = store if config.notices.file is not None else None
        else:
            behind = acknowledgements(config, store, clock, board_file(config, clock), salt=salt)
        yield await open_verify_door(
            config=config,
            batches=batches,
            directory=store,
            vault=held.vault,
            salt=salt,
            tally=tally,
            clock=clock,
            listener=listener,
            certificate=certificate,
            security_txt=SecurityTxt.read(data.security_txt, clock),
            usage=usage,
            maintenance=maintenance,
            status=status,
            acknowledgements=behind,
        )


@asynccontextmanager
async def administration(
    config: Config, data: DataDirectory, listener: socket.socket, hsm: socket.socket | None
) -> AsyncIterator[None]:
    """Serve the admin API alone, for a command while no service runs.

    hsm: where the reader of imports finds the embedded HSM, when it needs that.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(
            foundation(config, data, clock, make_room=_room_maker(data, clock))
        )
        # A command that waits for a rotation is the only one there is to work at it.
        watch_vault(stack, config, base, clock)
        # An import that seals inside the HSM fills its log.
        care = HsmCare(config, base, clock, Tally.in_memory())
        await care.begin(stack, hsm, watches=False)
        app = await build_admin_app(config, base, clock, board_file(config, clock))
        door = await serve(app, [listener], tally=Tally.in_memory())
        try:
            yield
        finally:
            await door.stop()
