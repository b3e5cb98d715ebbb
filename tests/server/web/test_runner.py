"""Starting on bound sockets and ending gracefully: what was accepted is finished."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import web

from server.metrics.tally import Tally
from server.web.guard import Caps
from server.web.runner import serve
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get, until


class Slow:
    """A handler that waits until the test lets it go."""

    def __init__(self) -> None:
        self.begun = 0
        self.release = asyncio.Event()

    async def handle(self, _: web.Request) -> web.Response:
        self.begun += 1
        await self.release.wait()
        return web.Response(text="done")

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.handle)
        return app


async def test_what_was_accepted_is_finished_and_says_that_it_is_the_last(
    open_door: OpenDoor,
) -> None:
    slow = Slow()
    door = await open_door(slow.app())
    async with Peer(door.host, door.port) as busy, Peer(door.host, door.port) as idle:
        busy.send(get("/"))
        await until(lambda: slow.begun == 1)
        await until(lambda: door.serving.open_connections == 2)
        stopping = asyncio.ensure_future(door.serving.stop())
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(door.host, door.port)
        assert not stopping.done()
        slow.release.set()
        reply = await busy.reply()
        assert (reply.body, reply.header("Connection")) == (b"done", "close")
        assert await busy.rest() == b""
        await stopping


async def test_a_request_that_is_never_finished_is_ended_after_the_grace(
    open_door: OpenDoor,
) -> None:
    slow = Slow()
    door = await open_door(slow.app(), grace_s=0.1)
    async with Peer(door.host, door.port) as busy:
        busy.send(get("/"))
        await until(lambda: slow.begun == 1)
        await door.serving.stop()
        assert await busy.rest() == b""


async def test_half_a_request_does_not_hold_up_the_end(open_door: OpenDoor) -> None:
    door = await open_door(Slow().app())
    async with Peer(door.host, door.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHo")
        await until(lambda: door.serving.open_connections == 1)
        await door.serving.stop()
        assert await peer.rest() == b""


async def test_a_request_already_in_the_socket_is_still_answered(open_door: OpenDoor) -> None:
    slow = Slow()
    slow.release.set()
    door = await open_door(slow.app())
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).status == 200
        for connection in door.serving._guard.server.connections:
            connection.data_received(get("/"))
        await door.serving.stop()
        assert (await peer.reply()).body == b"done"


async def test_several_sockets_tcp_and_unix_serve_one_application(tmp_path: Path) -> None:
    slow = Slow()
    slow.release.set()
    tcp = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "door"))
    port, port_six = tcp.getsockname()[1], six.getsockname()[1]
    serving = await serve(slow.app(), [tcp, six, unix], tally=Tally.in_memory())
    for host, number in (("127.0.0.1", port), ("::1", port_six)):
        async with Peer(host, number) as peer:
            assert (await peer.ask(get("/"))).body == b"done"
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "door"))
    writer.write(get("/", "Connection: close"))
    assert (await reader.read()).endswith(b"done")
    writer.close()
    await serving.stop()


async def test_an_application_that_cannot_start_leaves_nothing_open() -> None:
    async def fails(_: web.Application) -> None:
        raise RuntimeError("no")

    app = web.Application()
    app.on_startup.append(fails)
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(RuntimeError):
        await serve(app, [listener], tally=Tally.in_memory())


async def test_a_socket_that_cannot_accept_closes_the_others_again() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams, pytest.raises(ValueError, match="Stream Socket"):
        await serve(Slow().app(), [listener, datagrams], tally=Tally.in_memory())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_who_retires_answers_on_standing_connections_and_tells_them_to_close(
    open_door: OpenDoor,
) -> None:
    slow = Slow()
    # Nothing here takes long, but the machine may: the idle one is not to be cut for silence.
    door = await open_door(slow.app(), Caps(head_s=60.0))
    async with Peer(door.host, door.port) as busy, Peer(door.host, door.port) as idle:
        busy.send(get("/"))
        await until(lambda: slow.begun == 1)
        await until(lambda: door.serving.open_connections == 2)
        retiring = asyncio.ensure_future(door.serving.retire(60.0))
        await until(lambda: door.serving._guard.retiring)
        slow.release.set()
        for peer in (busy, idle):
            if peer is idle:
                assert not retiring.done()
                idle.send(get("/"))
            reply = await peer.reply()
            assert (reply.body, reply.header("Connection")) == (b"done", "close")
            assert await peer.rest() == b""
        await retiring


async def test_who_retires_waits_for_idle_connections_until_their_time_is_over(
    open_door: OpenDoor,
) -> None:
    slow = Slow()
    slow.release.set()
    door = await open_door(slow.app(), Caps(idle_s=0.2))
    async with Peer(door.host, door.port) as idle:
        idle.send(get("/"))
        await idle.reply()
        await door.serving.retire(60.0)
        assert await idle.rest() == b""


async def test_who_retires_does_not_wait_longer_than_its_patience(open_door: OpenDoor) -> None:
    slow = Slow()
    door = await open_door(slow.app())
    async with Peer(door.host, door.port) as busy:
        busy.send(get("/"))
        await until(lambda: slow.begun == 1)
        await door.serving.retire(0.05)
        assert door.serving.open_connections == 1
        slow.release.set()
        assert (await busy.reply()).header("Connection") == "close"
