"""Both ends of a link in one event loop: a store behind a desk, and a RemoteStore before it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from server.maintenance.ports import MaintenanceSource
from server.notices.acknowledging import AcknowledgementSource
from server.otp.ports import Directory, HotStore
from server.status.ports import SnapshotSource
from server.status.snapshot import Snapshot
from server.storage.link.connection import Link
from server.storage.link.desk import Rooms, StoreDesk
from server.storage.link.frames import Frame
from server.storage.link.remote import RemoteStore
from server.usage.ports import UsageSink
from tests.server.memory_store import MemoryStore
from tests.server.status.samples import eventful
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


class Told:
    """Whoever tells how things are: always the same."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._snapshot = snapshot or eventful()

    async def status_snapshot(self) -> Snapshot:
        return self._snapshot


class Linked(NamedTuple):
    """store: as a worker sees it; control, worker: the link's two ends."""

    store: RemoteStore
    control: Link
    worker: Link


@asynccontextmanager
async def linked(
    hot: HotStore,
    directory: Directory,
    usage: UsageSink | None = None,
    maintenance: MaintenanceSource | None = None,
    *,
    status: SnapshotSource | None = None,
    acknowledgements: AcknowledgementSource | None = None,
) -> AsyncIterator[Linked]:
    """Serve a store over a socket pair, as the control process does."""
    beside = MemoryStore(clock=StillClock(), default_policy=POLICY)
    rooms = Rooms(usage or beside, maintenance or beside, status or Told(), acknowledgements)
    desk = StoreDesk(hot, directory, rooms)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(frame: Frame) -> None:
        reply = await desk.answer(frame)
        control.send(reply.kind, reply.body, reply.call)

    def receive(frame: Frame) -> None:
        task = asyncio.get_running_loop().create_task(answer(frame))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    control = await Link.open(ours, receive)
    worker = await Link.open(theirs, lambda _: None)
    try:
        yield Linked(RemoteStore(worker), control, worker)
    finally:
        worker.close()
        control.close()
        await asyncio.gather(worker.lost, control.lost)
        for task in tasks:
            task.cancel()
