"""What the guard knows of aiohttp's inside. A change there fails here, by name."""

import asyncio
import inspect

import aiohttp
from aiohttp import web

from server.metrics.tally import Tally
from server.web.guard import Caps, Guard, GuardedHandler
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get, until


def is_idle(handler: GuardedHandler) -> bool:
    waiter = handler._waiter
    return waiter is not None and not waiter.done()


async def test_request_count_counts_complete_heads_and_waiter_tells_idleness(
    open_door: OpenDoor,
) -> None:
    release = asyncio.Event()

    async def waits(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", waits)
    door = await open_door(app)
    async with Peer(door.host, door.port) as peer:
        server = door.serving._guard.server
        await until(lambda: server.connections)
        (handler,) = server.connections
        assert isinstance(handler, GuardedHandler)
        await until(lambda: is_idle(handler))
        assert handler._request_count == 0

        peer.send(b"GET / HT")
        await until(lambda: handler._head_octets)
        assert handler._request_count == 0

        peer.send(get("/").removeprefix(b"GET / HT"))
        await until(lambda: handler._request_count == 1)
        await until(lambda: handler._waiter is None)
        release.set()
        await peer.reply()
        await until(lambda: is_idle(handler))
        assert handler._request_count == 1


def test_the_methods_that_the_guard_replaces_exist_with_these_parameters() -> None:
    expected = {
        "finish_response": ["self", "request", "resp", "start_time"],
        "handle_error": ["self", "request", "status", "exc", "message"],
        "log_exception": ["self", "args", "kw"],
        "close": ["self"],
        "force_close": ["self"],
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "data_received": ["self", "data"],
        "pause_writing": ["self"],
        "resume_writing": ["self"],
        "shutdown": ["self", "timeout"],
        "_process_keepalive": ["self"],
        "_drain_helper": ["self"],
    }
    actual = {
        name: list(inspect.signature(getattr(web.RequestHandler, name)).parameters)
        for name in expected
    }
    assert actual == expected


def test_bad_http_reaches_handle_error_as_400_with_line_too_long() -> None:
    source = inspect.getsource(web.RequestHandler.data_received)
    assert "_ErrInfo(status=400, exc=exc" in source, aiohttp.__version__


async def test_the_server_keeps_handlers_that_were_not_made_by_itself() -> None:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response()

    server = web.Server(hello)
    guard = Guard(server, caps=Caps(), tally=Tally.in_memory())
    listener = await asyncio.get_running_loop().create_server(guard, "127.0.0.1", 0)
    async with Peer(*listener.sockets[0].getsockname()[:2]) as peer:
        await peer.ask(get("/"))
        assert len(server.connections) == 1
    listener.close()
    await server.shutdown(1.0)
