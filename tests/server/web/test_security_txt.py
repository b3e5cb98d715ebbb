"""security.txt: served as the operator wrote it, or not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from server.web.security_txt import MAX_OCTETS, PATH, SecurityTxt, faults
from tests.keystead_process import KeysteadProcess
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 27, tzinfo=UTC)
GOOD = b"# ours\nContact: mailto:security@example.org\nExpires: 2027-06-01T00:00:00Z\n"


def test_a_contact_and_a_day_to_come_are_enough() -> None:
    assert faults(GOOD, NOW) == []
    assert faults(GOOD.replace(b"\n", b"\r\n").replace(b"Contact", b"CONTACT"), NOW) == []


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (b"Expires: 2027-06-01T00:00:00Z\n", "Contact"),
        (b"Contact: security\nExpires: 2027-06-01T00:00:00Z\n", "Contact"),
        (b"# Contact: mailto:a@example.org\nExpires: 2027-06-01T00:00:00Z\n", "Contact"),
        (b"Contact: mailto:a@example.org\n", "one Expires"),
        (GOOD + b"Expires: 2027-06-01T00:00:00Z\n", "one Expires"),
        (GOOD.replace(b"2027-06-01T00:00:00Z", b"soon"), "like 2027"),
        (GOOD.replace(b"00Z", b"00"), "like 2027"),
        (GOOD.replace(b"2027", b"2026"), "expired at 2026-06-01"),
        (b"\xff" + GOOD, "UTF-8"),
        (GOOD + b"#" * MAX_OCTETS, "octets"),
    ],
)
def test_what_the_rfc_calls_unusable_is_told(octets: bytes, word: str) -> None:
    (fault,) = faults(octets, NOW)
    assert word in fault


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_no_file_raises(octets: bytes) -> None:
    assert all(isinstance(fault, str) for fault in faults(octets, NOW))


def test_the_example_needs_only_an_address_and_a_day() -> None:
    example = (ROOT / "deploy/security.txt").read_bytes()
    assert faults(example, NOW) == []


def test_a_file_that_is_not_there_or_not_readable_is_not_served(tmp_path: Path) -> None:
    assert SecurityTxt.read(tmp_path / "security.txt", StillClock()) is None
    (tmp_path / "security.txt").mkdir()
    assert SecurityTxt.read(tmp_path / "security.txt", StillClock()) is None


async def test_it_is_served_until_it_expires(open_door: OpenDoor, tmp_path: Path) -> None:
    file, clock = tmp_path / "security.txt", StillClock()
    file.write_bytes(GOOD)
    served = SecurityTxt.read(file, clock)
    assert served is not None
    app = web.Application()
    app.router.add_get(PATH, served.answer)
    door = await open_door(app)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get(PATH))
        assert (reply.status, reply.body) == (200, GOOD)
        clock.pass_by(365 * 86_400)
        assert (await peer.ask(get(PATH))).status == 404


@pytest.fixture
def keystead(tmp_path: Path) -> Iterator[KeysteadProcess]:
    with KeysteadProcess(tmp_path / "var") as process:
        process.init()
        yield process


def test_the_verification_door_serves_it(keystead: KeysteadProcess) -> None:
    text = GOOD.replace(b"2027", b"2099")
    (keystead.directory / "security.txt").write_bytes(text)
    ready = keystead.start()
    answer = keystead.get(ready.verify_url.replace("/wsapi/2.0/verify", PATH))
    assert (answer.code, answer.text) == (200, text.decode())
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_expired_one_is_not_served_and_logged(keystead: KeysteadProcess) -> None:
    (keystead.directory / "security.txt").write_bytes(GOOD.replace(b"2027", b"2020"))
    ready = keystead.start()
    assert keystead.get(ready.verify_url.replace("/wsapi/2.0/verify", PATH)).code == 404
    (line,) = [line for line in keystead.logs() if line["event"] == "security_txt_not_served"]
    assert "expired" in line["reason"]
