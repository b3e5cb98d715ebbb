"""The door for tokens: who is let in, what is said to others, and who is locked out."""

import ipaddress
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from server.accounts.access import Role
from server.accounts.operators import OperatorDesk
from server.accounts.tokens import Token
from server.otp.ports import StoreUnavailableError
from server.web.admin import admin_app
from server.web.bearers import Bearers
from server.web.lockout import Lockout
from server.web.source import SourceReader
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT, office_desks
from tests.server.web.peer import Peer, Reply

WRONG = Token(1, bytes(32)).format()
ATTEMPTS = 3


class FullStore(MemoryStore):
    """A store on a disk that is full: it can be read."""

    is_full = False

    async def note_token_use(self, number: int, used_us: int) -> None:
        if self.is_full:
            raise StoreUnavailableError("the disk is full")
        await super().note_token_use(number, used_us)


class Remote(NamedTuple):
    """A door that takes tokens, behind a proxy of ours on the loopback."""

    host: str
    port: int
    clock: StillClock
    operators: OperatorDesk
    store: FullStore
    token: str

    async def ask(self, *authorization: str, source: str = "192.0.2.1") -> Reply:
        """Ask who one is, with these Authorization fields, from a source behind the proxy."""
        fields = ["Host: localhost", "Connection: close", f"X-Forwarded-For: {source}"]
        fields += [f"Authorization: {value}" for value in authorization]
        head = "\r\n".join(["GET /api/v1/self HTTP/1.1", *fields, "", ""])
        async with Peer(self.host, self.port) as peer:
            peer.send(head.encode())
            return await peer.reply()


@pytest.fixture
async def remote(open_door: OpenDoor) -> Remote:
    clock = StillClock()
    store = FullStore(clock=clock, default_policy=DEFAULT)
    desks = office_desks(store, clock, Path("imports"))
    issued = await desks.operators.add("ann", Role.ADMIN, cause=CAUSE)
    bearers = Bearers(
        desks.operators,
        lockout=Lockout(attempts=ATTEMPTS, lockout_s=60, clock=clock),
        sources=SourceReader([ipaddress.ip_network("127.0.0.0/8")]),
    )
    door = await open_door(admin_app(desks, bearers))
    return Remote(door.host, door.port, clock, desks.operators, store, issued.token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_lets_its_operator_in(remote: Remote, scheme: str) -> None:
    reply = await remote.ask(f"{scheme} {remote.token}")
    assert reply.status == 200
    assert b'"name":"ann"' in reply.body


@pytest.mark.parametrize("fields", [(), ("Basic YTpi",), ("Bearer a", "Bearer b"), ("",)])
async def test_who_shows_no_token_is_asked_for_one_and_never_locked_out(
    remote: Remote, fields: tuple[str, ...]
) -> None:
    for _ in range(ATTEMPTS + 2):
        reply = await remote.ask(*fields)
        assert reply.status == 401
        assert reply.header("www-authenticate") == 'Bearer realm="keystead"'
    assert (await remote.ask(f"Bearer {remote.token}")).status == 200


async def test_wrong_tokens_lock_a_source_out_with_whatever_token(remote: Remote) -> None:
    with structlog.testing.capture_logs() as lines:
        for _ in range(ATTEMPTS + 1):
            reply = await remote.ask(f"Bearer {WRONG}")
            assert reply.status == 401
            assert 'error="invalid_token"' in reply.header("www-authenticate")
        locked = await remote.ask(f"Bearer {remote.token}")
        fresh = (await remote.operators.issue_token("ann", cause=CAUSE)).token
    assert (locked.status, locked.header("retry-after")) == (429, "60")
    assert (await remote.ask(f"Bearer {fresh}")).status == 429
    assert (await remote.ask(f"Bearer {remote.token}", source="192.0.2.2")).status == 200
    remote.clock.pass_by(60)
    assert (await remote.ask(f"Bearer {remote.token}")).status == 200
    assert [line["locked_out"] for line in lines] == [False] * ATTEMPTS + [True]
    assert {line["source"] for line in lines} == {"192.0.2.1"}
    for secret in (WRONG, remote.token):
        assert secret.split("_", 2)[2] not in str(lines)


async def test_strangers_at_an_operators_address_do_not_lock_them_out(remote: Remote) -> None:
    """Behind one NAT, or a proxy that is not among `limits.trusted_proxies`, all are one source."""
    assert (await remote.ask(f"Bearer {remote.token}")).status == 200
    for _ in range(ATTEMPTS + 1):
        await remote.ask(f"Bearer {WRONG}")
    assert (await remote.ask(f"Bearer {WRONG}")).status == 429
    assert (await remote.ask(f"Bearer {remote.token}")).status == 200
    await remote.operators.revoke_token("ann", 1, cause=CAUSE)
    assert (await remote.ask(f"Bearer {remote.token}")).status == 401
    assert (await remote.ask(f"Bearer {remote.token}")).status == 429


async def test_s14_without_a_trusted_proxy_nobody_is_another_source_by_a_header(
    open_door: OpenDoor,
) -> None:
    clock = StillClock()
    store = FullStore(clock=clock, default_policy=DEFAULT)
    desks = office_desks(store, clock, Path("imports"))
    lockout = Lockout(attempts=ATTEMPTS, lockout_s=60, clock=clock)
    bearers = Bearers(desks.operators, lockout=lockout, sources=SourceReader())
    door = await open_door(admin_app(desks, bearers))
    remote = Remote(door.host, door.port, clock, desks.operators, store, "")
    told = [
        (await remote.ask(f"Bearer {WRONG}", source=f"192.0.2.{number}")).status
        for number in range(ATTEMPTS + 2)
    ]
    assert told == [401] * (ATTEMPTS + 1) + [429]


async def test_a_full_disk_keeps_no_operator_from_looking(remote: Remote) -> None:
    remote.store.is_full = True
    with structlog.testing.capture_logs() as lines:
        assert (await remote.ask(f"Bearer {remote.token}")).status == 200
    assert [line["event"] for line in lines] == ["token_use_not_kept"]


async def test_an_expired_token_locks_nobody_out(remote: Remote) -> None:
    await remote.operators.revoke_token("ann", 1, cause=CAUSE)
    for _ in range(ATTEMPTS + 2):
        reply = await remote.ask(f"Bearer {remote.token}")
        assert reply.status == 401
        assert b"revoked" in reply.body


async def test_a_disabled_operator_is_refused_by_the_next_request(remote: Remote) -> None:
    assert (await remote.ask(f"Bearer {remote.token}")).status == 200
    await remote.operators.disable("ann", cause=CAUSE)
    assert (await remote.ask(f"Bearer {remote.token}")).status == 401


async def test_a_role_holds_from_the_next_request_on(remote: Remote) -> None:
    await remote.operators.give_role("ann", Role.VIEWER, cause=CAUSE)
    reply = await remote.ask(f"Bearer {remote.token}")
    assert b'"role":"viewer"' in reply.body
