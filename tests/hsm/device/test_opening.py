"""A session for one task: ended afterwards, its errors translated."""

import contextlib

import pytest
from yubihsm.defs import ERROR
from yubihsm.exceptions import YubiHsmError

from hsm.device.address import device_at
from hsm.device.errors import DeviceRefusedError, DeviceUnavailableError, SessionBrokenError
from hsm.device.opening import open_session
from hsm.emulator.faults import Fault, Mishaps
from tests.hsm.device.connectors import real_connector
from tests.hsm.device.provisioned import PROVISIONER, VALIDATOR, an_emulator, here


def test_a_session_is_lent_and_ended() -> None:
    emulator = an_emulator()
    with open_session(here(emulator), PROVISIONER) as session:
        assert len(session.get_pseudo_random(16)) == 16
        assert len(emulator.device.sessions) == 1
    assert len(emulator.device.sessions) == 0


def test_it_is_lent_over_http_too() -> None:
    emulator = an_emulator()
    with real_connector(emulator.transceive) as connector:
        with open_session(device_at(connector.url), PROVISIONER) as session:
            assert len(session.get_pseudo_random(16)) == 16
        assert len(emulator.device.sessions) == 0


def test_it_is_ended_when_the_task_fails() -> None:
    emulator = an_emulator()
    with pytest.raises(ZeroDivisionError), open_session(here(emulator), PROVISIONER):
        raise ZeroDivisionError
    assert len(emulator.device.sessions) == 0


def test_a_missing_right_arrives_as_a_refusal() -> None:
    with (
        pytest.raises(DeviceRefusedError) as caught,
        open_session(here(an_emulator()), VALIDATOR) as session,
    ):
        session.get_pseudo_random(16)
    assert caught.value.code is ERROR.INSUFFICIENT_PERMISSIONS


def test_nothing_is_asked_twice_and_a_lost_answer_is_told() -> None:
    mishaps = Mishaps(an_emulator())
    # Two questions what it is, two messages to begin a session.
    mishaps.plan(None, None, None, None, Fault.REPLY_LOST)
    with (
        pytest.raises(SessionBrokenError),
        open_session(here(mishaps), PROVISIONER) as session,
    ):
        session.get_pseudo_random(16)


def test_one_who_saw_to_it_himself_is_told_nothing_more() -> None:
    mishaps = Mishaps(an_emulator())
    with open_session(here(mishaps), PROVISIONER) as session:
        mishaps.plan(Fault.REPLY_LOST)
        with contextlib.suppress(YubiHsmError):
            session.get_pseudo_random(16)


def test_a_connector_that_is_not_there_is_told() -> None:
    with real_connector(an_emulator().transceive) as connector:
        url = connector.url
    with (
        pytest.raises(DeviceUnavailableError, match=r"cannot be reached") as caught,
        open_session(device_at(url), PROVISIONER),
    ):
        pass
    assert url in str(caught.value)


def test_a_wrong_credential_is_told() -> None:
    wrong = PROVISIONER._replace(mac=bytes(16))
    with (
        pytest.raises(DeviceRefusedError, match="credential"),
        open_session(here(an_emulator()), wrong),
    ):
        pass
