"""Doors on real sockets, once on asyncio's own event loop and once on uvloop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import uvloop
from aiohttp import web

from server.clock import SystemClock
from server.metrics.tally import Tally
from server.tlsfiles import TlsFiles
from server.web.certificate import ServedCertificate
from server.web.guard import Caps
from server.web.runner import Serving, serve
from tests.certificates import Authority
from tests.server.web.office import Office, open_office
from tests.server.web.peer import TLS_PORTS

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


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return the authority that the tests' certificates are of."""
    return Authority()


@pytest.fixture(scope="session")
def tls_files(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """Return a good certificate for localhost, and its key."""
    return authority.issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def served(tls_files: TlsFiles) -> ServedCertificate:
    """Return that certificate, to be given to `open_door`."""
    return ServedCertificate.read(tls_files, clock=SystemClock(), tally=Tally.in_memory())


@pytest.fixture
async def open_door(authority: Authority) -> AsyncIterator[OpenDoor]:
    """Return a function that serves an application until the test ends.

    With `tls` a `Peer` speaks TLS to it, unless it is told otherwise.
    """
    doors: list[Serving] = []

    async def start(
        app: web.Application,
        caps: Caps = Caps(),  # noqa: B008 - immutable
        grace_s: float = 10.0,
        tls: ServedCertificate | None = None,
    ) -> Door:
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        tally = Tally.in_memory()
        serving = await serve(app, [listener], tally=tally, caps=caps, grace_s=grace_s, tls=tls)
        doors.append(serving)
        TLS_PORTS.pop(port, None)
        if tls is not None:
            TLS_PORTS[port] = authority.client()
        return Door(host, port, tally, serving)

    yield start
    for serving in doors:
        await serving.stop()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Serve an admin door over a store in memory."""
    made = await open_office(tmp_path)
    yield made
    await made.serving.stop()
