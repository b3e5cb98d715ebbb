"""A body that comes slowly is acted on by what its sender may do at its end, not at its beginning.

Otherwise whoever holds back the last octet keeps for that long what was taken from them.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from server.accounts.access import Caller, Role
from server.accounts.customer_ports import CustomerTerms, Entity
from server.journal.acts import Actor
from tests.server.acts import CAUSE
from tests.server.moving_files import ReferenceKey
from tests.server.web.office import Office, open_office
from tests.server.web.peer import Peer, Reply, until

ANN = Actor("operator", "ann")


class Gate:
    """Lets in as whoever it is told, and counts how often it was asked."""

    def __init__(self) -> None:
        self.caller = Caller(ANN, Role.OPERATOR)
        self.asked = 0

    async def __call__(self, _: web.Request) -> Caller:
        self.asked += 1
        return self.caller


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def office(tmp_path: Path, gate: Gate) -> AsyncIterator[Office]:
    made = await open_office(tmp_path, authenticate=gate)
    yield made
    await made.serving.stop()


async def slowly(office: Office, gate: Gate, head: str, body: bytes, caller: Caller) -> Reply:
    """Send a request but its last octet, become another caller, and send that one."""
    fields = f"Host: x\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    before = gate.asked
    async with Peer(str(office.path), None) as peer:
        peer.send(f"{head} HTTP/1.1\r\n{fields}".encode() + body[:-1])
        await until(lambda: gate.asked > before)
        gate.caller = caller
        peer.send(body[-1:])
        return await peer.reply()


async def test_s14_a_client_that_went_to_another_customer_is_not_changed(
    office: Office, gate: Gate
) -> None:
    for name in ("alpha", "beta"):
        await office.store.add_customer(
            CustomerTerms(name, Entity.AB, None, validation=False), act=CAUSE.act("test")
        )
    await office.call("POST", "/clients", {"name": "c", "customer": 1})
    gate.caller = Caller(ANN, Role.OPERATOR, 1)
    kept_to_beta = Caller(ANN, Role.OPERATOR, 2)  # as good as the client going there
    body = b'{"signed_only": true}'
    told = await slowly(office, gate, "PATCH /api/v1/clients/1", body, kept_to_beta)
    assert told.status == 404
    details = await office.store.client_details(1)
    assert details is not None
    assert not details.signed_only


@pytest.mark.parametrize("path", ["/imports", "/keys/import?format=ksm"])
async def test_s14_keys_are_not_imported_by_whoever_lost_the_role(
    office: Office, gate: Gate, path: str
) -> None:
    line = ReferenceKey().key_line.encode()
    body = b"keys %d\n%bend\n" % (len(line), line) if path == "/imports" else line
    told = await slowly(office, gate, f"POST /api/v1{path}", body, Caller(ANN, Role.VIEWER))
    assert told.status == 403
    assert (await office.call("GET", "/keys")).json["keys"] == []
