"""The card as any client meets it: selection, long answers, commands without sense, the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_yubikey.fido_hid import VirtualHidConnection
from tests.virtual_yubikey.identity import (
    Capability,
    Identity,
    Transport,
    yubikey_4,
    yubikey_5_nfc,
    yubikey_5c_nfc,
)
from tests.virtual_yubikey.yubikey import VirtualYubiKey

LINES = [yubikey_4(4123456), yubikey_5_nfc(10234567, "5.2.7"), yubikey_5c_nfc(31234567)]
AIDS = [
    "A000000527471117",
    "A000000308",
    "A0000005272101",
    "D27600012401",
    "A0000005272001",
    "A0000006472F0001",
    "A000000151000000",
]
KEYS = [VirtualYubiKey(identity) for identity in LINES]
# Instructions that some application knows, so that what is drawn goes further than the door.
INSTRUCTIONS = "0102030405101C1D20242A2C47848788A1A2A3A4A5C0CACBDADBE6F1F2F6F7F8F9FAFBFDFEFF"


def select(key: VirtualYubiKey, aid: str) -> bytes:
    name = bytes.fromhex(aid)
    return key.transceive(bytes.fromhex("00A40400") + bytes((len(name),)) + name)


@given(
    st.sampled_from(KEYS),
    st.sampled_from(list(Transport)),
    st.sampled_from(AIDS),
    st.lists(
        st.tuples(
            st.sampled_from([0x00, 0x10, 0x04, 0x80, 0x84]),
            st.sampled_from(list(bytes.fromhex(INSTRUCTIONS))),
            st.integers(0, 255),
            st.integers(0, 255),
            st.binary(max_size=70),
        ),
        max_size=4,
    ),
)
def test_whatever_is_asked_gets_an_answer_that_ends_with_a_status(
    key: VirtualYubiKey,
    transport: Transport,
    aid: str,
    commands: list[tuple[int, int, int, int, bytes]],
) -> None:
    key.power(transport)
    select(key, aid)
    for *header, data in commands:
        answer = key.transceive(bytes(header) + (bytes((len(data),)) + data if data else b""))
        assert len(answer) >= 2
        assert answer[-2] in (0x61, 0x62, 0x63, 0x67, 0x69, 0x6A, 0x6B, 0x6D, 0x6E, 0x90)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_command_get_a_status_too(raw: bytes) -> None:
    assert len(KEYS[2].transceive(raw)) >= 2


@given(st.sampled_from(KEYS), st.binary(min_size=5, max_size=64))
def test_whatever_hid_packet_comes_the_interface_answers_or_waits(
    key: VirtualYubiKey, packet: bytes
) -> None:
    VirtualHidConnection(key).write_packet(packet.ljust(64, b"\0"))


def test_an_application_is_selected_by_the_beginning_of_its_name() -> None:
    key = VirtualYubiKey(LINES[2])
    assert select(key, "A000000308")[-2:] == b"\x90\x00"
    assert select(key, "A00000030800001000")[-2:] == b"\x90\x00"
    assert select(key, "A000000309")[-2:] == b"\x6a\x82"
    assert select(key, "A0")[-2:] == b"\x6a\x82"


@pytest.mark.parametrize("transport", list(Transport))
def test_an_application_that_is_switched_off_is_not_there(transport: Transport) -> None:
    off = ~Capability.OATH
    identity = Identity(
        **{
            **vars(LINES[2]),
            "usb_enabled": LINES[2].usb_enabled & (off if transport is Transport.USB else -1),
            "nfc_enabled": LINES[2].usb_enabled & (off if transport is Transport.NFC else -1),
        }
    )
    key = VirtualYubiKey(identity)
    for over in Transport:
        key.power(over)
        there = select(key, "A0000005272101")[-2:] == b"\x90\x00"
        assert there == (over is not transport)


def test_fido_is_on_the_card_over_nfc_only() -> None:
    key = VirtualYubiKey(LINES[2])
    assert select(key, "A0000006472F0001")[-2:] == b"\x6a\x82"
    key.power(Transport.NFC)
    assert select(key, "A0000006472F0001")[-2:] == b"\x90\x00"


def test_a_long_answer_comes_in_pieces_unless_the_command_was_extended() -> None:
    key = VirtualYubiKey(LINES[2])
    key.piv.put_certificate(0x9A, bytes(range(256)) * 3)
    select(key, "A000000308")
    whole = key.transceive(bytes.fromhex("00CB3FFF0000055C035FC1050000"))
    assert whole[-2:] == b"\x90\x00"
    answer = key.transceive(bytes.fromhex("00CB3FFF055C035FC10500"))
    assert len(answer) == 258
    joined = answer[:-2]
    while answer[-2] == 0x61:
        answer = key.transceive(bytes.fromhex("00C0000000"))
        joined += answer[:-2]
    assert joined == whole[:-2]
    assert bytes(range(256)) * 3 in joined


def test_selecting_another_application_makes_the_next_command_of_the_first_unknown() -> None:
    key = VirtualYubiKey(LINES[2])
    select(key, "A0000005272101")
    select(key, "A000000527471117")
    assert key.transceive(bytes.fromhex("00A1000000")) == b"\x6d\x00"


def test_the_log_has_every_command_its_answer_and_the_application() -> None:
    key = VirtualYubiKey(LINES[2])
    select(key, "A000000527471117")
    key.transceive(bytes.fromhex("001D0000"))
    first, second = key.traffic
    assert (first.applet, first.status) == ("", 0x9000)
    assert (second.applet, second.sent) == ("management", bytes.fromhex("001D0000"))
    assert second.command is not None
    assert second.command.ins == 0x1D
    assert not second.secured
    key.traffic.clear()
    assert len(key.traffic) == 0
