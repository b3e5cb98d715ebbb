"""Sessions: how they begin, and all the ways in which they end."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY, COMMAND, ERROR
from yubihsm.exceptions import (
    YubiHsmAuthenticationError,
    YubiHsmConnectionError,
    YubiHsmDeviceError,
    YubiHsmInvalidResponseError,
)
from yubihsm.objects import AuthenticationKey

from hsm.emulator.channel.scp03 import SessionKeys, pad, unpad
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.message import Message
from hsm.emulator.wire.refusal import RefusedError
from tests.hsm.emulator.conftest import Clock
from tests.hsm.emulator.refused import refused


@given(st.binary(max_size=100))
def test_padding_is_taken_off_as_it_was_put_on(message: bytes) -> None:
    padded = pad(message)
    assert len(padded) % 16 == 0
    assert len(padded) > len(message)
    assert unpad(padded) == message


@pytest.mark.parametrize("padded", [bytes(16), b"\x01" * 16, b"\x80" + bytes(31), b""])
def test_what_is_no_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(RefusedError):
        unpad(padded)


def test_sixteen_sessions_and_no_more(hsm: YubiHsm) -> None:
    sessions = [hsm.create_session_derived(1, "password") for _ in range(16)]
    assert [session.sid for session in sessions] == list(range(16))
    with refused(ERROR.SESSIONS_FULL):
        hsm.create_session_derived(1, "password")
    sessions[7].close()
    assert hsm.create_session_derived(1, "password").sid == 7


def test_a_session_that_was_never_proved_takes_a_place_until_it_expires(
    hsm: YubiHsm, clock: Clock
) -> None:
    for _ in range(16):
        with pytest.raises(YubiHsmAuthenticationError):
            hsm.create_session_derived(1, "not the password")
    with refused(ERROR.SESSIONS_FULL):
        hsm.create_session_derived(1, "password")
    clock.now += 31
    hsm.create_session_derived(1, "password").close()


def test_thirty_seconds_of_silence_end_a_session(admin: AuthSession, clock: Clock) -> None:
    for _ in range(4):
        clock.now += 29
        assert len(admin.get_pseudo_random(8)) == 8
    clock.now += 31
    with refused(ERROR.INVALID_SESSION):
        admin.get_pseudo_random(8)


def test_a_closed_session_is_gone(hsm: YubiHsm, emulator: Emulator) -> None:
    session = hsm.create_session_derived(1, "password")
    assert len(emulator.device.sessions) == 1
    session.close()
    assert len(emulator.device.sessions) == 0


def test_a_wrong_proof_frees_the_place(hsm: YubiHsm, emulator: Emulator) -> None:
    pending = hsm.init_session(1)
    message = Message(Command.AUTHENTICATE_SESSION, bytes([pending._sid]) + bytes(16))
    assert emulator.transceive(message.encode()) == b"\x7f\x00\x01\x04"
    assert len(emulator.device.sessions) == 0


def test_a_tampered_command_ends_the_session(emulator: Emulator, admin: AuthSession) -> None:
    assert admin.sid is not None
    forged = Message(Command.SESSION_MESSAGE, bytes([admin.sid]) + bytes(16 + 8))
    assert emulator.transceive(forged.encode()) == b"\x7f\x00\x01\x04"
    with refused(ERROR.INVALID_SESSION):
        admin.get_pseudo_random(8)


def test_a_replayed_command_ends_the_session(
    hsm: YubiHsm, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    original = emulator.transceive

    def listening(raw: bytes) -> bytes:
        heard.append(raw)
        return original(raw)

    monkeypatch.setattr(emulator, "transceive", listening)
    hsm.create_session_derived(1, "password").get_pseudo_random(8)
    assert original(heard[-1]) == b"\x7f\x00\x01\x04"
    assert len(emulator.device.sessions) == 0


def test_a_lost_reply_breaks_the_session_as_on_hardware(
    admin: AuthSession, mishaps: Mishaps
) -> None:
    mishaps.plan(Fault.REPLY_LOST)
    with pytest.raises(YubiHsmConnectionError):
        admin.get_pseudo_random(8)
    with refused(ERROR.AUTHENTICATION_FAILED):
        admin.get_pseudo_random(8)
    with refused(ERROR.INVALID_SESSION):
        admin.get_pseudo_random(8)


def test_an_unheard_command_leaves_the_session_whole(admin: AuthSession, mishaps: Mishaps) -> None:
    mishaps.plan(Fault.UNHEARD)
    with pytest.raises(YubiHsmConnectionError):
        admin.get_pseudo_random(8)
    assert len(admin.get_pseudo_random(8)) == 8


def test_the_client_notices_a_garbled_reply(admin: AuthSession, mishaps: Mishaps) -> None:
    mishaps.plan(None, Fault.GARBLED)
    admin.get_pseudo_random(8)
    with pytest.raises(YubiHsmInvalidResponseError):
        admin.get_pseudo_random(8)


def test_a_late_reply_is_late_and_right(hsm: YubiHsm, emulator: Emulator) -> None:
    spent: list[float] = []
    way = Mishaps(emulator, late_s=7.5, wait=spent.append)
    way.plan(Fault.LATE)
    assert way.transceive(b"\x01\0\2hi") == hsm._backend.transceive(b"\x01\0\2hi")
    assert spent == [7.5]


def test_a_reboot_ends_all_sessions_and_keeps_the_objects(
    hsm: YubiHsm, admin: AuthSession, mishaps: Mishaps
) -> None:
    AuthenticationKey.put_derived(
        admin, 7, "stays", 1, CAPABILITY.NONE, CAPABILITY.NONE, "a password"
    )
    mishaps.plan(Fault.REBOOT)
    with pytest.raises(YubiHsmConnectionError):
        admin.get_pseudo_random(8)
    with refused(ERROR.INVALID_SESSION):
        admin.get_pseudo_random(8)
    hsm.create_session_derived(7, "a password").close()


def test_a_stranger_to_an_ec_key_cannot_speak_in_its_session(
    hsm: YubiHsm, admin: AuthSession
) -> None:
    owner, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    key = AuthenticationKey.put_public_key(
        admin, 0, "owner", 1, CAPABILITY.GET_PSEUDO_RANDOM, CAPABILITY.NONE, owner.public_key()
    )
    with hsm.create_session_asymmetric(key.id, owner) as session:
        assert len(session.get_pseudo_random(8)) == 8
    with pytest.raises(YubiHsmAuthenticationError):
        hsm.create_session_asymmetric(key.id, stranger)


def test_a_symmetric_challenge_to_an_ec_key_is_refused(hsm: YubiHsm, admin: AuthSession) -> None:
    owner = ec.generate_private_key(ec.SECP256R1())
    key = AuthenticationKey.put_public_key(
        admin, 0, "owner", 1, CAPABILITY.NONE, CAPABILITY.NONE, owner.public_key()
    )
    with refused(ERROR.WRONG_LENGTH):
        hsm.create_session_derived(key.id, "password")


def test_sessions_do_not_nest(admin: AuthSession) -> None:
    with refused(ERROR.INVALID_COMMAND):
        admin.send_secure_cmd(COMMAND.SESSION_MESSAGE, bytes(25))


def test_a_refused_command_leaves_the_session_whole(admin: AuthSession) -> None:
    for _ in range(3):
        with pytest.raises(YubiHsmDeviceError):
            admin.send_secure_cmd(COMMAND.GET_OBJECT_INFO, b"\x12\x34\x03")
    assert len(admin.get_pseudo_random(8)) == 8


def test_a_point_off_the_curve_begins_no_session(
    admin: AuthSession, hsm: YubiHsm, emulator: Emulator
) -> None:
    owner = ec.generate_private_key(ec.SECP256R1())
    key = AuthenticationKey.put_public_key(
        admin, 0, "owner", 1, CAPABILITY.NONE, CAPABILITY.NONE, owner.public_key()
    )
    with refused(ERROR.INVALID_DATA):
        hsm.init_session_asymmetric(key.id, b"\x04" + bytes(64))
    assert len(emulator.device.sessions) == 1


def test_an_authentication_key_off_the_curve_is_refused(admin: AuthSession) -> None:
    algorithm = bytes([ALGORITHM.EC_P256_YUBICO_AUTHENTICATION])
    head = bytes(2 + 40) + b"\0\1" + bytes(8) + algorithm + bytes(8)
    with refused(ERROR.INVALID_DATA):
        admin.send_secure_cmd(COMMAND.PUT_AUTHENTICATION_KEY, head + bytes(64))


def test_session_keys_show_no_secret() -> None:
    keys = SessionKeys(b"first canary key", b"second canary ky", b"third canary key")
    assert "canary" not in f"{keys} {keys!r}"
