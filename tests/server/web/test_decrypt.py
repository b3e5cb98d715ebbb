"""`/wsapi/decrypt`: the reference's words, for this machine or certificates, and nobody else."""

import ipaddress
from pathlib import Path

import pytest
from aiohttp import web

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets
from server.clock import SystemClock
from server.metrics.tally import Tally
from server.otp.decrypter import Decrypter
from server.otp.opener import OtpOpener
from server.otp.ports import NewKey, StoreUnavailableError
from server.tlsfiles import TlsFiles
from server.web.certificate import ServedCertificate
from server.web.decrypt import Admitted, DecryptDoor
from server.web.source import SourceReader
from tests.certificates import Authority
from tests.server.acts import ACT
from tests.server.faulty_store import FaultyStore
from tests.server.memory_store import MemoryStore
from tests.server.moving_files import ReferenceKey
from tests.server.still_clock import StillClock
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.office import DEFAULT
from tests.server.web.peer import TLS_PORTS, Peer, Reply
from validation.virtual import VirtualYubiKey

VAULT = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))
KEY = ReferenceKey("cccccccccccb")


class Ksm:
    """A door over a store with one key."""

    def __init__(self) -> None:
        self.memory = MemoryStore(clock=StillClock(), default_policy=DEFAULT)
        self.store = FaultyStore(self.memory)
        self.admitted = Admitted.LOOPBACK

    async def fill(self) -> None:
        secrets = OtpKeySecrets(KEY.aes_key, KEY.private_id)
        record = await VAULT.seal_otp_key(OtpKeyBinding(KEY.public_id, 1), secrets)
        await self.memory.add_keys([NewKey(KEY.public_id, 1, record, "1")], act=ACT)

    def app(self, *trusted: str) -> web.Application:
        app = web.Application()
        opener = OtpOpener(self.store, VAULT, limit=16)
        sources = SourceReader([ipaddress.ip_network(one) for one in trusted])
        door = DecryptDoor(Decrypter(opener), sources, admitted=self.admitted)
        app.add_routes(door.routes())
        return app


@pytest.fixture
async def ksm() -> Ksm:
    made = Ksm()
    await made.fill()
    return made


async def ask(door: Door, query: str, *headers: str, path: str = "/wsapi/decrypt") -> Reply:
    lines = "".join(f"{header}\r\n" for header in ("Host: x", *headers))
    async with Peer(door.host, door.port) as peer:
        peer.send(f"GET {path}{query} HTTP/1.1\r\n{lines}\r\n".encode())
        return await peer.reply()


@pytest.mark.parametrize("path", ["/wsapi/decrypt", "/wsapi/decrypt/"])
async def test_counters_are_told_in_the_references_form(
    open_door: OpenDoor, ksm: Ksm, path: str
) -> None:
    door = await open_door(ksm.app())
    pressed = VirtualYubiKey(
        KEY.public_id, KEY.private_id, KEY.aes_key, session=1, use=2, clock=0xB78D40
    ).press(7)
    for _ in range(2):
        reply = await ask(door, f"?otp={pressed}", path=path)
        assert (reply.status, reply.body) == (200, b"OK counter=0001 low=8d40 high=00b7 use=02\n")
        assert reply.header("Cache-Control") == "no-store"
    details = await ksm.memory.key_details(KEY.public_id)
    assert details is not None
    assert details.session == -1, "asking consumes nothing"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "ERR No OTP provided"),
        ("?otp=", "ERR No OTP provided"),
        ("?otp=rubbish", "ERR Invalid OTP format"),
        ("?otp=%0d%0aOK", "ERR Invalid OTP format"),
        (f"?otp={KEY.next_otp()}&otp={KEY.next_otp()}", "ERR Invalid OTP format"),
        (f"?otp={ReferenceKey().next_otp()}", "ERR Unknown yubikey"),
        (f"?otp={KEY.next_otp()[:-4]}cccc", "ERR Corrupt OTP"),
    ],
    ids=["none", "empty", "rubbish", "a line's end", "twice", "unknown", "corrupt"],
)
async def test_refusals_are_told_in_the_references_words(
    open_door: OpenDoor, ksm: Ksm, query: str, said: str
) -> None:
    reply = await ask(await open_door(ksm.app()), query)
    assert (reply.status, reply.body.decode()) == (200, f"{said}\n")


async def test_a_store_that_is_away_is_a_database_error(open_door: OpenDoor, ksm: Ksm) -> None:
    ksm.store.fail_reads = StoreUnavailableError("away")
    reply = await ask(await open_door(ksm.app()), f"?otp={KEY.next_otp()}")
    assert reply.body == b"ERR Database error\n"


async def test_a_key_that_is_switched_off_is_not_opened(open_door: OpenDoor, ksm: Ksm) -> None:
    await ksm.memory.set_key_active(KEY.public_id, active=False, act=ACT)
    reply = await ask(await open_door(ksm.app()), f"?otp={KEY.next_otp()}")
    assert reply.body.startswith(b"ERR ")


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "Via: 1.1 x", "X-Real-IP: ::1"],
)
async def test_whoever_comes_through_a_proxy_finds_nothing(
    open_door: OpenDoor, ksm: Ksm, header: str
) -> None:
    reply = await ask(await open_door(ksm.app()), f"?otp={KEY.next_otp()}", header)
    assert (reply.status, b"counter" in reply.body) == (404, False)


async def test_a_trusted_proxy_finds_nothing_even_on_loopback(
    open_door: OpenDoor, ksm: Ksm
) -> None:
    reply = await ask(await open_door(ksm.app("127.0.0.0/8")), f"?otp={KEY.next_otp()}")
    assert reply.status == 404


@pytest.fixture
def mutual(authority: Authority, tls_files: TlsFiles, tmp_path: Path) -> ServedCertificate:
    """Return a certificate whose door asks for one of the same authority."""
    files = tls_files._replace(client_ca=authority.write(tmp_path / "clients.pem"))
    return ServedCertificate.read(files, clock=SystemClock(), tally=Tally.in_memory())


def with_certificate(door: Door, authority: Authority) -> None:
    authority.ca.issue_cert("front-end@example.org").configure_cert(TLS_PORTS[door.port])


async def test_who_shows_a_certificate_of_the_authority_is_answered(
    open_door: OpenDoor, ksm: Ksm, mutual: ServedCertificate, authority: Authority
) -> None:
    ksm.admitted = Admitted.MUTUAL_TLS
    door = await open_door(ksm.app(), tls=mutual)
    with_certificate(door, authority)
    reply = await ask(door, f"?otp={KEY.next_otp()}")
    assert (reply.status, reply.body[:11]) == (200, b"OK counter=")


async def test_tls_without_certificates_of_clients_is_not_enough(
    open_door: OpenDoor, ksm: Ksm, served: ServedCertificate, authority: Authority
) -> None:
    """Should a door ever be opened like this: a certificate that nobody verified is none."""
    ksm.admitted = Admitted.MUTUAL_TLS
    door = await open_door(ksm.app(), tls=served)
    for _ in range(2):
        assert (await ask(door, f"?otp={KEY.next_otp()}")).status == 404
        with_certificate(door, authority)


async def test_loopback_without_tls_is_not_enough_where_certificates_are_asked_for(
    open_door: OpenDoor, ksm: Ksm
) -> None:
    ksm.admitted = Admitted.MUTUAL_TLS
    assert (await ask(await open_door(ksm.app()), f"?otp={KEY.next_otp()}")).status == 404


@pytest.mark.parametrize(
    ("trusted", "header"),
    [((), "X-Forwarded-For: 127.0.0.1"), (("127.0.0.0/8",), "X-Forwarded-For: 192.0.2.1")],
)
async def test_a_proxys_certificate_speaks_for_nobody(
    open_door: OpenDoor,
    ksm: Ksm,
    mutual: ServedCertificate,
    authority: Authority,
    *,
    trusted: tuple[str, ...],
    header: str,
) -> None:
    ksm.admitted = Admitted.MUTUAL_TLS
    door = await open_door(ksm.app(*trusted), tls=mutual)
    with_certificate(door, authority)
    assert (await ask(door, f"?otp={KEY.next_otp()}", header)).status == 404
