"""TLS at the door: what holds before a connection is anybody's, and at its end (S18)."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest
import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clock import SystemClock
from server.metrics import layout
from server.metrics.layout import Rejected
from server.metrics.tally import Tally
from server.tlsfiles import TlsFiles
from server.web.certificate import ServedCertificate
from server.web.guard import Caps
from tests.certificates import Authority
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import PATIENCE_S, TLS_PORTS, Peer, get, until

BIG = bytes(32 * 1024 * 1024)
"""More than the kernel takes for a peer that does not read."""


def app_of(answer: bytes = b"hello") -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(body=answer)

    app = web.Application()
    app.router.add_get("/", hello)
    return app


def rejections(tally: Tally, reason: Rejected) -> int:
    start = layout.BY_NAME["keystead_http_rejected"].start
    return tally.cells()[start + list(Rejected).index(reason)]


class Bare(Peer):
    """A peer that speaks no TLS by itself: what it sends is what goes over the wire."""

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self


class HandMade(Bare):
    """A peer whose TLS is done by hand, so that it can leave things out."""

    async def shake(self, context: ssl.SSLContext, *, then: bytes = b"") -> None:
        """Shake hands; `then` goes out in one packet with the last word of the handshake."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        await self.repeat(self.tls.do_handshake)
        self.tls.write(then)
        self.flush()

    async def repeat(self, step: Callable[[], object]) -> object:
        """Do `step` as often as it asks for more octets of the other side."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                async with asyncio.timeout(PATIENCE_S):
                    octets = await self._reader.read(65536)
                if octets:
                    self._incoming.write(octets)
                else:
                    self._incoming.write_eof()

    def flush(self) -> None:
        """Send what TLS has made."""
        self.send(self._outgoing.read())


def client_hello(context: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def still_serves(door: Door) -> bool:
    async with Peer(door.host, door.port) as peer:
        return (await peer.ask(get("/"))).status == 200


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
async def test_s18_a_handshake_that_never_completes_is_cut_off(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority, share: float
) -> None:
    door = await open_door(app_of(), Caps(handshake_s=0.3), tls=served)
    hello = client_hello(authority.client())
    async with Bare(door.host, door.port) as peer:
        peer.send(hello[: int(len(hello) * share)])
        await peer.rest()  # the server's half of the handshake, if it got so far
    await until(lambda: not door.serving.open_connections)
    assert rejections(door.tally, Rejected.SLOW_HANDSHAKE) == 1
    assert await still_serves(door)


async def test_s18_dribbling_a_handshake_does_not_extend_its_deadline(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority
) -> None:
    door = await open_door(app_of(), Caps(handshake_s=0.3), tls=served)
    hello = client_hello(authority.client())
    async with Bare(door.host, door.port) as peer:
        dribbled = asyncio.ensure_future(peer.rest())
        for octet in hello * 20:  # the first is never complete before the deadline
            if dribbled.done():
                break
            peer.send(bytes([octet]))
            await asyncio.sleep(0.01)
        assert await dribbled == b""
    assert rejections(door.tally, Rejected.SLOW_HANDSHAKE) == 1


async def test_s18_connections_in_their_handshake_count_and_give_way(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    door = await open_door(app_of(), Caps(connections=4), tls=served)
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(Bare(door.host, door.port)) for _ in range(4)]
        await until(lambda: door.serving.open_connections == 4)
        assert door.tally.cells()[layout.OPEN_CONNECTIONS_AT] == 4
        for newcomer in range(3):
            assert await still_serves(door)
            assert await silent[newcomer].rest() == b""  # the oldest made room
            await until(lambda: door.serving.open_connections == 3)  # the newcomer has left
            silent.append(await stack.enter_async_context(Bare(door.host, door.port)))
            await until(lambda: door.serving.open_connections == 4)
        assert rejections(door.tally, Rejected.TOO_MANY_CONNECTIONS) == 3
    await until(lambda: not door.serving.open_connections)
    assert door.tally.cells()[layout.OPEN_CONNECTIONS_AT] == 0


async def test_s18_a_handshake_beyond_the_cap_is_turned_away_when_all_are_busy(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    release = asyncio.Event()

    async def waits(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    app = app_of()
    app.router.add_get("/busy", waits)
    door = await open_door(app, Caps(connections=1), tls=served)
    async with Peer(door.host, door.port) as busy:
        busy.send(get("/busy"))
        await until(lambda: sum(not g.is_idle() for g in door.serving._guard.admitted) == 1)
        async with Bare(door.host, door.port) as newcomer:
            assert await newcomer.rest() == b""
        assert rejections(door.tally, Rejected.TOO_MANY_CONNECTIONS) == 1
        release.set()
        assert (await busy.reply()).status == 200


async def test_s18_who_never_says_farewell_gives_way(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority
) -> None:
    door = await open_door(app_of(), Caps(connections=1, write_s=PATIENCE_S), tls=served)
    async with HandMade(door.host, door.port) as rude:
        await rude.shake(authority.client(), then=get("/", "Connection: close"))
        answer = await rude.repeat(lambda: rude.tls.read(65536))
        assert isinstance(answer, bytes)
        assert answer.endswith(b"hello")
        # Its end of the connection is closed but for the farewell, which it keeps back.
        assert door.serving.open_connections == 1
        assert await still_serves(door)


async def test_s18_who_never_says_farewell_is_cut_off(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority
) -> None:
    door = await open_door(app_of(), Caps(write_s=0.3), tls=served)
    async with HandMade(door.host, door.port) as rude:
        await rude.shake(authority.client(), then=get("/", "Connection: close"))
        await rude.rest()
        await until(lambda: not door.serving.open_connections)


async def test_s18_an_answer_that_is_not_taken_is_cut_off(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    door = await open_door(app_of(BIG), Caps(write_s=0.3), tls=served)
    async with Peer(door.host, door.port) as slow:
        slow.stop_reading()
        slow.send(get("/"))
        await until(lambda: rejections(door.tally, Rejected.SLOW_READER) == 1)
        await until(lambda: not door.serving.open_connections)


async def test_an_answer_that_is_taken_late_is_whole_and_the_connection_goes_on(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    door = await open_door(app_of(BIG), Caps(write_s=2.0), tls=served)
    async with Peer(door.host, door.port) as peer:
        for _ in range(2):
            peer.stop_reading()
            peer.send(get("/"))
            await asyncio.sleep(0.3)
            peer.start_reading()
            assert (await peer.reply()).body == BIG
        await asyncio.sleep(2.5)  # no deadline of an answer that was taken is left
        assert (await peer.ask(get("/"))).body == BIG
    assert rejections(door.tally, Rejected.SLOW_READER) == 0


async def test_a_request_in_one_packet_with_the_end_of_the_handshake_is_answered(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority
) -> None:
    door = await open_door(app_of(), tls=served)
    for _ in range(20):
        async with HandMade(door.host, door.port) as peer:
            await peer.shake(authority.client(), then=get("/"))
            answer = await peer.repeat(lambda peer=peer: peer.tls.read(65536))  # type: ignore[misc]
            assert isinstance(answer, bytes)
            assert answer.endswith(b"hello")


async def test_http_1_1_is_agreed_on_and_tls_1_3_is_spoken(
    open_door: OpenDoor, served: ServedCertificate, authority: Authority
) -> None:
    door = await open_door(app_of(), tls=served)
    context = authority.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with HandMade(door.host, door.port) as peer:
        await peer.shake(context)
        assert (peer.tls.selected_alpn_protocol(), peer.tls.version()) == ("http/1.1", "TLSv1.3")


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256"),  # CBC: no authenticated encryption
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),  # no forward secrecy
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_what_is_weak_is_not_spoken(
    open_door: OpenDoor,
    served: ServedCertificate,
    authority: Authority,
    version: ssl.TLSVersion,
    ciphers: str,
) -> None:
    door = await open_door(app_of(), tls=served)
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    async with HandMade(door.host, door.port) as peer:
        with pytest.raises(ssl.SSLError):
            await peer.shake(context)
    await until(lambda: rejections(door.tally, Rejected.HANDSHAKE) == 1)
    assert await still_serves(door)


@pytest.mark.parametrize("certified", ["", "foreign", "ours"])
async def test_mutual_tls_lets_in_who_shows_a_certificate_of_the_named_authority(
    open_door: OpenDoor,
    mutual: ServedCertificate,
    client_identity: Callable[[str], ssl.SSLContext],
    certified: str,
) -> None:
    door = await open_door(app_of(), tls=mutual)
    context = client_identity(certified)
    async with HandMade(door.host, door.port) as peer:
        if certified == "ours":
            await peer.shake(context, then=get("/"))
            answer = await peer.repeat(lambda: peer.tls.read(65536))
            assert isinstance(answer, bytes)
            assert answer.endswith(b"hello")
            return
        # In TLS 1.3 the client is done before the server has looked at its certificate.
        with pytest.raises(ssl.SSLError):  # noqa: PT012 - either of the two
            await peer.shake(context, then=get("/"))
            await peer.repeat(lambda: peer.tls.read(65536))
    await until(lambda: rejections(door.tally, Rejected.HANDSHAKE) == 1)


@pytest.fixture
def mutual(authority: Authority, tls_files: TlsFiles, tmp_path: Path) -> ServedCertificate:
    files = tls_files._replace(client_ca=authority.write(tmp_path / "clients.pem"))
    return ServedCertificate.read(files, clock=SystemClock(), tally=Tally.in_memory())


@pytest.fixture
def client_identity(authority: Authority) -> Callable[[str], ssl.SSLContext]:
    """Return what makes clients: without a certificate, with a foreign one, with one of ours."""

    def make(certified: str) -> ssl.SSLContext:
        context = authority.client()
        if certified:
            issuer = authority if certified == "ours" else Authority()
            issuer.ca.issue_cert("party@example.org").configure_cert(context)
        return context

    return make


async def test_s10_plain_http_at_a_tls_door_is_turned_away_without_a_word_in_the_log(
    open_door: OpenDoor, served: ServedCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    door = await open_door(app_of(), tls=served)
    with structlog.testing.capture_logs() as lines:
        async with Bare(door.host, door.port) as peer:
            peer.send(get("/?otp=cccccccanaryotp"))
            assert b"canary" not in await peer.rest()
        await until(lambda: rejections(door.tally, Rejected.HANDSHAKE) == 1)
    assert "canary" not in str(lines)
    assert caplog.records == []
    assert await still_serves(door)


@given(junk=st.lists(st.binary(max_size=300), min_size=1, max_size=30))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_s18_any_octets_instead_of_a_handshake_leave_the_door_working_and_silent(
    open_door: OpenDoor,
    served: ServedCertificate,
    caplog: pytest.LogCaptureFixture,
    junk: list[bytes],
) -> None:
    door = await open_door(app_of(), Caps(handshake_s=0.3), tls=served)

    async def send(octets: bytes) -> None:
        async with Bare(door.host, door.port) as peer:
            peer.send(octets)
            await peer.rest()

    await asyncio.gather(
        *(send(octets) for octets in junk), send(b"\x16\x03\x01\x00\x05" + junk[0])
    )
    await until(lambda: not door.serving.open_connections)
    assert await still_serves(door)
    assert caplog.records == []
    await door.serving.stop()


async def test_a_stop_finishes_what_was_asked_and_ends_handshakes(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    release = asyncio.Event()
    begun = asyncio.Event()

    async def waits(_: web.Request) -> web.Response:
        begun.set()
        await release.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", waits)
    door = await open_door(app, tls=served)
    async with Peer(door.host, door.port) as busy, Bare(door.host, door.port) as shaking:
        busy.send(get("/"))
        await begun.wait()
        await until(lambda: door.serving.open_connections == 2)
        stopping = asyncio.ensure_future(door.serving.stop())
        assert await shaking.rest() == b""
        release.set()
        reply = await busy.reply()
        assert (reply.body, reply.header("Connection")) == (b"done", "close")
        await stopping
    await until(lambda: not door.serving.open_connections)


async def test_a_connection_tells_who_is_at_its_other_end(
    open_door: OpenDoor, served: ServedCertificate
) -> None:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.remote} {request.scheme}")

    app = web.Application()
    app.router.add_get("/", who)
    door = await open_door(app, tls=served)
    assert door.port in TLS_PORTS
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).body == b"127.0.0.1 https"
