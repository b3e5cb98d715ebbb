"""Doors on real sockets, once on asyncio's own event loop and once on uvloop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

import pytest
import uvloop
from aiohttp import web

from server.metrics.tally import Tally
from server.web.guard import Caps
from server.web.runner import Serving, serve

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories() -> Mapping[str, LoopFactory]:
    """Run every test here on both loops: the guard sits on their transports."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


class Door(NamedTuple):
    """An application that is being served on loopback."""

    host: str
    port: int
    tally: Tally
    serving: Serving


OpenDoor = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_door() -> AsyncIterator[OpenDoor]:
    """Return a function that serves an application until the test ends."""
    doors: list[Serving] = []

    async def start(app: web.Application, caps: Caps = Caps(), grace_s: float = 10.0) -> Door:  # noqa: B008 - immutable
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        tally = Tally.in_memory()
        serving = await serve(app, [listener], tally=tally, caps=caps, grace_s=grace_s)
        doors.append(serving)
        return Door(host, port, tally, serving)

    yield start
    for serving in doors:
        await serving.stop()
