"""Attempts to make a repeat mean something else than aiohttp would have read."""

import asyncio
import gc
import ipaddress
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clock import SystemClock
from server.metrics import layout
from server.metrics.layout import Rejected
from server.metrics.tally import Tally
from server.otp.verdict import Source, Verdict
from server.web.guard import Caps, GuardedHandler
from server.web.repeats import MOST_HEAD, SHORTCUT, RepeatGuard, RepeatHandler
from server.web.reply import Reply
from server.web.runner import Serving
from server.web.source import SourceReader
from server.web.verify import verify_app
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, post, until
from tests.server.web.scripted import OK, ScriptedVerifier
from validation.request import Protocol

VERIFY = "/wsapi/2.0/verify"
CANARY = "cccccccanaryotp"


class GatedVerifier(ScriptedVerifier):
    """Holds every request back while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        verdict = await super().verify(query, protocol, source)
        await self.gate.wait()
        return verdict

    @property
    def queries(self) -> list[str]:
        """What was asked so far; aiohttp hands on text, a repeat octets."""
        return [q if isinstance(q, str) else q.decode() for q, _, _ in self.asked]

    @property
    def repeats(self) -> int:
        """How many requests came past aiohttp."""
        return sum(isinstance(asked.query, bytes) for asked in self.asked)


async def open_verify(
    open_door: OpenDoor,
    verifier: GatedVerifier,
    *,
    caps: Caps = Caps(),  # noqa: B008 - immutable
    grace_s: float = 10.0,
    shortcut: bool = True,
) -> Door:
    """Serve the verification door; loopback is a trusted proxy. shortcut: with repeats."""
    app = verify_app(
        verifier,
        tally=Tally.in_memory(),
        clock=SystemClock(),
        sources=SourceReader([ipaddress.ip_network("127.0.0.0/8")]),
    )
    if not shortcut:
        del app[SHORTCUT]
    return await open_door(app, caps, grace_s)


async def guarded_of(serving: Serving) -> GuardedHandler:
    """Return the one open connection once it waits for a request."""
    await until(lambda: serving._guard.admitted)
    (handler,) = serving._guard.admitted
    assert isinstance(handler, GuardedHandler)
    await until(handler.is_idle)
    return handler


async def handler_of(serving: Serving) -> RepeatHandler:
    """Return it as one that knows repeats."""
    handler = await guarded_of(serving)
    assert isinstance(handler, RepeatHandler)
    return handler


class Packets:
    """One connection whose packets arrive exactly as the test cuts them."""

    def __init__(self, peer: Peer, handler: RepeatHandler) -> None:
        self.peer = peer
        self.handler = handler

    async def ask(self, *packets: bytes) -> int:
        """Deliver the packets of one request; return the status of its answer."""
        for packet in packets:
            self.handler.data_received(packet)
        status = (await self.peer.reply()).status
        await until(self.handler.is_idle)
        return status


@pytest.fixture
def verifier() -> GatedVerifier:
    return GatedVerifier()


@pytest.fixture
async def door(open_door: OpenDoor, verifier: GatedVerifier) -> Door:
    return await open_verify(open_door, verifier)


@pytest.fixture
async def packets(door: Door) -> AsyncIterator[Packets]:
    async with Peer(door.host, door.port) as peer:
        yield Packets(peer, await handler_of(door.serving))


async def test_a_request_with_the_head_of_the_one_before_skips_the_parser(
    packets: Packets, verifier: GatedVerifier
) -> None:
    for number in range(4):
        assert await packets.ask(get(f"{VERIFY}?id={number}")) == 200
    assert verifier.queries == [f"id={number}" for number in range(4)]
    assert verifier.repeats == 3


async def test_a_packet_that_ends_half_a_head_teaches_nothing(
    packets: Packets, verifier: GatedVerifier
) -> None:
    """To the parser the second packet's request line is the value of a field."""
    half = f"GET {VERIFY}?a HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\nX: ".encode()
    await packets.ask(half, get(f"{VERIFY}?a"))
    await packets.ask(get(f"{VERIFY}?b"))
    assert [asked.source.address for asked in verifier.asked] == ["203.0.113.9", "127.0.0.1"]


async def test_a_packet_that_ends_a_body_teaches_nothing(
    packets: Packets, verifier: GatedVerifier
) -> None:
    inside = f"GET {VERIFY}?a HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\nX: ".encode()
    first = post(VERIFY, inside)
    packets.handler.data_received(first[: -len(inside)])
    packets.handler.data_received(inside + get(f"{VERIFY}?a"))
    assert packets.handler._head is None
    assert [(await packets.peer.reply()).status for _ in range(2)] == [200, 200]
    await until(packets.handler.is_idle)
    await packets.ask(get(f"{VERIFY}?b"))
    assert {asked.source.address for asked in verifier.asked} == {"127.0.0.1"}


async def test_a_connection_learns_again_after_a_head_in_halves(
    packets: Packets, verifier: GatedVerifier
) -> None:
    for number in range(3):
        await packets.ask(get(f"{VERIFY}?id={number}"))
    whole = get(f"{VERIFY}?halves")
    await packets.ask(whole[:9], whole[9:])
    for number in range(3):
        await packets.ask(get(f"{VERIFY}?id={number}"))
    assert verifier.repeats == 4


@pytest.mark.parametrize("name", ["Expect", "eXPECT"])
async def test_an_expectation_is_refused_each_time(
    packets: Packets, verifier: GatedVerifier, name: str
) -> None:
    for _ in range(3):
        assert await packets.ask(get(f"{VERIFY}?a", f"{name}: nonsense")) == 417
    assert verifier.asked == []


@pytest.mark.parametrize("length", [2**64 - 1, 2**64 - 2, 1])
async def test_what_aiohttp_takes_for_a_body_is_no_request(
    packets: Packets, verifier: GatedVerifier, length: int
) -> None:
    """A Content-Length of 2**64 - 1 has no body to aiohttp's messages, but one to its parser."""
    request = get(f"{VERIFY}?a", f"Content-Length: {length}")
    packets.handler.data_received(request)
    assert (await packets.peer.reply()).status == 200
    packets.handler.data_received(request.replace(b"?a", b"?b"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert verifier.queries == ["a"]


async def test_a_head_that_is_remembered_is_short(
    packets: Packets, verifier: GatedVerifier
) -> None:
    """4096 idle connections with the longest heads would hold a gigabyte."""
    for length, repeats in ((MOST_HEAD, 0), (MOST_HEAD // 2, 1)):
        for _ in range(2):
            await packets.ask(get(f"{VERIFY}?a", "X: " + "x" * length))
        assert verifier.repeats == repeats


async def test_what_a_connection_remembers_goes_with_it(door: Door) -> None:
    async with Peer(door.host, door.port) as peer:
        handler = await handler_of(door.serving)
        handler.data_received(get(f"{VERIFY}?a"))
        await peer.reply()
        assert handler._head is not None
    await until(lambda: not door.serving.open_connections)
    for remembered in (handler._head, handler._source, handler._later):
        assert not remembered


async def test_no_later_answer_takes_the_place_of_one_that_failed(
    open_door: OpenDoor, verifier: GatedVerifier
) -> None:
    door = await open_verify(open_door, verifier)
    guard = door.serving._guard
    assert isinstance(guard, RepeatGuard)
    answer = guard.shortcut.answer

    async def fails(query: bytes, source: Source) -> Reply:
        if query.startswith(b"fail"):
            await asyncio.sleep(0)
            fault = OSError if query == b"fail" else ConnectionResetError
            raise fault(f"cannot answer otp={CANARY}")
        return await answer(query, source)

    guard.shortcut = guard.shortcut._replace(answer=fails)
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    with structlog.testing.capture_logs() as lines:
        for query in ("fail", "fail2"):
            async with Peer(door.host, door.port) as peer:
                assert (await peer.ask(get(f"{VERIFY}?a"))).status == 200
                handler = await handler_of(door.serving)
                handler.data_received(get(f"{VERIFY}?{query}"))
                handler.data_received(get(f"{VERIFY}?c"))
                assert await peer.rest() == b""
            await until(lambda: not door.serving.open_connections)
    gc.collect()  # a task's exception that nobody took would be written down now
    assert faults == []
    assert verifier.queries == ["a", "a"]
    assert CANARY not in str(lines)
    assert [line["event"] for line in lines] == ["connection_fault"]


async def test_a_repeat_under_way_is_answered_before_the_end_and_says_so(
    door: Door, packets: Packets, verifier: GatedVerifier
) -> None:
    await packets.ask(get(f"{VERIFY}?a"))
    verifier.gate.clear()
    packets.handler.data_received(get(f"{VERIFY}?b"))
    packets.handler.data_received(get(f"{VERIFY}?not-any-more"))
    stopping = asyncio.ensure_future(door.serving.stop())
    await until(lambda: packets.handler._draining)
    verifier.gate.set()
    reply = await packets.peer.reply()
    assert (reply.status, reply.header("Connection")) == (200, "close")
    assert await packets.peer.rest() == b""
    await stopping
    assert verifier.queries == ["a", "b"]


async def test_a_repeat_that_is_never_answered_ends_after_the_grace(
    open_door: OpenDoor, verifier: GatedVerifier
) -> None:
    before = asyncio.all_tasks()
    door = await open_verify(open_door, verifier, grace_s=0.1)
    async with Peer(door.host, door.port) as peer:
        handler = await handler_of(door.serving)
        packets = Packets(peer, handler)
        await packets.ask(get(f"{VERIFY}?a"))
        verifier.gate.clear()
        handler.data_received(get(f"{VERIFY}?b"))
        task = handler._task
        assert task is not None
        await until(lambda: len(verifier.asked) == 2)
        await door.serving.stop()
        assert await peer.rest() == b""
        await until(task.done)
    await until(lambda: asyncio.all_tasks() <= before)


async def test_what_comes_before_the_answer_waits_and_keeps_its_order(
    packets: Packets, verifier: GatedVerifier
) -> None:
    await packets.ask(get(f"{VERIFY}?0"))
    verifier.gate.clear()
    packets.handler.data_received(get(f"{VERIFY}?1"))
    packets.peer.send(b"".join(get(f"{VERIFY}?{number}") for number in range(2, 80)))
    packets.peer.send(get(f"{VERIFY}?half")[:-7])
    await until(lambda: packets.handler._later)
    assert verifier.queries == ["0", "1"]
    verifier.gate.set()
    for _ in range(1, 80):
        assert (await packets.peer.reply()).status == 200
    packets.peer.send(get(f"{VERIFY}?half")[-7:])
    assert (await packets.peer.reply()).status == 200
    assert verifier.queries == [*(str(number) for number in range(80)), "half"]


async def test_a_flood_behind_a_repeat_is_not_read_into_memory(
    packets: Packets, verifier: GatedVerifier
) -> None:
    await packets.ask(get(f"{VERIFY}?0"))
    verifier.gate.clear()
    packets.handler.data_received(get(f"{VERIFY}?1"))
    flood = get(f"{VERIFY}?flood") * 100_000
    packets.peer.send(flood)
    await until(lambda: packets.handler._later)
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(packets.handler._later) <= 256 * 1024
    assert len(verifier.asked) == 2


async def test_a_peer_that_repeats_and_reads_nothing_is_cut_off(
    open_door: OpenDoor, verifier: GatedVerifier
) -> None:
    verifier.verdict = OK._replace(body=b"x" * 200_000)
    door = await open_verify(open_door, verifier, caps=Caps(write_s=0.1))
    async with Peer(door.host, door.port) as peer:
        handler = await handler_of(door.serving)
        peer.stop_reading()
        task = None
        for number in range(1000):
            if not door.serving.open_connections or handler._paused:
                break
            handler.data_received(get(f"{VERIFY}?{number}"))
            task = handler._task or task
            await until(lambda: handler.is_idle() or handler._paused)
        await until(lambda: not door.serving.open_connections)
        assert verifier.repeats > 0
        assert task is not None
        await until(task.done)
    start = layout.BY_NAME["keystead_http_rejected"].start
    assert door.tally.cells()[start + list(Rejected).index(Rejected.SLOW_READER)] == 1


async def test_a_repeat_under_way_makes_no_room_and_an_idle_connection_does(
    open_door: OpenDoor, verifier: GatedVerifier
) -> None:
    door = await open_verify(open_door, verifier, caps=Caps(connections=1))
    async with Peer(door.host, door.port) as peer:
        packets = Packets(peer, await handler_of(door.serving))
        await packets.ask(get(f"{VERIFY}?a"))
        verifier.gate.clear()
        packets.handler.data_received(get(f"{VERIFY}?b"))
        async with Peer(door.host, door.port) as refused:
            assert await refused.rest() == b""
        verifier.gate.set()
        assert (await peer.reply()).status == 200
        await until(packets.handler.is_idle)
        async with Peer(door.host, door.port) as newcomer:
            assert (await newcomer.ask(get(f"{VERIFY}?c"))).status == 200
        assert await peer.rest() == b""


async def test_a_repeat_that_takes_longer_than_the_idle_time_is_answered(
    open_door: OpenDoor, verifier: GatedVerifier
) -> None:
    door = await open_verify(open_door, verifier, caps=Caps(idle_s=0.2))
    async with Peer(door.host, door.port) as peer:
        packets = Packets(peer, await handler_of(door.serving))
        await packets.ask(get(f"{VERIFY}?a"))
        verifier.gate.clear()
        packets.handler.data_received(get(f"{VERIFY}?b"))
        async with Peer(door.host, door.port) as idle:
            assert await idle.rest() == b""  # connected later, so its time was over later
        verifier.gate.set()
        assert (await peer.reply()).status == 200
        assert await peer.rest() == b""  # and idle again, it is closed


@pytest.mark.parametrize("leaves", ["abort", "half close"])
async def test_a_peer_that_leaves_during_a_repeat_leaves_nothing_behind(
    door: Door, verifier: GatedVerifier, leaves: str
) -> None:
    before = asyncio.all_tasks()
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            packets = Packets(peer, await handler_of(door.serving))
            await packets.ask(get(f"{VERIFY}?a"))
            verifier.gate.clear()
            packets.handler.data_received(get(f"{VERIFY}?b"))
            if leaves == "half close":
                peer.half_close()
                await until(lambda: not door.serving.open_connections)
        await until(lambda: not door.serving.open_connections)
        verifier.gate.set()
        await until(lambda: packets.handler._task is None)
    assert lines == []
    assert verifier.queries == ["a", "b"]
    await until(lambda: asyncio.all_tasks() <= before)


_HEADS = [
    b"Host: x\r\n",
    b"Host: x\r\nX-Forwarded-For: 203.0.113.9\r\n",
    b"Host: x\r\nConnection: keep-alive\r\n",
    b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Host: x\r\nContent-Length: 0\r\n",
    b"Host: x\r\nContent-Length: 8\r\n",
    b"Host: x\r\nTransfer-Encoding: chunked\r\n",
    b"Host: x\r\nExpect: 100-continue\r\n",
    b"Host: x\r\nX: a\r\n b\r\n",
    b"Host: x\nX: a\r\n",
    b"Host: x\rX: a\r\n",
    b"Host: x\r\nX: \0\r\n",
    b"",
]
_LINES = [
    b"GET /wsapi/2.0/verify?%s HTTP/1.1\r\n",
    b"GET /wsapi/2.0/verify?%s HTTP/1.0\r\n",
    b"GET /wsapi/2.0/verify?%s  HTTP/1.1\r\n",
    b"GET /wsapi/2.0/verify?%s HTTP/1.1\n",
    b"GET http://x/wsapi/2.0/verify?%s HTTP/1.1\r\n",
    b"GET /wsapi/verify?%s HTTP/1.1\r\n",
    b"POST /wsapi/2.0/verify?%s HTTP/1.1\r\n",
    b"\r\nGET /wsapi/2.0/verify?%s HTTP/1.1\r\n",
]
_QUERIES = [b"a", b"a", b"id=1&otp=%2B", b"a#b", b"a?b", b"a\xff", b"a:b@[c]", b"x" * 5000]
one_request = st.builds(
    lambda line, query, head: line.replace(b"%s", query) + head + b"\r\n",
    st.sampled_from([*_LINES[:1] * 8, *_LINES]),
    st.sampled_from(_QUERIES),
    st.sampled_from([*_HEADS[:1] * 8, *_HEADS]),
)


class Cut(NamedTuple):
    """A request and where its packet ends: `octets` before its end, or behind it for 0."""

    request: bytes
    octets: int
    joined: bool  # with what comes after


conversation = st.lists(
    st.builds(
        Cut, one_request, st.sampled_from([0] * 6 + [1, 2, 4, 9, 30]), st.sampled_from([0, 0, 1])
    ),
    min_size=2,
    max_size=8,
)


def packets_of(cuts: list[Cut]) -> list[bytes]:
    """Return the packets of a conversation."""
    packets = [b""]
    for cut in cuts:
        end = len(cut.request) - cut.octets
        packets[-1] += cut.request[:end]
        if cut.octets:
            packets.append(cut.request[end:])
        if not cut.joined:
            packets.append(b"")
    return [packet for packet in packets if packet]


async def hold(door: Door, packets: list[bytes]) -> bytes:
    """Deliver packets to a connection of its own; return all it answers, without the dates."""
    async with Peer(door.host, door.port) as peer:
        handler = await guarded_of(door.serving)
        for packet in packets:
            handler.data_received(packet)
            await until(lambda: handler.is_idle() or handler._wire is None)
        peer.half_close()
        answers = await peer.rest()
    await until(lambda: not door.serving.open_connections)
    return re.sub(rb"\r\nDate: [^\r]*", b"", answers)


@given(cuts=conversation)
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_with_and_without_repeats_the_same_is_asked_and_answered(
    open_door: OpenDoor, cuts: list[Cut]
) -> None:
    caps = Caps(head_s=5.0, linger_s=0.01)
    results = []
    for shortcut in (True, False):
        verifier = GatedVerifier()
        door = await open_verify(open_door, verifier, caps=caps, shortcut=shortcut)
        answers = await hold(door, packets_of(cuts))
        asked = [
            (q if isinstance(q, str) else q.decode(), source) for q, _, source in verifier.asked
        ]
        results.append((answers, asked))
        await door.serving.stop()
    assert results[0] == results[1]
