"""Refused requests leave nothing to the garbage collector, which comes late in a server.

`server.programs.garbage` lets 20,000 objects pile up before the collector looks. A refused
request may be 250 KB, and whoever sends one sends many.
"""

import gc

import pytest
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

from server.web.guard import GuardedHandler
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get, until


@pytest.mark.parametrize(
    "octets",
    [
        get("/nowhere"),
        get("/", "Expect: nonsense"),
        b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"?\r\n",
    ],
)
async def test_a_refused_request_is_freed_at_once(open_door: OpenDoor, octets: bytes) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", hello)
    door = await open_door(app)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        async with Peer(door.host, door.port) as peer:
            assert (await peer.ask(octets)).status >= 400
        await until(lambda: not door.serving.open_connections)
        gc.collect()
        left = [type(thing) for thing in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    refused = (web.BaseRequest, RawRequestMessage, HttpProcessingError, GuardedHandler)
    assert [kind for kind in left if issubclass(kind, refused)] == []
