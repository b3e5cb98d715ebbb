"""The verification door, with a scripted room behind it: what goes in, what comes out."""

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest
import structlog

from server.clock import SystemClock
from server.metrics import layout
from server.metrics.tally import Tally
from server.otp.verdict import LimitAdvice, Source
from server.web.guard import Caps
from server.web.source import SourceReader
from server.web.verify import verify_app
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, post, until
from tests.server.web.scripted import OK, ScriptedVerifier
from validation.answer import parse
from validation.request import Protocol
from validation.signature import EMPTY_KEY
from validation.status import Status

CANARY = "cccccccanaryotp"
VERIFY = "/wsapi/2.0/verify"


async def open_verify(
    open_door: OpenDoor,
    verifier: ScriptedVerifier,
    *,
    trusted: Sequence[str] = (),
    legacy: bool = True,
    body_s: float = 5.0,
    caps: Caps = Caps(),  # noqa: B008 - immutable
) -> tuple[Door, Tally]:
    """Serve the door; its counts are in a tally of their own, beside the guard's."""
    tally = Tally.in_memory()
    app = verify_app(
        verifier,
        tally=tally,
        clock=SystemClock(),
        sources=SourceReader([ipaddress.ip_network(network) for network in trusted]),
        legacy=legacy,
        body_s=body_s,
    )
    return await open_door(app, caps), tally


def count(tally: Tally, name: str, value: str = "") -> int:
    family = layout.BY_NAME[name]
    return tally.cells()[family.start + (family.values.index((value,)) if value else 0)]


async def test_the_query_reaches_the_room_exactly_as_it_was_sent(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    query = "id=1&otp=a%2Bb+c&h=x/y==&h=%zz&&&=&a#b?c=%00"
    async with Peer(door.host, door.port) as peer:
        await peer.ask(get(f"{VERIFY}?{query}"))
    (asked,) = verifier.asked
    assert asked.query == query
    assert asked.protocol is Protocol.V2


async def test_octets_that_no_target_may_hold_are_a_bare_400(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    for octet in (b"\x80", b"\xff", "é".encode(), b"\x00", b"\x7f"):
        async with Peer(door.host, door.port) as peer:
            assert (await peer.ask(get(f"{VERIFY}?otp=".encode() + octet))).status == 400
    assert verifier.asked == []


async def test_a_verdict_is_answered_as_it_stands(open_door: OpenDoor) -> None:
    door, tally = await open_verify(open_door, ScriptedVerifier())
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get(f"{VERIFY}?id=1"))
    assert (reply.status, reply.body) == (200, OK.body)
    assert reply.header("Content-Type") == "text/plain; charset=utf-8"
    assert reply.header("Server") == "keystead"
    assert count(tally, "keystead_verify_responses", "OK") == 1
    assert sum(tally.cells()[layout.DURATION_START : layout.DURATION_SUM_AT]) == 1


@pytest.mark.parametrize("status", list(Status))
async def test_s13_every_protocol_answer_is_200_and_not_stored(
    open_door: OpenDoor, status: Status
) -> None:
    door, tally = await open_verify(open_door, ScriptedVerifier(OK._replace(status=status)))
    async with Peer(door.host, door.port) as peer:
        for request in (get(f"{VERIFY}?id=1"), get("/wsapi/verify?id=1"), post(VERIFY, b"id=1")):
            reply = await peer.ask(request)
            assert reply.status == 200
            assert reply.header("Cache-Control") == "no-store"
    assert count(tally, "keystead_verify_responses", status.value) == 3


async def test_over_the_limit_is_429_with_the_drafts_headers(open_door: OpenDoor) -> None:
    refused = OK._replace(
        status=Status.OPERATION_NOT_ALLOWED,
        body=b"status=OPERATION_NOT_ALLOWED\r\n\r\n",
        limit=LimitAdvice("default", quota=50, window_s=5, remaining=0, retry_after_s=3),
    )
    verifier = ScriptedVerifier(refused)
    door, tally = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get(f"{VERIFY}?id=1"))
        verifier.verdict = refused._replace(
            limit=LimitAdvice("source", quota=1000, window_s=1, remaining=0, retry_after_s=1)
        )
        from_source = await peer.ask(post(VERIFY, b"id=1"))
    assert (reply.status, reply.body) == (429, refused.body)
    assert reply.header("Retry-After") == "3"
    assert reply.header("RateLimit-Policy") == '"default";q=50;w=5'
    assert reply.header("RateLimit") == '"default";r=0;t=3'
    assert reply.header("Cache-Control") == "no-store"
    assert from_source.header("RateLimit-Policy") == '"source";q=1000;w=1'
    assert count(tally, "keystead_rate_limited", "client") == 1
    assert count(tally, "keystead_rate_limited", "source") == 1


async def test_what_shadow_mode_let_through_is_counted(open_door: OpenDoor) -> None:
    door, tally = await open_verify(open_door, ScriptedVerifier(OK._replace(shadowed=True)))
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get(f"{VERIFY}?id=1"))).status == 200
    assert count(tally, "keystead_shadow_limited") == 1


async def test_s10_an_unforeseen_fault_is_backend_error_and_keeps_the_query_to_itself(
    open_door: OpenDoor,
) -> None:
    verifier = ScriptedVerifier(KeyError(f"otp={CANARY}"))
    door, tally = await open_verify(open_door, verifier)
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            reply = await peer.ask(get(f"{VERIFY}?otp={CANARY}"))
            assert (await peer.ask(get(f"{VERIFY}?otp={CANARY}"))).status == 200
    assert reply.status == 200
    assert parse(reply.body, EMPTY_KEY).status is Status.BACKEND_ERROR
    first, _ = lines
    assert first["log_level"] == "error"
    assert first["request_id"] == reply.header("X-Request-Id")
    assert first["exception"] == ["builtins.KeyError"]
    assert any(frame.endswith("ScriptedVerifier.verify") for frame in first["frames"])
    assert CANARY not in f"{lines} {reply}"
    assert count(tally, "keystead_verify_responses", "BACKEND_ERROR") == 2
    assert count(tally, "keystead_unexpected_errors") == 2


async def test_a_form_body_is_read_and_the_query_of_a_post_is_not(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        await peer.ask(post(f"{VERIFY}?id=9&otp=elsewhere", b"id=1&otp=%ff\xfe"))
        await peer.ask(
            post(
                VERIFY, b"id=2", "Content-Type: Application/X-WWW-Form-URLencoded; charset=latin-1"
            )
        )
    assert [asked.query for asked in verifier.asked] == [b"id=1&otp=%ff\xfe", b"id=2"]
    assert verifier.asked[0].protocol is Protocol.V2


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: application/json",),
        ("Content-Type: multipart/form-data; boundary=x",),
        ("Content-Type: ;;;",),
        ("X-None: at all",),
    ],
)
async def test_another_content_type_is_an_empty_form(
    open_door: OpenDoor, headers: tuple[str, ...]
) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(post(VERIFY, b"id=1", *headers))).status == 200
    assert [asked.query for asked in verifier.asked] == [b""]


async def test_a_chunked_form_is_read(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    request = (
        f"POST {VERIFY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        "3\r\nid=\r\n1\r\n1\r\n0\r\n\r\n"
    ).encode()
    async with Peer(door.host, door.port) as peer:
        peer.send(request * 2)
        for _ in range(2):
            assert (await peer.reply()).status == 200
    assert [asked.query for asked in verifier.asked] == [b"id=1", b"id=1"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_s18_a_body_beyond_the_cap_is_answered_without_being_read(
    open_door: OpenDoor, *, chunked: bool
) -> None:
    verifier = ScriptedVerifier(OK._replace(status=Status.MISSING_PARAMETER))
    door, tally = await open_verify(open_door, verifier, caps=Caps(linger_s=0.1))
    form = "Content-Type: application/x-www-form-urlencoded"
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100000000"
    async with Peer(door.host, door.port) as peer:
        peer.send(f"POST {VERIFY} HTTP/1.1\r\nHost: x\r\n{form}\r\n{length}\r\n\r\n".encode())
        peer.send(b"fffff\r\n" + b"a" * 50_000)
        reply = await peer.reply()
        assert reply.header("Connection") == "close"
        assert await peer.rest() == b""
    assert reply.status == 200
    assert [asked.query for asked in verifier.asked] == [b""]
    assert count(tally, "keystead_http_rejected", "too_large") == 1


async def test_s18_half_a_body_is_cut_off(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, tally = await open_verify(open_door, verifier, body_s=0.05, caps=Caps(linger_s=0.05))
    async with Peer(door.host, door.port) as peer:
        peer.send(post(VERIFY, b"id=1&otp=half")[:-3])
        reply = await peer.reply()
        assert await peer.rest() == b""
    assert (reply.status, reply.body) == (408, b"Request Timeout\n")
    assert verifier.asked == []
    assert count(tally, "keystead_http_rejected", "slow_body") == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"3\r\nabc\r\n" + CANARY.encode() + b"\r\n", id="no chunk size"),
        pytest.param(b"fffffffffffffffff\r\n" + CANARY.encode(), id="chunk size overflows"),
    ],
)
async def test_s18_a_broken_transfer_coding_is_refused_in_silence(
    open_door: OpenDoor, body: bytes
) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier, body_s=0.05, caps=Caps(linger_s=0.05))
    head = f"POST {VERIFY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            peer.send(head + body)
            at_once = await peer.rest()
        async with Peer(door.host, door.port) as peer:
            peer.send(head)
            await asyncio.sleep(0.01)
            peer.send(body)
            later = await peer.rest()
    for answer in (at_once, later):
        assert answer.split(b" ")[1] in {b"400", b"408"}
        assert CANARY not in f"{answer!r} {lines}"
    assert lines == []
    assert verifier.asked == []


async def test_s18_a_peer_that_leaves_in_the_middle_of_a_body_is_no_fault(
    open_door: OpenDoor,
) -> None:
    verifier = ScriptedVerifier()
    door, tally = await open_verify(open_door, verifier)
    with structlog.testing.capture_logs() as lines:
        async with Peer(door.host, door.port) as peer:
            peer.send(post(VERIFY, b"id=1&otp=half")[:-3])
            await peer.sent()
            peer.half_close()
            await peer.rest()
        await until(lambda: not door.serving.open_connections)
    assert lines == []
    assert verifier.asked == []
    assert count(tally, "keystead_unexpected_errors") == 0


async def test_legacy_is_protocol_1_and_can_be_switched_off(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/wsapi/verify?id=1&otp=x"))).status == 200
    (asked,) = verifier.asked
    assert asked.protocol is Protocol.V1
    assert asked.query == "id=1&otp=x"
    door, _ = await open_verify(open_door, verifier, legacy=False)
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/wsapi/verify?id=1&otp=x"))).status == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_405_and_decide_nothing(open_door: OpenDoor, method: str) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        peer.send(f"{method} {VERIFY}?otp={CANARY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        reply = await peer.reply(head=method == "HEAD")
    assert reply.status == 405
    assert reply.header("Allow") == "GET,POST"
    assert CANARY not in str(reply)
    assert verifier.asked == []


@pytest.mark.parametrize("path", ["/", "/wsapi/2.0/verify/", "/wsapi/2.0/../verify", "/metrics"])
async def test_other_paths_are_404_and_decide_nothing(open_door: OpenDoor, path: str) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get(f"{path}?otp={CANARY}"))
    assert (reply.status, reply.body) == (404, b"Not Found\n")
    assert verifier.asked == []


async def test_s11_control_characters_of_a_user_agent_go_nowhere(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier(ValueError("x"))
    door, _ = await open_verify(open_door, verifier)
    with structlog.testing.capture_logs() as lines:
        for agent in ("\x1b[31mcrimson", "\u202ecrimson", "crimson\tx", "crimson\x85"):
            async with Peer(door.host, door.port) as peer:
                reply = await peer.ask(get(f"{VERIFY}?id=1", f"User-Agent: {agent}"))
                assert "crimson" not in str(reply)
    assert "crimson" not in str(lines)


async def test_keep_alive_and_pipelining_reach_the_room_in_order(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        peer.send(b"".join(get(f"{VERIFY}?id={number}") for number in range(1, 101)))
        for _ in range(100):
            assert (await peer.reply()).body == OK.body
    assert [asked.query for asked in verifier.asked] == [f"id={n}" for n in range(1, 101)]


async def test_loopback_is_exempt_and_its_forwarded_addresses_are_not_believed(
    open_door: OpenDoor,
) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier)
    async with Peer(door.host, door.port) as peer:
        await peer.ask(get(f"{VERIFY}?id=1", "X-Forwarded-For: 203.0.113.9"))
    assert verifier.asked[0].source == Source("127.0.0.1", exempt=True)


async def test_a_trusted_proxys_forwarded_address_is_the_source(open_door: OpenDoor) -> None:
    verifier = ScriptedVerifier()
    door, _ = await open_verify(open_door, verifier, trusted=["127.0.0.0/8"])
    async with Peer(door.host, door.port) as peer:
        await peer.ask(
            get(f"{VERIFY}?id=1", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.9")
        )
        await peer.ask(get(f"{VERIFY}?id=1"))
    assert verifier.asked[0].source == Source("203.0.113.9", exempt=False)
    assert verifier.asked[1].source == Source("127.0.0.1", exempt=False)
