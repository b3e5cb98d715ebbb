"""Secure messaging, with two other ends: the virtual key's card side, and yubikit's host side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubikit.core.smartcard import ApduProcessor, ScpProcessor, ShortApduFormatter
from yubikit.core.smartcard.scp import ScpState
from yubikit.core.smartcard.scp import SessionKeys as YubikitKeys

from server.fleet.channel.card import CardAnswer, GarbageError
from server.fleet.channel.secure_messaging import (
    AlteredError,
    SecureMessaging,
    SessionKeys,
    aes_cmac,
)
from tests.virtual_yubikey.apdu import Command, Response
from tests.virtual_yubikey.channel import SecureChannel
from tests.virtual_yubikey.channel import SessionKeys as CardKeys

KEYS = SessionKeys(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))
CHAIN = bytes(range(48, 64))
HEADER = bytes.fromhex("00f70080")

datas = st.binary(max_size=200)
talks = st.lists(st.tuples(datas, datas), min_size=1, max_size=5)


def host() -> SecureMessaging:
    return SecureMessaging(KEYS, CHAIN)


def card() -> SecureChannel:
    return SecureChannel(CardKeys(*KEYS), CHAIN)


def answered(other: SecureChannel, octets: bytes, data: bytes, status: int = 0x9000) -> CardAnswer:
    """Have the card open a command and answer it."""
    other.opened(Command.parse(octets))
    return CardAnswer.parse(other.closed(Response(data, status)).encode())


class Wire(ApduProcessor):
    """Notes what yubikit sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_apdu(  # noqa: PLR0917 - as yubikit has it
        self, cla: int, ins: int, p1: int, p2: int, data: bytes, le: int
    ) -> tuple[bytes, int]:
        formatter = ShortApduFormatter()
        self.sent.append(formatter.format_apdu(cla, ins, p1, p2, data, le))  # type: ignore[no-untyped-call]
        return b"", 0x6A80


@given(talks)
def test_the_card_reads_what_was_said_and_the_host_what_was_answered(
    talk: list[tuple[bytes, bytes]],
) -> None:
    ours, other = host(), card()
    secured = [ours.secure(HEADER, said) for said, _ in talk]
    for one, (said, answer) in zip(secured, talk, strict=True):
        assert len(said) < 4 or said not in one.octets
        opened = other.opened(Command.parse(one.octets))
        assert (opened.header, opened.data) == (HEADER, said)
        closed = CardAnswer.parse(other.closed(Response(answer)).encode())
        assert ours.open(one, closed) == CardAnswer(answer, 0x9000)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=4))
def test_commands_are_octet_for_octet_those_of_yubikit(datas: list[bytes]) -> None:
    wire = Wire()
    state = ScpState(YubikitKeys(*KEYS), CHAIN)
    theirs = ScpProcessor(wire, ShortApduFormatter(), state)
    ours = host()
    for data in datas:
        cla, ins, first, second = HEADER
        theirs.send_apdu(cla, ins, first, second, data, 0)
        sent = ours.secure(HEADER, data).octets
        assert sent.rstrip(b"\0")[:5] == wire.sent[-1][:5]
        assert sent[:-1] == wire.sent[-1][: len(sent) - 1]


@given(talks, st.data())
def test_an_answer_is_that_to_its_own_command_and_to_no_other(
    talk: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    ours, other = host(), card()
    secured = [ours.secure(HEADER, said) for said, _ in talk]
    answers = [
        answered(other, one.octets, answer) for one, (_, answer) in zip(secured, talk, strict=True)
    ]
    question = data.draw(st.integers(0, len(talk) - 1))
    answer = data.draw(st.integers(0, len(talk) - 1))
    if question == answer:
        assert ours.open(secured[question], answers[answer]) is not None
    else:
        with pytest.raises(AlteredError):
            ours.open(secured[question], answers[answer])


@given(st.binary(max_size=60), st.data())
def test_whatever_is_changed_in_an_answer_is_found_out(told: bytes, data: st.DataObject) -> None:
    ours, other = host(), card()
    secured = ours.secure(HEADER)
    answer = answered(other, secured.octets, told)
    at = data.draw(st.integers(0, len(answer.data) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(answer.data)
    changed[at] ^= mask
    cut = data.draw(st.integers(0, len(answer.data) - 1))
    for forged in (
        CardAnswer(bytes(changed), 0x9000),
        CardAnswer(answer.data[:cut], 0x9000),
        CardAnswer(answer.data + bytes(changed), 0x9000),
        CardAnswer(answer.data, 0x6282),
        CardAnswer(b"", 0x9000),
    ):
        with pytest.raises(AlteredError):
            ours.open(secured, forged)


@given(st.integers(0x6400, 0x6FFF), st.binary(max_size=40))
def test_an_error_proves_nothing_whatever_comes_with_it(status: int, data: bytes) -> None:
    ours = host()
    assert ours.open(ours.secure(HEADER), CardAnswer(data, status)) is None


def test_an_answer_of_another_channel_is_none_of_this() -> None:
    ours = host()
    secured = ours.secure(HEADER)
    others = SecureChannel(CardKeys(KEYS.encryption, KEYS.command_mac, bytes(16)), CHAIN)
    with pytest.raises(AlteredError):
        ours.open(secured, answered(others, host().secure(HEADER).octets, b"told"))


def test_what_has_the_right_mac_and_makes_no_sense_is_garbage_and_no_ones_fault() -> None:
    ours = host()
    secured = ours.secure(HEADER)
    for sealed in (b"no block", bytes(16)):
        mac = aes_cmac(KEYS.response_mac, secured.chain + sealed + b"\x90\x00")[:8]
        with pytest.raises(GarbageError):
            ours.open(secured, CardAnswer(sealed + mac, 0x9000))


def test_keys_are_not_shown() -> None:
    assert "0102" not in repr(KEYS)
    assert repr(KEYS.encryption) not in repr(KEYS)
