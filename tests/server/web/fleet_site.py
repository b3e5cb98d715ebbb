"""The pages of a fleet on a real socket, and a browser of few words that asks for them."""

import ipaddress
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from server.accounts.access import Role
from server.accounts.operators import IssuedToken, OperatorDesk
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.advisory_file import shipped
from server.fleet.desk import FleetDesk
from server.fleet.health_rules import read_rules
from server.fleet.holder_desk import HolderDesk
from server.fleet.shelf import Shelf
from server.fleet.view import FleetView
from server.storage.sqlite.store import SqliteStore
from server.web.bearers import Bearers
from server.web.fleet_gate import COOKIE, FORM_TYPE, FleetGate
from server.web.fleet_pages import FleetPages
from server.web.lockout import Lockout
from server.web.sessions import Sessions
from server.web.source import SourceReader
from tests.server.acts import CAUSE
from tests.server.fleet_page.fleets import open_store
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, Reply

ATTEMPTS = 3
OWN = read_rules(
    {
        "own": {
            "old-line": {
                "fact": "device.firmware",
                "operator": "older-than",
                "value": "5.7.0",
                "level": "notice",
                "words": "The key is of an older line",
            }
        }
    }
)
"""A rule of the organisation's own."""

_HTTPS = "X-Forwarded-Proto: https"


class FleetSite(NamedTuple):
    """A fleet's pages behind a reverse proxy on the loopback, which is trusted."""

    host: str
    port: int
    store: SqliteStore
    clock: StillClock
    operators: OperatorDesk
    sessions: Sessions
    advisories: AdvisoryDesk
    outcomes: Counter[str]

    async def operator(
        self, role: Role = Role.SUPPORT, name: str = "ann", customer: int | None = None
    ) -> IssuedToken:
        """Make an operator with a token."""
        return await self.operators.add(name, role, cause=CAUSE, customer=customer)

    async def ask(self, head: str, *fields: str, body: bytes = b"", over: str = _HTTPS) -> Reply:
        """Send a request on a connection of its own. over: how it came to the proxy."""
        lines = [f"{head} HTTP/1.1", "Host: ops.example", "Connection: close", *fields]
        lines += [over] if over else []
        lines += [f"Content-Length: {len(body)}"] if body else []
        async with Peer(self.host, self.port) as peer:
            peer.send("\r\n".join([*lines, "", ""]).encode() + body)
            return await peer.reply(head=head.startswith("HEAD"))

    async def get(self, path: str, cookie: str = "") -> Reply:
        """Look at a page."""
        return await self.ask(f"GET {path}", f"Cookie: {COOKIE}={cookie}")

    async def send_form(self, *fields: str, over: str = _HTTPS, **form: str) -> Reply:
        """Send the form that signs in."""
        kind = f"Content-Type: {FORM_TYPE}"
        body = urlencode(form).encode()
        return await self.ask("POST /fleet/sign-in", kind, *fields, body=body, over=over)

    async def sign_in(self, token: str) -> str:
        """Sign in and return the session's cookie."""
        reply = await self.send_form(token=token)
        assert reply.status == 303, reply.body
        return cookie_of(reply)


def cookie_of(reply: Reply) -> str:
    """Return the value of the cookie that an answer sets."""
    return SimpleCookie(reply.header("Set-Cookie"))[COOKIE].value


def text_of(reply: Reply) -> str:
    """Return what is to be read on a page."""
    found = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", reply.body.decode())
    return re.sub(r"\s+", " ", found)


@asynccontextmanager
async def open_site(open_door: OpenDoor, folder: Path) -> AsyncIterator[FleetSite]:
    """Serve the pages over a new store."""
    clock, outcomes = StillClock(), Counter[str]()
    async with open_store(folder, clock) as store:
        operators = OperatorDesk(store, clock=clock)
        sources = SourceReader([ipaddress.ip_network("127.0.0.0/8")])
        lockout = Lockout(attempts=ATTEMPTS, lockout_s=60, clock=clock)
        bearers = Bearers(operators, lockout=lockout, sources=sources)
        sessions = Sessions(clock=clock)
        shelf = Shelf(shipped(), own=OWN)
        advisories = AdvisoryDesk(store, store, shelf)
        view = FleetView(
            FleetDesk(store, shelf, clock=clock),
            HolderDesk(store, plain=True),
            advisories,
            store,
            clock=clock,
        )
        gate = FleetGate(operators, bearers, sources, sessions, outcomes)
        app = web.Application()
        app.add_subapp("/fleet", FleetPages(view, gate, outcomes, clock=clock).app())
        door = await open_door(app)
        yield FleetSite(
            door.host, door.port, store, clock, operators, sessions, advisories, outcomes
        )
        await view.close()
