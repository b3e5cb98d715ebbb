"""The admin door on a Unix socket, with real desks over a store in memory."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from hsm.filevault import FileVault
from hsm.journalkey import JournalKey
from hsm.keyfile import SealingKey
from server.accounts.clients import ClientDesk
from server.journal.desk import JournalDesk
from server.metrics.tally import Tally
from server.moving.desk import MovingDesk
from server.otp.keys import KeyDesk
from server.web.admin import admin_app
from server.web.peer import peer_uid
from server.web.runner import Serving, serve
from tests.server.journal.copies import Copies
from tests.server.memory_store import MemoryStore
from tests.server.moving_bench import bench
from tests.server.still_clock import StillClock
from tests.server.web.peer import Peer, Reply
from validation.gcra import UNLIMITED, Policy, Rate

KEY = JournalKey.generate()
DEFAULT = Policy(Rate.per_second(10, 50), UNLIMITED)
Identify = Callable[[asyncio.BaseTransport | None], int | None]


class Answer(NamedTuple):
    """An answer of the admin API. json: its body read."""

    status: int
    json: Any
    reply: Reply


class Office(NamedTuple):
    """A served admin door."""

    path: Path
    store: MemoryStore
    clock: StillClock
    serving: Serving

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Make one call on a connection of its own. body: sent as JSON; raw: sent as it is."""
        octets = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        fields = {"Host": "localhost", "Connection": "close"}
        if octets:
            fields |= {"Content-Type": content_type, "Content-Length": str(len(octets))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        async with Peer(str(self.path), None) as peer:
            peer.send(f"{method} /api/v1{path} HTTP/1.1\r\n{head}\r\n".encode() + octets)
            reply = await peer.reply(head=method == "HEAD")
        return Answer(reply.status, json.loads(reply.body) if reply.body else None, reply)


def office_app(
    store: MemoryStore, clock: StillClock, imports: Path, identify: Identify = peer_uid
) -> web.Application:
    """Return the admin application over a store; imports gather in the directory `imports`."""
    vault = FileVault(SealingKey.of(bytes(range(32))))

    async def status() -> Mapping[str, object]:
        return {"version": "0.1.0", "ready": True}

    return admin_app(
        clients=ClientDesk(store, vault, clock=clock, default_policy=DEFAULT),
        keys=KeyDesk(store, vault),
        moving=MovingDesk(store, vault, partial(bench, vault, imports)),
        journal=JournalDesk(store, KEY, Copies()),
        status=status,
        identify=identify,
    )


async def open_office(directory: Path, identify: Identify = peer_uid) -> Office:
    """Serve an admin door on a socket in `directory`."""
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "admin.sock"))
    app = office_app(store, clock, directory / "imports", identify)
    serving = await serve(app, [listener], tally=Tally.in_memory())
    return Office(directory / "admin.sock", store, clock, serving)
