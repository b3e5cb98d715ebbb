"""What the control process does with a worker that neither works nor ends."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from server.config import Config
from server.datadir import DataDirectory
from server.handed_keys import HandedKeys
from server.programs.assignment import Assignment
from server.programs.worker_process import Worker
from server.storage.link.frames import Frame, FrameReader, Kind

_SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")


KEYS = HandedKeys(Rings.single(SealingKey.of(bytes(32))))


def an_assignment(data: DataDirectory) -> Assignment:
    return Assignment(slot=1, seat="1b", data=data, config=Config(), keys=KEYS, salt=b"s" * 16)


async def a_silent_worker() -> tuple[Worker, socket.socket]:
    """Return a worker whose process does nothing, and its end of the link."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    process = await asyncio.create_subprocess_exec(*_SLEEPER)
    return Worker(process, ours, None, ping_every_s=0.001, silent_for_s=0.01), theirs


async def test_a_worker_that_does_not_answer_is_killed(tmp_path: Path) -> None:
    worker, theirs = await a_silent_worker()
    with theirs:
        await worker.assign(an_assignment(DataDirectory(tmp_path)))
        worker.ready.set()
        await worker.watch()
    assert worker.process.returncode == -signal.SIGKILL


async def test_a_worker_without_a_link_is_killed(tmp_path: Path) -> None:
    worker, theirs = await a_silent_worker()
    await worker.assign(an_assignment(DataDirectory(tmp_path)))
    theirs.close()
    await worker.watch()
    assert worker.process.returncode == -signal.SIGKILL


async def test_an_assignment_is_the_first_thing_a_worker_hears(tmp_path: Path) -> None:
    worker, theirs = await a_silent_worker()
    with theirs:
        sent = an_assignment(DataDirectory(tmp_path))
        await worker.assign(sent)
        received = await asyncio.get_running_loop().sock_recv(theirs, 1 << 16)
        (frame,) = FrameReader().feed(received)
        assert frame.kind is Kind.SETTINGS
        arrived = Assignment.decode(frame.body)
        assert arrived.data.root == sent.data.root
        assert arrived._replace(data=sent.data) == sent
        assert "ssss" not in repr(arrived)

        theirs.send(Frame(Kind.READY, 0, b"").encode())
        await worker.ready.wait()
        worker.drain()
        received = await asyncio.get_running_loop().sock_recv(theirs, 1 << 16)
        assert [frame.kind for frame in FrameReader().feed(received)] == [Kind.DRAIN]
        worker.kill()
        await worker.watch()


async def test_other_keys_are_handed_over_until_the_worker_says_that_it_has_them(
    tmp_path: Path,
) -> None:
    worker, theirs = await a_silent_worker()
    worker._silent_for_s = 60.0
    loop = asyncio.get_running_loop()
    with theirs:
        await worker.assign(an_assignment(DataDirectory(tmp_path)))
        reader = FrameReader()
        reader.feed(await loop.sock_recv(theirs, 1 << 16))
        other = HandedKeys(Rings.single(SealingKey.of(bytes(range(32)))))
        handing = loop.create_task(worker.hand_keys(other))
        (frame,) = reader.feed(await loop.sock_recv(theirs, 1 << 16))
        assert frame.kind is Kind.KEYS
        assert HandedKeys.decode(frame.body) == other
        assert not handing.done()
        await loop.sock_sendall(theirs, Frame(Kind.HAS_KEYS, 0, b"").encode())
        await handing
        assert worker.handed == other
        worker.ready.set()
        watching = loop.create_task(worker.watch())
        theirs.close()
        await watching


async def test_a_worker_that_is_gone_keeps_nobody_waiting_with_keys(tmp_path: Path) -> None:
    worker, theirs = await a_silent_worker()
    worker._silent_for_s = 60.0
    await worker.assign(an_assignment(DataDirectory(tmp_path)))
    theirs.close()
    await worker.hand_keys(KEYS)
    await worker.watch()
