"""OTP as yubikit meets it: what is programmed and by touch, and codes that keep others out."""

import hashlib
import hmac

import pytest
from yubikit.core import CommandError
from yubikit.yubiotp import (
    SLOT,
    HmacSha1SlotConfiguration,
    StaticPasswordSlotConfiguration,
    YubiOtpSession,
)

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.otp import OtpSlot
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SECRET = bytes(range(20))


def session(key: VirtualYubiKey) -> YubiOtpSession:
    return YubiOtpSession(DirectConnection(key))


@pytest.fixture
def key() -> VirtualYubiKey:
    return VirtualYubiKey(yubikey_5c_nfc(31234567))


def test_the_status_tells_which_slots_are_programmed_and_by_touch(key: VirtualYubiKey) -> None:
    key.otp.slots[:] = [OtpSlot(touch=True), None]
    state = session(key).get_config_state()
    assert (state.is_configured(SLOT.ONE), state.is_touch_triggered(SLOT.ONE)) == (True, True)
    assert not state.is_configured(SLOT.TWO)


def test_the_serial_is_told(key: VirtualYubiKey) -> None:
    assert session(key).get_serial() == 31234567


def test_a_client_programs_a_slot_and_is_answered_by_it(key: VirtualYubiKey) -> None:
    otp = session(key)
    otp.put_configuration(SLOT.TWO, HmacSha1SlotConfiguration(SECRET))
    assert otp.get_config_state().is_configured(SLOT.TWO)
    assert not otp.get_config_state().is_touch_triggered(SLOT.TWO)
    challenge = b"what is asked"
    answer = otp.calculate_hmac_sha1(SLOT.TWO, challenge)
    assert answer == hmac.digest(SECRET, challenge.ljust(64, b"\0"), hashlib.sha1) or (
        answer == hmac.digest(SECRET, challenge, hashlib.sha1)
    )


def test_a_slot_that_asks_for_a_touch_answers_nothing_without(key: VirtualYubiKey) -> None:
    otp = session(key)
    otp.put_configuration(SLOT.TWO, HmacSha1SlotConfiguration(SECRET).require_touch(True))
    with pytest.raises(CommandError):
        otp.calculate_hmac_sha1(SLOT.TWO, b"what is asked")
    key.finger.touches = True
    assert len(otp.calculate_hmac_sha1(SLOT.TWO, b"what is asked")) == 20


def test_a_slot_with_an_access_code_is_left_alone(key: VirtualYubiKey) -> None:
    otp = session(key)
    otp.put_configuration(SLOT.ONE, StaticPasswordSlotConfiguration(b"\x04"), acc_code=b"secret")
    with pytest.raises(CommandError):
        otp.delete_slot(SLOT.ONE)
    with pytest.raises(CommandError):
        otp.delete_slot(SLOT.ONE, b"SECRET")
    assert session(key).get_config_state().is_configured(SLOT.ONE)
    otp.delete_slot(SLOT.ONE, b"secret")
    assert not session(key).get_config_state().is_configured(SLOT.ONE)
