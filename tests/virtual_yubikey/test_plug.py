"""The protocol of the virtual reader, spoken here from the driver's side."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.virtual_yubikey.faults import OtherCard, altered, cut_short, garbage, pulled_after
from tests.virtual_yubikey.identity import Transport, yubikey_5c_nfc
from tests.virtual_yubikey.plug import Control, Distortion, Insertable, Plug
from tests.virtual_yubikey.yubikey import VirtualYubiKey

MANAGEMENT = bytes.fromhex("00A4040008A000000527471117")
READ_CONFIG = bytes.fromhex("001D0000")


class Driver:
    """The other end, as vpcd is: it sends length and body apart, and waits for answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")

    def send(self, body: bytes) -> None:
        self._connection.sendall(struct.pack(">H", len(body)))
        self._connection.sendall(body)

    def ask(self, body: bytes) -> bytes:
        self.send(body)
        (length,) = struct.unpack(">H", self._stream.read(2))
        return self._stream.read(length)

    def closed(self) -> bool:
        return self._stream.read(1) == b""


@contextlib.contextmanager
def plugged(
    card: Insertable,
    transport: Transport = Transport.USB,
    distortion: Distortion | None = None,
) -> Iterator[tuple[Driver, Plug]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Plug(card, server.getsockname(), transport, distortion) as plug,
    ):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            yield Driver(connection), plug


@pytest.fixture
def key() -> VirtualYubiKey:
    return VirtualYubiKey(yubikey_5c_nfc(31234567))


@pytest.mark.parametrize("transport", list(Transport))
def test_the_answer_to_reset_is_told_when_asked_for(
    key: VirtualYubiKey, transport: Transport
) -> None:
    with plugged(key, transport) as (driver, _):
        assert driver.ask(bytes((Control.ATR,))) == key.atr(transport)


def test_a_command_gets_its_answer(key: VirtualYubiKey) -> None:
    with plugged(key) as (driver, _):
        assert driver.ask(MANAGEMENT) == b"Virtual mgr - FW version 5.7.4\x90\x00"


@pytest.mark.parametrize("control", [Control.OFF, Control.ON, Control.RESET])
def test_power_and_reset_have_no_answer_and_end_the_selection(
    key: VirtualYubiKey, control: Control
) -> None:
    with plugged(key) as (driver, _):
        driver.ask(MANAGEMENT)
        assert driver.ask(READ_CONFIG)[-2:] == b"\x90\x00"
        driver.send(bytes((control,)))
        assert driver.ask(READ_CONFIG) == b"\x6d\x00"


def test_pulling_closes_the_connection(key: VirtualYubiKey) -> None:
    with plugged(key) as (driver, plug):
        plug.pull()
        assert not plug.inserted
        assert driver.closed()


def test_a_reader_that_goes_away_lets_the_key_go(key: VirtualYubiKey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plug = Plug(key, server.getsockname())
        server.accept()[0].close()
        plug._thread.join(30)
        assert not plug.inserted


def test_faults_change_what_arrives_and_not_what_the_key_said(key: VirtualYubiKey) -> None:
    truth = key.transceive(MANAGEMENT)
    for distortion, expected in (
        (cut_short(3), truth[:3]),
        (altered(0xA4), bytes((truth[0] ^ 1,)) + truth[1:]),
        (altered(0x1D), truth),
    ):
        key.traffic.clear()
        with plugged(key, distortion=distortion) as (driver, _):
            assert driver.ask(MANAGEMENT) == expected
        assert key.traffic.exchanges()[0].answered == truth
    with plugged(key, distortion=garbage(7)) as (driver, _):
        one = [driver.ask(MANAGEMENT) for _ in range(3)]
    with plugged(key, distortion=garbage(7)) as (driver, _):
        assert [driver.ask(MANAGEMENT) for _ in range(3)] == one
    assert truth not in one


def test_a_key_is_pulled_after_as_many_answers_as_it_was_told(key: VirtualYubiKey) -> None:
    with plugged(key, distortion=pulled_after(2)) as (driver, plug):
        driver.ask(MANAGEMENT)
        driver.ask(READ_CONFIG)
        driver.send(READ_CONFIG)
        assert driver.closed()
        plug._thread.join(30)
        assert not plug.inserted


def test_another_card_answers_as_cards_do_that_know_nothing_of_it() -> None:
    card = OtherCard()
    with plugged(card) as (driver, _):
        assert driver.ask(MANAGEMENT) == b"\x6a\x82"
        assert driver.ask(READ_CONFIG) == b"\x6d\x00"
    assert [exchange.status for exchange in card.traffic] == [0x6A82, 0x6D00]
