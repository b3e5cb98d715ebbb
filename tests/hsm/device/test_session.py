"""A device's session under everything that goes wrong on the way."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubihsm.backends import YhsmBackend
from yubihsm.core import YubiHsm
from yubihsm.defs import COMMAND, ERROR

from hsm.device.errors import (
    DeviceRefusedError,
    DeviceUnavailableError,
    Outage,
    SessionBrokenError,
)
from hsm.device.line import Device
from hsm.device.otp import create_payload, decrypt_payload, parse_decrypted
from hsm.device.session import DeviceSession
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.emulator.objects.options import Audit
from hsm.emulator.wire.command import Command
from tests.hsm.device.provisioned import (
    AES_KEY,
    OTP_KEY,
    PRIVATE_ID,
    PROVISIONER,
    VALIDATOR,
    a_ciphertext,
    an_emulator,
    here,
)
from validation.otp import InvalidOtpError


class Clock:
    """Time that passes when a test says so, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emulator(clock: Clock) -> Emulator:
    return an_emulator(clock)


@pytest.fixture
def mishaps(emulator: Emulator) -> Mishaps:
    return Mishaps(emulator, wait=lambda _: None)


@pytest.fixture
def session(mishaps: Mishaps) -> DeviceSession:
    return DeviceSession(here(mishaps), VALIDATOR)


@pytest.fixture
def aead(emulator: Emulator) -> bytes:
    made = DeviceSession(here(emulator), PROVISIONER)
    payload = create_payload(OTP_KEY, AES_KEY, PRIVATE_ID)
    sealed = made.ask(COMMAND.CREATE_OTP_AEAD, payload, again=False)
    made.close()
    return sealed


def _open(session: DeviceSession, aead: bytes, ciphertext: bytes, *, again: bool = True) -> int:
    payload = decrypt_payload(OTP_KEY, aead, ciphertext)
    fields = parse_decrypted(session.ask(COMMAND.DECRYPT_OTP, payload, again=again))
    assert (fields.session, fields.clock) == (2, 77)
    return fields.use


@given(st.lists(st.sampled_from([None, *Fault]), max_size=12))
def test_whatever_happens_an_otp_is_opened_rightly_or_not_at_all(
    faults: list[Fault | None],
) -> None:
    mishaps = Mishaps(an_emulator(), wait=lambda _: None)
    session = DeviceSession(here(mishaps), VALIDATOR)
    made = DeviceSession(here(mishaps), PROVISIONER)
    payload = create_payload(OTP_KEY, AES_KEY, PRIVATE_ID)
    aead = made.ask(COMMAND.CREATE_OTP_AEAD, payload, again=False)
    made.close()
    mishaps.plan(*faults)
    for use in range(1, 30):
        try:
            assert _open(session, aead, a_ciphertext(use=use)) == use
        except DeviceUnavailableError:
            continue
        except DeviceRefusedError as refused:
            # A handshake in which a bit turned over looks like one with the wrong keys.
            if refused.code is not ERROR.AUTHENTICATION_FAILED:
                raise
    assert _open(session, aead, a_ciphertext(use=30)) == 30


@pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.REPLY_LOST, Fault.REBOOT, Fault.GARBLED])
def test_what_may_be_done_twice_survives_any_one_mishap(
    session: DeviceSession, mishaps: Mishaps, aead: bytes, fault: Fault
) -> None:
    session.open()
    mishaps.plan(fault)
    assert _open(session, aead, a_ciphertext()) == 3


@pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.REPLY_LOST, Fault.REBOOT, Fault.GARBLED])
def test_what_may_not_is_reported_and_the_next_is_done(
    session: DeviceSession, mishaps: Mishaps, aead: bytes, fault: Fault
) -> None:
    session.open()
    mishaps.plan(None, fault)  # first it is asked whether the session stands
    with pytest.raises(SessionBrokenError):
        _open(session, aead, a_ciphertext(), again=False)
    assert not session.stands
    assert _open(session, aead, a_ciphertext(), again=False) == 3


def test_a_late_answer_is_an_answer(session: DeviceSession, mishaps: Mishaps, aead: bytes) -> None:
    session.open()
    mishaps.plan(Fault.LATE)
    assert _open(session, aead, a_ciphertext()) == 3


def test_an_otp_of_another_key_is_invalid_and_costs_no_session(
    session: DeviceSession, aead: bytes
) -> None:
    session.open()
    kept = session._session
    for _ in range(3):
        with pytest.raises(InvalidOtpError):
            _open(session, aead, a_ciphertext(private_id=b"other!"))
    assert session._session is kept
    assert _open(session, aead, a_ciphertext()) == 3


def test_broken_sessions_leave_no_places_taken(
    session: DeviceSession, mishaps: Mishaps, emulator: Emulator, aead: bytes
) -> None:
    for fault in [Fault.REPLY_LOST, Fault.UNHEARD, Fault.GARBLED] * 10:
        session.open()
        mishaps.plan(fault)
        assert _open(session, aead, a_ciphertext()) == 3
    assert len(emulator.device.sessions) == 1
    session.close()
    assert len(emulator.device.sessions) == 0


def test_a_session_that_expired_is_begun_anew(
    session: DeviceSession, clock: Clock, aead: bytes
) -> None:
    session.open()
    clock.now += 31
    assert _open(session, aead, a_ciphertext()) == 3


def test_a_session_kept_alive_does_not_expire(
    session: DeviceSession, clock: Clock, aead: bytes
) -> None:
    session.open()
    kept = session._session
    for _ in range(5):
        clock.now += 20
        session.keep_alive()
    assert _open(session, aead, a_ciphertext()) == 3
    assert session._session is kept


def test_a_device_whose_sessions_are_full_is_unavailable_until_one_ends(
    session: DeviceSession, emulator: Emulator, clock: Clock, aead: bytes
) -> None:
    others = [
        YubiHsm(EmulatorBackend(emulator)).create_session(*PROVISIONER)
        for _ in range(16 - len(emulator.device.sessions))
    ]
    assert others
    with pytest.raises(DeviceUnavailableError) as caught:
        _open(session, aead, a_ciphertext())
    assert caught.value.outage is Outage.SESSIONS_FULL
    clock.now += 31
    assert _open(session, aead, a_ciphertext()) == 3


def test_a_full_log_is_an_outage_and_not_the_otps_fault(aead: bytes, emulator: Emulator) -> None:
    device = emulator.device
    session = DeviceSession(here(emulator), VALIDATOR)
    assert _open(session, aead, a_ciphertext()) == 3
    options = device.options
    options.force_audit = Audit.ON
    options.audit[Command.DECRYPT_OTP] = Audit.ON
    with contextlib.suppress(DeviceUnavailableError):
        for _ in range(70):
            _open(session, aead, a_ciphertext())
    with pytest.raises(DeviceUnavailableError) as caught:
        _open(session, aead, a_ciphertext())
    assert caught.value.outage is Outage.LOG_FULL
    assert session.stands
    options.force_audit = Audit.OFF
    assert _open(session, aead, a_ciphertext()) == 3


class _Liar(YhsmBackend):
    """Answers a session's messages itself, from outside the session."""

    def __init__(self, backend: YhsmBackend, code: int) -> None:
        self._backend = backend
        self._code = code
        self.lies = 0

    def transceive(self, msg: bytes) -> bytes:
        if msg[0] == COMMAND.SESSION_MESSAGE and self.lies:
            self.lies -= 1
            return bytes([COMMAND.ERROR, 0, 1, self._code])
        return self._backend.transceive(msg)

    def close(self) -> None:
        self._backend.close()


@pytest.mark.parametrize("code", [*range(0x14), 0xFF])
def test_an_error_from_outside_the_session_is_nobodys_answer(
    emulator: Emulator, aead: bytes, code: int
) -> None:
    liar = _Liar(EmulatorBackend(emulator), code)
    session = DeviceSession(Device("liar", lambda: liar), VALIDATOR)
    session.open()
    liar.lies = 10
    with pytest.raises(SessionBrokenError):
        _open(session, aead, a_ciphertext(private_id=b"other!"))
    liar.lies = 0
    assert _open(session, aead, a_ciphertext()) == 3


@given(st.binary(max_size=64))
def test_whatever_a_stranger_answers_is_an_outage_or_a_wrong_credential(answer: bytes) -> None:
    class Stranger(YhsmBackend):
        def transceive(self, msg: bytes) -> bytes:
            del msg
            return answer

        def close(self) -> None:
            pass

    session = DeviceSession(Device("stranger", Stranger), VALIDATOR)
    with pytest.raises((DeviceUnavailableError, DeviceRefusedError)):
        session.open()


@pytest.mark.parametrize(
    "login",
    [
        VALIDATOR._replace(role=0x0999),
        VALIDATOR._replace(mac=bytes(16)),
        VALIDATOR._replace(encryption=bytes(16), mac=bytes(16)),
    ],
)
def test_a_wrong_credential_is_named_as_one(
    emulator: Emulator, login: tuple[int, bytes, bytes]
) -> None:
    session = DeviceSession(here(emulator), type(VALIDATOR)(*login))
    with pytest.raises(DeviceRefusedError, match="credential") as caught:
        session.open()
    assert f"0x{login[0]:04x}" in str(caught.value)
    assert caught.value.of_device


def test_a_missing_right_is_named_as_one(session: DeviceSession) -> None:
    with pytest.raises(DeviceRefusedError, match="role") as caught:
        session.ask(COMMAND.GET_PSEUDO_RANDOM, b"\x00\x10", again=True)
    assert caught.value.code is ERROR.INSUFFICIENT_PERMISSIONS
    assert session.stands


def test_an_absent_key_is_named_as_one(session: DeviceSession, aead: bytes) -> None:
    with pytest.raises(DeviceRefusedError, match="no such object") as caught:
        session.ask(COMMAND.DECRYPT_OTP, decrypt_payload(0x0BAD, aead, a_ciphertext()), again=True)
    assert caught.value.code is ERROR.OBJECT_NOT_FOUND
