"""Several connections to one device: it does one thing at a time, whoever asks."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from yubihsm.core import YubiHsm
from yubihsm.defs import COMMAND
from yubihsm.exceptions import YubiHsmConnectionError

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps


def test_threads_with_connections_of_their_own_get_their_own_answers(emulator: Emulator) -> None:
    first = EmulatorBackend(emulator)

    def speak(backend: EmulatorBackend) -> bool:
        session = YubiHsm(backend).create_session_derived(1, "password")
        said = [secrets.token_bytes(20) for _ in range(50)]
        return [session.send_secure_cmd(COMMAND.ECHO, one) for one in said] == said

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(speak, [first, *(first.another() for _ in range(3))]))


def test_a_closed_connection_leaves_the_device_as_it_is(emulator: Emulator) -> None:
    backend = EmulatorBackend(emulator)
    YubiHsm(backend).create_session_derived(1, "password")
    backend.close()
    assert len(emulator.device.sessions) == 1


def test_a_lost_reply_is_a_lost_connection(mishaps: Mishaps) -> None:
    mishaps.plan(Fault.REPLY_LOST)
    with pytest.raises(YubiHsmConnectionError):
        EmulatorBackend(mishaps).transceive(b"\x01\0\0")
