"""A certificate is replaced while connections go on, and never by a worse one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from aiohttp import web

from server.clock import SystemClock
from server.metrics import layout
from server.metrics.tally import Tally
from server.tlsfiles import TlsFiles
from server.web.certificate import ServedCertificate
from tests.certificates import Authority
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get, until

if TYPE_CHECKING:
    import ssl


@pytest.fixture
def tally() -> Tally:
    return Tally.in_memory()


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> TlsFiles:
    return authority.issue(tmp_path, "127.0.0.1", days=30)


@pytest.fixture
def shown(files: TlsFiles, tally: Tally) -> ServedCertificate:
    return ServedCertificate.read(files, clock=SystemClock(), tally=tally)


def expiry(tally: Tally) -> int:
    return tally.cells()[layout.CERTIFICATE_EXPIRES_AT]


def refused(tally: Tally) -> int:
    return tally.cells()[layout.CERTIFICATE_REFUSED_AT]


def app() -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    made = web.Application()
    made.router.add_get("/", hello)
    return made


class Seeing(Peer):
    """A peer that looks at the certificate it is shown."""

    def certificate(self) -> bytes | None:
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True)


async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(
    open_door: OpenDoor,
    shown: ServedCertificate,
    files: TlsFiles,
    authority: Authority,
    tally: Tally,
) -> None:
    door = await open_door(app(), tls=shown)
    before = expiry(tally)
    async with Seeing(door.host, door.port) as old:
        assert (await old.ask(get("/"))).body == b"hello"
        authority.issue(files.certificate.parent, "127.0.0.1", days=60)
        assert await shown.reload()
        assert expiry(tally) > before
        async with Seeing(door.host, door.port) as new:
            assert (await new.ask(get("/"))).body == b"hello"
            assert new.certificate() != old.certificate()
        assert (await old.ask(get("/"))).body == b"hello"


def expired(authority: Authority, files: TlsFiles) -> None:
    authority.issue(files.certificate.parent, "127.0.0.1", days=-1, began=9)


def only_half_renewed(authority: Authority, files: TlsFiles) -> None:
    other = authority.issue(files.certificate.parent / "other", "127.0.0.1")
    other.certificate.replace(files.certificate)


def gone(_: Authority, files: TlsFiles) -> None:
    files.key.unlink()


def cut_short(_: Authority, files: TlsFiles) -> None:
    os.truncate(files.certificate, 100)


def open_to_others(_: Authority, files: TlsFiles) -> None:
    files.key.chmod(0o644)


@pytest.mark.parametrize("harm", [expired, only_half_renewed, gone, cut_short, open_to_others])
async def test_what_is_no_good_is_refused_told_and_counted_and_the_old_one_stays(
    open_door: OpenDoor,
    shown: ServedCertificate,
    files: TlsFiles,
    authority: Authority,
    tally: Tally,
    *,
    harm: Callable[[Authority, TlsFiles], None],
) -> None:
    door = await open_door(app(), tls=shown)
    before = expiry(tally), shown.credentials
    harm(authority, files)
    with structlog.testing.capture_logs() as lines:
        assert not await shown.reload()
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("tls_reload_refused", "error")
    assert str(files.certificate.parent) in line["error"]
    assert (expiry(tally), shown.credentials) == before
    assert refused(tally) == 1
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/"))).body == b"hello"
    authority.issue(files.certificate.parent, "127.0.0.1")
    assert await shown.reload()
    assert refused(tally) == 0


async def test_the_certificate_in_service_may_expire_there(
    files: TlsFiles, authority: Authority, tally: Tally
) -> None:
    class Later(SystemClock):
        def now_us(self) -> int:
            return super().now_us() + 40 * 86_400 * 1_000_000

    ServedCertificate.read(files, clock=SystemClock(), tally=tally)
    with pytest.raises(Exception, match="expired"):
        ServedCertificate.read(files, clock=Later(), tally=tally)
    shown = ServedCertificate.read(files, clock=SystemClock(), tally=tally)
    shown._clock = Later()
    assert await shown.reload()  # nothing is better on the disk, and nothing is worse
    authority.issue(files.certificate.parent, days=39)
    assert not await shown.reload()


@pytest.fixture
async def watching(shown: ServedCertificate) -> AsyncIterator[None]:
    task = asyncio.create_task(shown.watch(every_s=0.01, settled_s=0.02))
    yield
    assert not task.done()
    task.cancel()


@pytest.mark.usefixtures("watching")
async def test_replaced_files_are_found_by_looking_and_a_refusal_is_told_once(
    shown: ServedCertificate, files: TlsFiles, authority: Authority, tally: Tally
) -> None:
    fingerprint = shown.credentials.certificate.fingerprint
    authority.issue(files.certificate.parent, "127.0.0.1")
    await until(lambda: shown.credentials.certificate.fingerprint != fingerprint)
    with structlog.testing.capture_logs() as lines:
        cut_short(authority, files)
        await until(lambda: refused(tally))
        await asyncio.sleep(0.2)
    assert [line["event"] for line in lines] == ["tls_reload_refused"]
    authority.issue(files.certificate.parent, "127.0.0.1")
    await until(lambda: not refused(tally))


async def test_files_behind_a_link_are_found_when_the_link_is_moved(
    authority: Authority, tmp_path: Path, tally: Tally
) -> None:
    generations = [authority.issue(tmp_path / f"generation-{n}") for n in (1, 2)]
    link = tmp_path / "live"
    link.symlink_to(generations[0].certificate.parent)
    files = TlsFiles(link / "fullchain.pem", link / "privkey.pem")
    shown = ServedCertificate.read(files, clock=SystemClock(), tally=tally)
    fingerprint = shown.credentials.certificate.fingerprint
    task = asyncio.create_task(shown.watch(every_s=0.01, settled_s=0.02))
    fresh = tmp_path / "fresh"
    fresh.symlink_to(generations[1].certificate.parent)
    fresh.replace(link)
    await until(lambda: shown.credentials.certificate.fingerprint != fingerprint)
    task.cancel()


async def test_a_certificate_that_expires_soon_is_warned_of(
    authority: Authority, tmp_path: Path, tally: Tally
) -> None:
    files = authority.issue(tmp_path / "soon", days=10)
    with structlog.testing.capture_logs() as lines:
        ServedCertificate.read(files, clock=SystemClock(), tally=tally)
    (line,) = lines
    assert (line["event"], line["log_level"], line["days"]) == (
        "tls_certificate_expires_soon",
        "warning",
        9,
    )
