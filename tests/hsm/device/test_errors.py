"""Errors of devices: none loses its meaning, each says what to do."""

import pytest
from yubihsm.defs import ERROR
from yubihsm.exceptions import (
    YubiHsmAuthenticationError,
    YubiHsmConnectionError,
    YubiHsmDeviceError,
    YubiHsmError,
    YubiHsmInvalidRequestError,
    YubiHsmInvalidResponseError,
)

from hsm.device.errors import (
    DeviceError,
    DeviceRefusedError,
    DeviceUnavailableError,
    Outage,
    SessionBrokenError,
    translated,
    wrong_credential,
)
from hsm.device.line import LineError, OutOfStepError
from hsm.device.session import translated as translated_anything
from hsm.vault import VaultError, VaultUnavailableError
from validation.otp import InvalidOtpError

_SAID = [code for code in ERROR if code not in {ERROR.OK, ERROR.INVALID_OTP}]


@pytest.mark.parametrize("code", _SAID)
def test_every_answer_but_one_is_the_vaults_trouble_and_keeps_its_number(code: ERROR) -> None:
    error = translated(YubiHsmDeviceError(code), "http://hsm")
    assert isinstance(error, DeviceError)
    assert isinstance(error, VaultError)
    assert error.code is code
    assert "http://hsm" in str(error)
    assert f"0x{code.value:02x}" in str(error)


def test_only_the_devices_own_word_makes_an_otp_invalid() -> None:
    error = translated(YubiHsmDeviceError(ERROR.INVALID_OTP), "http://hsm")
    assert isinstance(error, InvalidOtpError)
    assert not isinstance(error, VaultError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (YubiHsmConnectionError(), SessionBrokenError),
        (YubiHsmInvalidResponseError(), SessionBrokenError),
        (YubiHsmError(), SessionBrokenError),
        (YubiHsmDeviceError(ERROR.INVALID_SESSION), SessionBrokenError),
        (YubiHsmDeviceError(ERROR.SESSIONS_FULL), DeviceUnavailableError),
        (YubiHsmDeviceError(ERROR.LOG_FULL), DeviceUnavailableError),
        (YubiHsmDeviceError(ERROR.INSUFFICIENT_PERMISSIONS), DeviceRefusedError),
        (YubiHsmAuthenticationError(), DeviceRefusedError),
        (YubiHsmInvalidRequestError(), DeviceRefusedError),
    ],
)
def test_the_librarys_errors_keep_their_meaning(error: YubiHsmError, kind: type) -> None:
    assert type(translated(error, "here")) is kind


@pytest.mark.parametrize("outage", Outage)
@pytest.mark.parametrize("sent", [True, False])
def test_whether_something_was_sent_is_never_forgotten(outage: Outage, *, sent: bool) -> None:
    error = translated_anything(LineError(outage, sent=sent), "here")
    assert isinstance(error, VaultUnavailableError)
    assert isinstance(error, DeviceUnavailableError)
    assert isinstance(error, SessionBrokenError) is sent
    assert error.outage is outage


@pytest.mark.parametrize("error", [ValueError(), IndexError(), OutOfStepError(0x0F)])
def test_what_was_not_expected_breaks_the_session(error: Exception) -> None:
    assert isinstance(translated_anything(error, "here"), SessionBrokenError)


@pytest.mark.parametrize(
    ("code", "of_device"),
    [
        (ERROR.OBJECT_NOT_FOUND, True),
        (ERROR.INSUFFICIENT_PERMISSIONS, True),
        (ERROR.INVALID_DATA, False),
        (ERROR.WRONG_LENGTH, False),
    ],
)
def test_it_tells_whose_fault_a_refusal_is(code: ERROR, *, of_device: bool) -> None:
    error = translated(YubiHsmDeviceError(code), "here")
    assert isinstance(error, DeviceRefusedError)
    assert error.of_device is of_device


def test_a_wrong_credential_names_the_role() -> None:
    error = wrong_credential("here", 0x11)
    assert "0x0011" in str(error)
    assert error.of_device
