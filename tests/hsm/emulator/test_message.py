"""Frames: whatever comes, the device answers, and never with an exception."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yubihsm.defs import ERROR

from hsm.emulator.channel.sessions import Rights
from hsm.emulator.core import Emulator
from hsm.emulator.dispatch import WITHIN
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.record import LABEL_SIZE
from hsm.emulator.wire.capability import EVERYTHING
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.message import HEADER_SIZE, Message
from hsm.emulator.wire.refusal import Refusal, RefusedError

_DEVICE = Emulator()
_ANYTHING = Rights(1, 0xFFFF, EVERYTHING, EVERYTHING)


@given(st.integers(0, 255), st.binary(max_size=3000))
def test_a_message_is_read_as_it_was_written(command: int, payload: bytes) -> None:
    message = Message(command, payload)
    assert Message.parse(message.encode()) == message


@given(st.binary(max_size=80))
def test_only_a_whole_message_is_read(raw: bytes) -> None:
    if len(raw) >= HEADER_SIZE and int.from_bytes(raw[1:3]) == len(raw) - HEADER_SIZE:
        assert Message.parse(raw).encode() == raw
        return
    with pytest.raises(RefusedError) as caught:
        Message.parse(raw)
    assert caught.value.refusal is Refusal.WRONG_LENGTH


@given(st.binary(max_size=200))
def test_any_octets_at_all_get_a_well_formed_answer(raw: bytes) -> None:
    answer = Message.parse(_DEVICE.transceive(raw))
    assert answer.command == Command.ERROR or answer.command == raw[0] | 0x80


@given(st.sampled_from(sorted(set(Command) - {Command.ERROR})), st.binary(max_size=120))
def test_any_payload_of_any_command_gets_a_well_formed_answer(
    command: Command, payload: bytes
) -> None:
    answer = Message.parse(_DEVICE.transceive(Message(command, payload).encode()))
    if answer.command == Command.ERROR:
        assert Refusal(answer.payload[0]) in set(Refusal)
    else:
        assert answer.command == command | 0x80


_HEADS = st.builds(
    lambda number, domains, algorithm: (
        number.to_bytes(2) + bytes(LABEL_SIZE) + domains.to_bytes(2) + bytes(8) + bytes([algorithm])
    ),
    st.integers(0, 3),
    st.integers(0, 0xFFFF),
    st.integers(0, 60),
)
_IDS = st.builds(
    lambda one, rest: one.to_bytes(2) + rest, st.integers(0, 2), st.binary(max_size=90)
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(WITHIN)),
    st.one_of(
        st.binary(max_size=90), _IDS, st.builds(bytes.__add__, _HEADS, st.binary(max_size=70))
    ),
)
def test_no_payload_inside_a_session_brings_the_device_down(
    command: Command, payload: bytes
) -> None:
    call = Call(_DEVICE.device, command, payload, _ANYTHING, 0)
    try:
        answer = WITHIN[command].do(call)
    except RefusedError:
        return
    assert isinstance(answer, bytes)


def test_a_message_longer_than_the_device_takes_is_refused() -> None:
    too_long = Message(Command.ECHO, bytes(_DEVICE.device.firmware.message_limit)).encode()
    assert _DEVICE.transceive(too_long) == b"\x7f\x00\x01\x08"


@pytest.mark.parametrize("command", [Command.GET_LOG_ENTRIES, Command.RESET_DEVICE, 0xEE])
def test_what_needs_a_session_is_unknown_outside(command: int) -> None:
    answer = _DEVICE.transceive(Message(command, b"").encode())
    assert answer == bytes([0x7F, 0, 1, ERROR.INVALID_COMMAND])


def test_no_payload_shows_when_a_message_or_call_is_printed() -> None:
    secret = b"a canary that must not sing"
    shown = f"{Message(Command.PUT_HMAC_KEY, secret)!r}"
    shown += f"{Call(_DEVICE.device, Command.PUT_HMAC_KEY, secret)!r}"
    assert "canary" not in shown
