"""Repeats: the short way past the parser says what the long way says, octet for octet."""

import asyncio
import ipaddress
import itertools
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clock import SystemClock
from server.metrics import layout
from server.metrics.layout import Rejected
from server.metrics.tally import Tally
from server.otp.verdict import LimitAdvice, Source, Verdict
from server.web.certificate import ServedCertificate
from server.web.guard import Caps
from server.web.repeats import MOST, SHORTCUT, RepeatHandler
from server.web.runner import serve
from server.web.source import SourceReader
from server.web.verify import verify_app
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, post, until
from validation.request import Protocol
from validation.status import Status

VERIFY = "/wsapi/2.0/verify"
FIRST = get(f"{VERIFY}?first")
LIMITED = LimitAdvice("default", quota=50, window_s=5, remaining=0, retry_after_s=3)


class Echo:
    """A room whose answer tells what it was asked, and can be held back."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.begun = 0
        self.sources: list[Source] = []

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        raw = query.encode("utf-8", "surrogateescape") if isinstance(query, str) else query
        self.sources.append(source)
        self.begun += 1
        await self.free.wait()
        if raw.startswith(b"fault"):
            raise ValueError("a fault nobody foresaw")
        limit = LIMITED if raw.startswith(b"limit") else None
        status = Status.OPERATION_NOT_ALLOWED if limit else Status.OK
        body = b"%d %b %b" % (protocol.value, raw, source.address.encode())
        return Verdict(status, body, limit, 1, None, shadowed=False)


def echo_app(room: Echo, trusted: Sequence[str] = ()) -> web.Application:
    return verify_app(
        room,
        tally=Tally.in_memory(),
        clock=SystemClock(),
        sources=SourceReader([ipaddress.ip_network(network) for network in trusted]),
    )


def long_way(app: web.Application) -> web.Application:
    """Return the same application without its shortcut."""
    del app[SHORTCUT]
    return app


def parsed(door: Door) -> int:
    """Return how many requests aiohttp has read: repeats are none."""
    count: int = door.serving._guard.server.requests_count
    return count


def handlers(door: Door) -> list[RepeatHandler]:
    return [one for one in door.serving._guard.admitted if isinstance(one, RepeatHandler)]


def timeless(octets: bytes) -> bytes:
    """Return answers without what the time and chance put in."""
    octets = re.sub(rb"Date: [^\r]*", b"Date: -", octets)
    octets = re.sub(rb"X-Request-Id: [^\r]*", b"X-Request-Id: -", octets)
    return re.sub(rb"(h|t)=[^\r]*", rb"\1=-", octets)


async def exchange(door: Door, packets: Sequence[bytes], end: bytes) -> bytes:
    """Send packets, each read before the next is sent, then `end`; return all answers."""
    with structlog.testing.capture_logs():
        async with Peer(door.host, door.port) as peer:
            return await answers_of(peer, packets, end)


async def answers_of(peer: Peer, packets: Sequence[bytes], end: bytes) -> bytes:
    for packet in packets:
        peer.send(packet)
        await peer.sent()
        await asyncio.sleep(0)
    peer.send(end)
    return await peer.rest()


LAST = get(f"{VERIFY}?last", "Connection: close")


async def test_a_repeat_is_answered_as_the_long_way_does_and_not_parsed(
    open_door: OpenDoor,
) -> None:
    short, long = await open_door(echo_app(Echo())), await open_door(long_way(echo_app(Echo())))
    answers = []
    for door in (short, long):
        async with Peer(door.host, door.port) as peer:
            answers.append([await peer.ask(get(f"{VERIFY}?id={n}")) for n in range(5)])
    assert timeless(str(answers[0]).encode()) == timeless(str(answers[1]).encode())
    assert (parsed(short), parsed(long)) == (1, 5)


async def test_over_tls_repeats_and_other_requests_take_turns_on_one_connection(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    door = await open_door(echo_app(Echo()), Caps(write_s=0.3), tls=served)
    async with Peer(door.host, door.port) as peer:
        for n in range(10):
            assert (await peer.ask(post(VERIFY, f"id={n}".encode()))).status == 200
            # The first after a body teaches nothing, the second the head, the third repeats it.
            for time in range(3):
                assert (await peer.ask(get(f"{VERIFY}?id={n}&time={time}"))).status == 200
        # Longer than an answer may wait for its peer: a deadline that was left would cut.
        await asyncio.sleep(0.5)
        assert (await peer.ask(get(f"{VERIFY}?last"))).status == 200
    assert parsed(door) == 30
    start = layout.BY_NAME["keystead_http_rejected"].start
    assert door.tally.cells()[start + list(Rejected).index(Rejected.SLOW_READER)] == 0


QUERIES = st.one_of(
    st.sampled_from(["", "limit", "fault", "id=1&otp=ccc", "a=%zz&b=+", "h=a/b==", "x" * MOST]),
    st.text("abcXYZ019=&%._~+/-", max_size=40),
    # What no query may hold unescaped is aiohttp's to refuse.
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12),
    st.sampled_from(["a#b", "a b", "a\tb", 'a"b', "a\\b", "é", "x" * (MOST + 1)]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(QUERIES, min_size=1, max_size=4))
async def test_every_query_gets_the_same_answer_on_both_ways(
    open_door: OpenDoor, queries: list[str]
) -> None:
    answers = []
    for way in (echo_app(Echo()), long_way(echo_app(Echo()))):
        door = await open_door(way)
        packets = [FIRST, *(get(f"{VERIFY}?{query}") for query in queries)]
        answers.append(timeless(await exchange(door, packets, LAST)))
        await door.serving.stop()
    assert answers[0] == answers[1]


REQUESTS = st.one_of(
    QUERIES.map(lambda query: get(f"{VERIFY}?{query}")),
    st.sampled_from(
        [
            FIRST,
            get(f"{VERIFY}?other", "User-Agent: another"),
            get(f"http://elsewhere{VERIFY}?absolute"),
            get(VERIFY),
            get("/nowhere"),
            get("/wsapi/verify?one"),
            get(f"{VERIFY}?body", "Content-Length: 4") + b"id=1",
            get(f"{VERIFY}?chunked", "Transfer-Encoding: chunked") + b"2\r\nid\r\n0\r\n\r\n",
            get(f"{VERIFY}?upgrade", "Connection: Upgrade", "Upgrade: websocket"),
            post(VERIFY, b"id=1&posted"),
            FIRST.replace(b"HTTP/1.1", b"HTTP/1.0"),
            FIRST.replace(b"GET", b"HEAD"),
            b"\r\n" + FIRST,
            FIRST.replace(b"\r\n", b"\n"),
            b"POST /nowhere HTTP/1.1\r\nX-Smuggled: " + FIRST,
        ]
    ),
)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(REQUESTS, min_size=1, max_size=5), st.lists(st.integers(0, 600), max_size=6))
async def test_every_stream_in_any_pieces_gets_the_same_answers_on_both_ways(
    open_door: OpenDoor, requests: list[bytes], cuts: list[int]
) -> None:
    stream = FIRST + b"".join(requests)
    at = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    packets = [stream[start:stop] for start, stop in itertools.pairwise(at)]
    answers = []
    for way in (echo_app(Echo()), long_way(echo_app(Echo()))):
        door = await open_door(way)
        answers.append(timeless(await exchange(door, packets, LAST)))
        await door.serving.stop()
    assert answers[0] == answers[1]


async def test_what_comes_before_the_answer_waits_and_keeps_its_order(open_door: OpenDoor) -> None:
    room = Echo()
    door = await open_door(echo_app(room))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        room.free.clear()
        peer.send(get(f"{VERIFY}?one"))
        await until(lambda: room.begun == 2)
        peer.send(get(f"{VERIFY}?two") + get(f"{VERIFY}?three", "X-Other: head"))
        await until(lambda: handlers(door)[0]._later)
        room.free.set()
        bodies = [(await peer.reply()).body.split()[1] for _ in range(3)]
    assert bodies == [b"one", b"two", b"three"]


async def test_a_repeat_under_way_is_finished_at_the_end_and_says_that_it_is_the_last(
    open_door: OpenDoor,
) -> None:
    room = Echo()
    door = await open_door(echo_app(room))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        room.free.clear()
        peer.send(get(f"{VERIFY}?one"))
        await until(lambda: room.begun == 2)
        stopping = asyncio.ensure_future(door.serving.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        room.free.set()
        reply = await peer.reply()
        assert (reply.status, reply.header("Connection")) == (200, "close")
        assert await peer.rest() == b""
        await stopping
    assert parsed(door) == 1


async def test_a_repeat_after_the_door_has_retired_says_that_it_is_the_last(
    open_door: OpenDoor,
) -> None:
    door = await open_door(echo_app(Echo()))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        retiring = asyncio.ensure_future(door.serving.retire(60.0))
        await until(lambda: door.serving._guard.retiring)
        peer.send(get(f"{VERIFY}?one"))
        reply = await peer.reply()
        assert (reply.status, reply.header("Connection")) == (200, "close")
        assert await peer.rest() == b""
        await retiring
    assert parsed(door) == 1


async def test_a_repeat_that_never_ends_is_given_up_after_the_grace(open_door: OpenDoor) -> None:
    room = Echo()
    door = await open_door(echo_app(room), grace_s=0.1)
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        room.free.clear()
        peer.send(get(f"{VERIFY}?one"))
        await until(lambda: room.begun == 2)
        await door.serving.stop()
        assert await peer.rest() == b""
    room.free.set()


async def test_a_connection_is_idle_between_repeats_only(open_door: OpenDoor) -> None:
    room = Echo()
    door = await open_door(echo_app(room), Caps(idle_s=0.2, connections=1))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        room.free.clear()
        peer.send(get(f"{VERIFY}?one"))
        await until(lambda: room.begun == 2)
        # Neither the idle deadline nor a newcomer takes it away while it waits for its answer.
        async with Peer(door.host, door.port) as newcomer:
            assert await newcomer.rest() == b""
        await asyncio.sleep(0.5)
        room.free.set()
        assert (await peer.reply()).status == 200
        assert await peer.rest() == b""  # idle again, and closed in its time


async def test_s18_a_peer_that_takes_no_answers_of_repeats_is_cut_off(open_door: OpenDoor) -> None:
    class Much(Echo):
        async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
            verdict = await super().verify(query, protocol, source)
            return verdict._replace(body=verdict.body * (200_000 if b"much" in verdict.body else 1))

    door = await open_door(echo_app(Much()), Caps(write_s=0.1))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        peer.stop_reading()
        for _ in range(5):
            peer.send(get(f"{VERIFY}?much"))
            await asyncio.sleep(0.01)
        await until(lambda: not door.serving.open_connections)
    start = layout.BY_NAME["keystead_http_rejected"].start
    assert door.tally.cells()[start + list(Rejected).index(Rejected.SLOW_READER)] == 1


async def test_a_repeat_spends_the_budget_of_the_source_that_its_own_head_names(
    open_door: OpenDoor,
) -> None:
    room = Echo()
    door = await open_door(echo_app(room, trusted=["127.0.0.0/8"]))
    ask = [f"X-Forwarded-For: 192.0.2.{n}" for n in (1, 1, 2, 2, 1)]
    async with Peer(door.host, door.port) as peer:
        for header in ask:
            await peer.ask(get(f"{VERIFY}?id=1", header))
    assert [source.address[-1] for source in room.sources] == ["1", "1", "2", "2", "1"]
    assert parsed(door) == 3


async def test_a_peer_that_leaves_does_not_disturb_its_verification(open_door: OpenDoor) -> None:
    room = Echo()
    door = await open_door(echo_app(room))
    async with Peer(door.host, door.port) as peer:
        await peer.ask(FIRST)
        room.free.clear()
        peer.send(get(f"{VERIFY}?one"))
        await until(lambda: room.begun == 2)
        task = handlers(door)[0]._task
    await until(lambda: not door.serving.open_connections)
    assert task is not None
    assert not task.done()
    room.free.set()
    await task


async def test_repeats_work_on_a_unix_socket(tmp_path: Path) -> None:
    room = Echo()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    serving = await serve(echo_app(room), [listener], tally=Tally.in_memory())
    async with Peer(str(tmp_path / "s"), None) as peer:
        replies = [await peer.ask(get(f"{VERIFY}?{n}")) for n in range(3)]
    await serving.stop()
    assert [reply.body.split()[1] for reply in replies] == [b"0", b"1", b"2"]
