"""The door counts every request it answers once, on the short way and the long, and its faults."""

import asyncio

import pytest
import structlog
from aiohttp import web

from server.clock import SystemClock
from server.maintenance.counting import Phase
from server.metrics import layout
from server.metrics.tally import Tally
from server.otp.verdict import LimitAdvice, Source, Verdict
from server.usage.counter import UsageCounter
from server.usage.kinds import KINDS
from server.usage.ports import NOBODY
from server.web.repeats import SHORTCUT
from server.web.source import SourceReader
from server.web.verify import VerifiesOtps, verify_app
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, post
from tests.server.web.scripted import OK, ScriptedVerifier
from validation.request import Protocol
from validation.status import Status

VERIFY = "/wsapi/2.0/verify"
MINE = OK._replace(counted_for=1)
LIMIT = LimitAdvice("default", quota=50, window_s=5, remaining=0, retry_after_s=3)


class Counted:
    """An application of the door, and what it counted so far."""

    def __init__(self, verifier: VerifiesOtps) -> None:
        self._counter = UsageCounter(100)
        self.tally = Tally.in_memory()
        self.app = verify_app(
            verifier,
            tally=self.tally,
            clock=SystemClock(),
            sources=SourceReader(),
            usage=self._counter,
        )

    def outcomes(self) -> dict[tuple[str, ...], int]:
        """Return what Prometheus is told, by outcome and phase."""
        family = layout.BY_NAME["keystead_verify"]
        cells = self.tally.cells()[family.start : family.start + family.cells]
        return {labels: n for labels, n in zip(family.values, cells, strict=True) if n}

    def take(self) -> dict[int, dict[str, int]]:
        return {
            client: {kind: n for kind, n in zip(KINDS, counts, strict=True) if n}
            for client, counts in self._counter.take(100).items()
        }


def parsed(door: Door) -> int:
    count: int = door.serving._guard.server.requests_count
    return count


async def test_every_way_to_the_door_counts_once(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier(MINE)
    counted = Counted(verifier)
    door = await open_door(counted.app)
    async with Peer(door.host, door.port) as peer:
        for number in range(5):
            await peer.ask(get(f"{VERIFY}?id={number}"))
        assert parsed(door) == 1, "the other four came the short way"
        await peer.ask(post(VERIFY, b"id=1"))
        await peer.ask(get("/wsapi/verify?id=1"))
        await peer.ask(post(VERIFY, b"x" * 20_000))
    assert counted.take() == {1: {"ok": 8}}
    assert counted.outcomes() == {("good", "service"): 8}


@pytest.mark.parametrize("long_way", [False, True])
async def test_each_answer_is_counted_as_what_it_is(open_door: OpenDoor, *, long_way: bool) -> None:
    verifier = ScriptedVerifier()
    counted = Counted(verifier)
    if long_way:
        del counted.app[SHORTCUT]
    door = await open_door(counted.app)
    async with Peer(door.host, door.port) as peer:
        for status in Status:
            verifier.verdict = MINE._replace(status=status)
            await peer.ask(get(f"{VERIFY}?id=1"))
        verifier.verdict = MINE._replace(status=Status.OPERATION_NOT_ALLOWED, limit=LIMIT)
        await peer.ask(get(f"{VERIFY}?id=1"))
        verifier.verdict = MINE._replace(status=Status.NOT_ENOUGH_ANSWERS, beyond_level=True)
        await peer.ask(get(f"{VERIFY}?id=1"))
    assert counted.take() == {1: dict.fromkeys(KINDS[:-1], 1)}
    good = len(Status) - 2 + 1  # all but BACKEND_ERROR and NOT_ENOUGH_ANSWERS; beyond the level
    assert counted.outcomes() == {
        ("good", "service"): good,
        ("bad", "service"): 2,
        ("excluded", "service"): 1,
    }


async def test_a_fault_nobody_foresaw_is_nobodys_and_bad(open_door: OpenDoor) -> None:
    counted = Counted(ScriptedVerifier(ValueError("unforeseen")))
    door = await open_door(counted.app)
    with structlog.testing.capture_logs():
        async with Peer(door.host, door.port) as peer:
            for _ in range(2):
                assert (await peer.ask(get(f"{VERIFY}?id=1"))).status == 200
    assert counted.take() == {NOBODY: {"fault": 2}}
    assert counted.outcomes() == {("bad", "service"): 2}


async def test_what_is_asked_in_announced_maintenance_counts_in_its_phase(
    open_door: OpenDoor,
) -> None:
    verifier = ScriptedVerifier(MINE)
    counted = Counted(verifier)
    door = await open_door(counted.app)
    async with Peer(door.host, door.port) as peer:
        for phase in (Phase.MAINTENANCE, Phase.SERVICE, Phase.MAINTENANCE):
            counted.tally.enter(phase)
            await peer.ask(get(f"{VERIFY}?id=1"))
    assert counted.outcomes() == {("good", "maintenance"): 2, ("good", "service"): 1}


async def test_a_500_is_counted(open_door: OpenDoor) -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise ValueError("beside the door")

    counted = Counted(ScriptedVerifier(MINE))
    counted.app.router.add_get("/broken", broken)
    door = await open_door(counted.app)
    with structlog.testing.capture_logs():
        async with Peer(door.host, door.port) as peer:
            assert (await peer.ask(get("/broken"))).status == 500
    assert counted.take() == {NOBODY: {"fault": 1}}


async def test_what_is_not_of_the_protocol_is_not_counted(open_door: OpenDoor) -> None:
    counted = Counted(ScriptedVerifier(MINE))
    door = await open_door(counted.app)
    for request in (get("/"), b"nonsense\r\n\r\n", get(f"{VERIFY}?otp=\x80".encode("latin-1"))):
        async with Peer(door.host, door.port) as peer:
            assert (await peer.ask(request)).status in {400, 404}
    assert counted.take() == {}
    assert counted.outcomes() == {}


class Endless:
    """A room that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        del query, protocol, source
        self.asked.set()
        await asyncio.Event().wait()
        return MINE


async def test_who_is_left_without_an_answer_at_a_stop_is_counted(open_door: OpenDoor) -> None:
    room = Endless()
    counted = Counted(room)
    door = await open_door(counted.app, grace_s=0.2)
    async with Peer(door.host, door.port) as peer:
        peer.send(get(f"{VERIFY}?id=1"))
        await room.asked.wait()
        await door.serving.stop()
    assert counted.take() == {NOBODY: {"fault": 1}}
