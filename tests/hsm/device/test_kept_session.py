"""The kept session and the library's: the same octets out, the same answers in."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubihsm.backends import YhsmBackend
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import COMMAND, ERROR
from yubihsm.exceptions import (
    YubiHsmDeviceError,
    YubiHsmError,
    YubiHsmInvalidResponseError,
)

from hsm.device.kept_session import KeptSession
from hsm.emulator.backend import EmulatorBackend
from tests.hsm.device.provisioned import PROVISIONER, an_emulator

Spoil = Callable[[bytes], bytes]
_MESSAGES = st.lists(st.binary(max_size=200), min_size=1, max_size=8)


class _Spoilt(YhsmBackend):
    """A way to a device that keeps what goes over it, and lets a test change what comes back."""

    def __init__(self, backend: YhsmBackend) -> None:
        self._backend = backend
        self.sent: list[bytes] = []
        self.answers: list[bytes] = []
        self.spoil: Spoil = bytes

    def transceive(self, msg: bytes) -> bytes:
        self.sent.append(msg)
        self.answers.append(self._backend.transceive(msg))
        return self.spoil(self.answers[-1])

    def close(self) -> None:
        self._backend.close()


class _Replayed(YhsmBackend):
    """Gives the answers of a recorded session, to whoever sends that session's messages."""

    def __init__(self, sent: list[bytes], answers: list[bytes]) -> None:
        self._expected = list(zip(sent, answers, strict=True))

    def transceive(self, msg: bytes) -> bytes:
        sent, answer = self._expected.pop(0)
        assert msg == sent
        return answer

    def close(self) -> None:
        assert not self._expected


def _as_it_is(session: AuthSession, backend: YhsmBackend) -> AuthSession:
    """Return a copy of a session in its state, on another backend."""
    hsm = object.__new__(YubiHsm)
    hsm._backend, hsm._msg_buf_size = backend, 3136
    assert session._sid is not None
    keys = (session._key_enc, session._key_mac, session._key_rmac)
    return AuthSession(hsm, session._sid, *keys, session._mac_chain)


_EMULATOR = an_emulator()


def _begun() -> tuple[AuthSession, _Spoilt]:
    backend = _Spoilt(EmulatorBackend(_EMULATOR))
    return YubiHsm(backend).create_session(*PROVISIONER), backend


@given(_MESSAGES)
def test_it_sends_what_the_library_sends_and_reads_what_it_reads(messages: list[bytes]) -> None:
    library, backend = _begun()
    twin = _as_it_is(library, backend)
    backend.sent.clear()
    backend.answers.clear()
    with library:
        heard = [library.send_secure_cmd(COMMAND.ECHO, message) for message in messages]
    replayed = _Replayed(backend.sent, backend.answers)
    twin._hsm._backend = replayed
    kept = KeptSession(twin)
    assert [kept.send_secure_cmd(COMMAND.ECHO, message) for message in messages] == heard
    kept.close()
    replayed.close()


def test_a_devices_no_is_heard_and_the_session_goes_on() -> None:
    session, _ = _begun()
    with KeptSession(session) as kept:
        for _ in range(3):
            with pytest.raises(YubiHsmDeviceError) as caught:
                kept.send_secure_cmd(COMMAND.SIGN_ECDSA, b"\x00\x01" + bytes(32))
            assert caught.value.code == ERROR.INSUFFICIENT_PERMISSIONS
            assert kept.send_secure_cmd(COMMAND.ECHO, b"on") == b"on"


@given(st.data())
def test_a_changed_answer_is_never_taken_for_one(data: st.DataObject) -> None:
    session, backend = _begun()
    kept = KeptSession(session)

    def spoil(answer: bytes) -> bytes:
        place = data.draw(st.integers(0, len(answer) - 1))
        change = data.draw(st.integers(1, 255))
        return answer[:place] + bytes([answer[place] ^ change]) + answer[place + 1 :]

    backend.spoil = spoil
    with pytest.raises((YubiHsmError, ValueError)):
        kept.send_secure_cmd(COMMAND.ECHO, b"echo")
    backend.spoil = bytes
    with pytest.raises(YubiHsmError):
        kept.close()


@given(st.binary(max_size=80))
def test_whatever_comes_instead_is_never_an_answer(nonsense: bytes) -> None:
    session, backend = _begun()
    kept = KeptSession(session)
    backend.spoil = lambda _: nonsense
    with pytest.raises((YubiHsmError, ValueError)):
        kept.send_secure_cmd(COMMAND.ECHO, b"echo")
    backend.spoil = bytes
    with pytest.raises(YubiHsmError):
        kept.close()


def test_the_answer_before_is_no_answer_to_this() -> None:
    session, backend = _begun()
    kept = KeptSession(session)
    kept.send_secure_cmd(COMMAND.ECHO, b"one")
    before = backend.answers[-1]
    backend.spoil = lambda _: before
    with pytest.raises(YubiHsmInvalidResponseError, match="MAC"):
        kept.send_secure_cmd(COMMAND.ECHO, b"one")
    backend.spoil = bytes
    with pytest.raises(YubiHsmError):
        kept.close()


def test_a_closed_session_sends_nothing() -> None:
    session, backend = _begun()
    kept = KeptSession(session)
    kept.close()
    sent = len(backend.sent)
    with pytest.raises((ValueError, TypeError)):
        kept.send_secure_cmd(COMMAND.ECHO, b"echo")
    kept.close()
    assert len(backend.sent) == sent


def test_a_session_that_is_over_cannot_be_kept() -> None:
    session, _ = _begun()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        KeptSession(session)
