"""The guard: deadlines, caps and silence (S18, S10), on real sockets."""

import asyncio
import contextlib
import functools
from contextlib import AsyncExitStack

import pytest
import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.metrics import layout
from server.metrics.layout import Rejected
from server.metrics.tally import Tally
from server.web.certificate import ServedCertificate
from server.web.guard import Caps
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, until

CANARY = "cccccccanaryotp"


async def echo_length(request: web.Request) -> web.Response:
    """Answer with how long the request's target and body were."""
    body = await request.read()
    return web.Response(text=f"{len(request.raw_path)} {len(body)}")


@pytest.fixture(params=["plain", "tls"])
def open_door(
    request: pytest.FixtureRequest, open_door: OpenDoor, served: ServedCertificate
) -> OpenDoor:
    """Return what opens doors, once without and once with TLS: the same must hold for both."""
    return functools.partial(open_door, tls=served) if request.param == "tls" else open_door


def small_app() -> web.Application:
    app = web.Application(client_max_size=2**24)
    app.router.add_get("/", echo_length, allow_head=False)
    app.router.add_post("/", echo_length)
    return app


def rejections(tally: Tally, reason: Rejected) -> int:
    start = layout.BY_NAME["keystead_http_rejected"].start
    return tally.cells()[start + list(Rejected).index(reason)]


async def still_serves(door: Door) -> bool:
    async with Peer(door.host, door.port) as peer:
        return (await peer.ask(get("/"))).status == 200


@pytest.mark.parametrize(
    "beginning", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA"]
)
async def test_s18_a_head_that_never_completes_is_cut_off(
    open_door: OpenDoor, beginning: bytes
) -> None:
    door = await open_door(small_app(), Caps(head_s=0.3))
    async with Peer(door.host, door.port) as peer:
        peer.send(beginning)
        assert await peer.rest() == b""
    assert rejections(door.tally, Rejected.SLOW_HEAD) == 1
    assert await still_serves(door)


async def test_s18_dribbling_octets_does_not_extend_the_deadline(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(head_s=0.3))
    async with Peer(door.host, door.port) as peer:
        dribbled = asyncio.ensure_future(peer.rest())
        for octet in get("/", "X-Filler: " + "a" * 4000):
            if dribbled.done():
                break
            peer.send(bytes([octet]))
            await asyncio.sleep(0.001)
        assert await dribbled == b""
    assert rejections(door.tally, Rejected.SLOW_HEAD) == 1


async def test_s18_half_a_head_on_an_idle_connection_is_cut_off_too(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(head_s=0.3))
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).status == 200
        peer.send(b"GET /")
        assert await peer.rest() == b""
    assert rejections(door.tally, Rejected.SLOW_HEAD) == 1


async def test_s18_a_complete_head_ends_its_deadline(open_door: OpenDoor) -> None:
    release = asyncio.Event()

    async def waits(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", waits)
    door = await open_door(app, Caps(head_s=0.5))
    async with Peer(door.host, door.port) as slow, Peer(door.host, door.port) as silent:
        slow.send(get("/"))
        assert await silent.rest() == b""  # connected later, so its deadline passed later
        release.set()
        assert (await slow.reply()).body == b"done"


async def test_an_idle_connection_is_closed_after_its_time(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(idle_s=0.5))
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).status == 200
        assert await peer.rest() == b""
    assert rejections(door.tally, Rejected.SLOW_HEAD) == 0


async def test_a_connection_serves_many_requests(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        for length in range(1, 50):
            reply = await peer.ask(get("/?" + "a" * length))
            assert reply.body == f"{length + 2} 0".encode()
    assert door.tally.cells()[layout.BY_NAME["keystead_http_connections"].start] == 1


async def test_pipelined_requests_are_answered_in_order(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        peer.send(b"".join(get("/?" + "a" * length) for length in range(200)))
        for length in range(200):
            assert (await peer.reply()).body == f"{length + 2} 0".encode()


async def test_a_pipelined_head_may_arrive_in_halves(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        second = get("/?second")
        peer.send(get("/") + second[:10])
        assert (await peer.reply()).status == 200
        peer.send(second[10:])
        assert (await peer.reply()).body == b"8 0"


async def test_connection_te_close_as_the_perl_client_sends_it(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        peer.send(get("/", "TE: deflate,gzip;q=0.3", "Connection: TE, close"))
        reply = await peer.reply()
        assert reply.status == 200
        assert reply.header("Connection") == "close"
        assert await peer.rest() == b""


async def test_http_1_0_closes_after_the_answer(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(b"GET / HTTP/1.0\r\n\r\n")).status == 200
        assert await peer.rest() == b""


async def test_s18_connections_beyond_the_cap_are_closed_and_counted(open_door: OpenDoor) -> None:
    release = asyncio.Event()

    async def waits(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    app = small_app()
    app.router.add_get("/busy", waits)
    door = await open_door(app, Caps(connections=2))
    async with Peer(door.host, door.port) as first, Peer(door.host, door.port) as second:
        for peer in (first, second):
            peer.send(get("/busy"))
        # Nobody is idle from the moment that both requests are under way.
        await until(lambda: sum(not h.is_idle() for h in door.serving._guard.admitted) == 2)
        for _ in range(5):
            # Over TLS it ends in the handshake.
            with contextlib.suppress(ConnectionError):
                async with Peer(door.host, door.port) as third:
                    assert await third.rest() == b""
        assert rejections(door.tally, Rejected.TOO_MANY_CONNECTIONS) == 5
        release.set()
        assert (await first.reply()).status == 200
        assert (await second.reply()).status == 200
    await until(lambda: not door.serving.open_connections)
    assert await still_serves(door)


async def test_s18_whoever_only_holds_connections_locks_nobody_out(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(connections=4))
    async with AsyncExitStack() as stack:
        holders = [await stack.enter_async_context(Peer(door.host, door.port)) for _ in range(4)]
        for holder in holders:
            assert (await holder.ask(get("/"))).status == 200
        for newcomer in range(3):
            async with Peer(door.host, door.port) as peer:
                assert (await peer.ask(get("/"))).status == 200
            assert await holders[newcomer].rest() == b""  # the oldest idle one made room
            await until(lambda: door.serving.open_connections <= 4)
            holders.append(await stack.enter_async_context(Peer(door.host, door.port)))
            assert (await holders[-1].ask(get("/"))).status == 200
    await until(lambda: not door.serving.open_connections)


async def test_s2_a_request_line_of_100_kb_is_still_read(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/?" + "a" * 100_000))).body == b"100002 0"


@pytest.mark.parametrize(
    "request_octets",
    [
        pytest.param(get("/?" + CANARY + "a" * 140_000), id="request line"),
        pytest.param(get("/", "X-Long: " + CANARY + "a" * 9_000), id="header field"),
        pytest.param(get("/", *(f"X-{n}: {CANARY}" for n in range(100))), id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a" * 400_000, id="endless field name"),
    ],
)
async def test_s18_heads_beyond_their_caps_are_refused(
    open_door: OpenDoor, request_octets: bytes
) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        peer.send(request_octets)
        answer = await peer.rest()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert CANARY.encode() not in answer
    assert await still_serves(door)
    refused = rejections(door.tally, Rejected.TOO_LARGE), rejections(door.tally, Rejected.MALFORMED)
    assert sum(refused) >= 1


async def test_s18_a_head_is_capped_as_a_whole(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(head=10_000, headers=1000))
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).status == 200
        for number in range(200):
            peer.send(f"X-{number}: {'a' * 500}\r\n".encode() if number else b"GET / HTTP/1.1\r\n")
        answer = await peer.rest()
    assert answer == b""
    assert rejections(door.tally, Rejected.TOO_LARGE) == 1


NOT_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /?otp=" + CANARY.encode() + b" HTTP/9.9\r\n\r\n",
    b"GET /?otp=" + CANARY.encode() + b"\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /?a=1 2 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http:///?otp=" + CANARY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1/?otp=" + CANARY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1]:@?otp=" + CANARY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",  # fails inside
    b"GET " + CANARY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: " + CANARY.encode() + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + CANARY.encode() + b"\r\n\r\n",
    b"\x00" * 100,
    b"\xff" * 100 + b"\r\n\r\n",
]


@pytest.mark.parametrize("octets", NOT_HTTP)
async def test_s10_what_is_not_http_gets_a_bare_400_and_no_log_line(
    open_door: OpenDoor, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    door = await open_door(small_app())
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            peer.send(octets)
            reply = await peer.reply()
            assert await peer.rest() == b""
    assert (reply.status, reply.body) == (400, b"Bad Request\n")
    assert reply.header("Connection") == "close"
    assert reply.header("Server") == "keystead"
    assert rejections(door.tally, Rejected.MALFORMED) == 1
    assert CANARY not in str(lines)
    assert caplog.records == []
    assert await still_serves(door)


_PIECES = [b"GET ", b"POST ", b"/", b"http://", b"[::1]", b":", b"@", b"?", b"#", b"%", b"\\"]
_PIECES += [b" HTTP/1.1\r\n", b"Host: x\r\n", b"Content-Length: ", b"9", b"\r\n\r\n", b"\xff", b"*"]
near_http = st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join)


async def _send_and_read(door: Door, octets: bytes) -> bytes:
    async with Peer(door.host, door.port) as peer:
        peer.send(octets)
        return await peer.rest()


@given(many=st.lists(st.binary(max_size=300) | near_http, min_size=1, max_size=40))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_s18_any_octets_leave_the_door_working_and_silent(
    open_door: OpenDoor, caplog: pytest.LogCaptureFixture, many: list[bytes]
) -> None:
    door = await open_door(small_app(), Caps(head_s=0.5, idle_s=0.5, linger_s=0.1))
    for answer in await asyncio.gather(*(_send_and_read(door, octets) for octets in many)):
        assert not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
        assert b" 500 " not in answer[:16]
    assert await still_serves(door)
    assert caplog.records == []
    await door.serving.stop()


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (get("/nowhere?otp=" + CANARY), 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"DELETE /?otp=" + CANARY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (get("/", f"Expect: {CANARY}"), 417),
    ],
)
async def test_s10_refusals_of_the_framework_echo_nothing(
    open_door: OpenDoor, octets: bytes, status: int
) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(octets)
    assert reply.status == status
    assert CANARY not in str(reply)
    assert "aiohttp" not in str(reply)
    assert "Python" not in str(reply)
    assert len(reply.body) < 32
    assert reply.header("Cache-Control") == "no-store"
    assert (reply.all("Allow") == []) == (status != 405)


async def test_s10_a_fault_of_a_handler_is_logged_without_its_words(open_door: OpenDoor) -> None:
    async def fails(request: web.Request) -> web.Response:
        raise ValueError(f"cannot work with {request.raw_path}")

    app = web.Application()
    app.router.add_get("/", fails)
    door = await open_door(app)
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            reply = await peer.ask(get("/?otp=" + CANARY, "Accept: text/html"))
    assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
    (line,) = lines
    assert line["exception"] == ["builtins.ValueError"]
    assert any("fails" in frame for frame in line["frames"])
    assert CANARY not in str(lines)


async def test_s10_a_fault_in_the_middle_of_an_answer_ends_the_connection(
    open_door: OpenDoor,
) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"half")
        raise ValueError(CANARY)

    async def says_nothing(_: web.Request) -> None:
        return None

    app = web.Application()
    app.router.add_get("/half", breaks_off)
    app.router.add_get("/none", says_nothing)  # type: ignore[arg-type] # the fault to be tested
    door = await open_door(app)
    with structlog.testing.capture_logs() as lines:
        for path in ("/half", "/none"):
            async with Peer(door.host, door.port) as peer:
                peer.send(get(path))
                assert b"500" not in await peer.rest()
    assert [line["event"] for line in lines] == ["request_fault", "connection_fault"]
    assert CANARY not in str(lines)


async def test_s18_a_peer_that_takes_no_answers_is_cut_off(open_door: OpenDoor) -> None:
    async def much(_: web.Request) -> web.Response:
        return web.Response(body=bytes(4_000_000))

    app = web.Application()
    app.router.add_get("/", much)
    door = await open_door(app, Caps(write_s=0.1))
    async with Peer(door.host, door.port) as peer:
        peer.stop_reading()
        peer.send(get("/") * 5)
        await until(lambda: rejections(door.tally, Rejected.SLOW_READER))
        await until(lambda: not door.serving.open_connections)


async def test_a_slow_reader_that_keeps_reading_gets_its_answer(open_door: OpenDoor) -> None:
    async def much(_: web.Request) -> web.Response:
        return web.Response(body=bytes(4_000_000))

    app = web.Application()
    app.router.add_get("/", much)
    door = await open_door(app)
    async with Peer(door.host, door.port) as peer:
        assert len((await peer.ask(get("/"))).body) == 4_000_000
    assert rejections(door.tally, Rejected.SLOW_READER) == 0


async def test_s18_a_body_nobody_reads_does_not_hold_the_connection(open_door: OpenDoor) -> None:
    door = await open_door(small_app(), Caps(linger_s=0.1))
    async with Peer(door.host, door.port) as peer:
        peer.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf")
        assert (await peer.reply()).status == 404
        assert await peer.rest() == b""


async def test_a_declined_upgrade_leaves_the_connection_working(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    async with Peer(door.host, door.port) as peer:
        peer.send(get("/", *upgrade) + get("/?two"))
        assert (await peer.reply()).body == b"1 0"
        assert (await peer.reply()).body == b"5 0"


async def test_open_connections_are_counted_and_end_at_zero(open_door: OpenDoor) -> None:
    door = await open_door(small_app())
    async with Peer(door.host, door.port) as peer:
        await peer.ask(get("/"))
        assert door.serving.open_connections == 1
        assert door.tally.cells()[layout.OPEN_CONNECTIONS_AT] == 1
    await until(lambda: not door.serving.open_connections)
    assert door.tally.cells()[layout.OPEN_CONNECTIONS_AT] == 0
