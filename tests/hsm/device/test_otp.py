"""The OTP commands' payloads: counters by position, one order of octets in the nonce's id."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from yubihsm.defs import COMMAND

from hsm.device import otp
from hsm.device.session import DeviceSession
from tests.hsm.device.provisioned import (
    AES_KEY,
    MASTER,
    NONCE_ID,
    OTP_KEY,
    PRIVATE_ID,
    PROVISIONER,
    VALIDATOR,
    an_emulator,
    here,
)
from validation.otp import parse_otp
from validation.virtual import VirtualYubiKey


def test_a_key_that_was_put_has_the_nonce_id_that_was_said() -> None:
    session = DeviceSession(here(an_emulator()), PROVISIONER)
    payload = otp.create_payload(OTP_KEY, AES_KEY, PRIVATE_ID)
    aead = session.ask(COMMAND.CREATE_OTP_AEAD, payload, again=False)
    nonce = NONCE_ID.to_bytes(4, "big") + aead[:6] + bytes(3)
    assert AESCCM(MASTER, 8).decrypt(nonce, aead[6:], None) == AES_KEY + PRIVATE_ID


@pytest.mark.parametrize(("power_ups", "touches"), [(2, 3), (0x1234, 0x56), (0x7FFF, 0xFF)])
def test_power_ups_are_the_session_and_touches_the_use(power_ups: int, touches: int) -> None:
    emulator = an_emulator()
    provisioner = DeviceSession(here(emulator), PROVISIONER)
    payload = otp.create_payload(OTP_KEY, AES_KEY, PRIVATE_ID)
    aead = provisioner.ask(COMMAND.CREATE_OTP_AEAD, payload, again=False)
    key = VirtualYubiKey("", PRIVATE_ID, AES_KEY, session=power_ups, use=touches, clock=0xABCDEF)
    pressed = parse_otp(key.press(random=5)).ciphertext
    asked = otp.decrypt_payload(OTP_KEY, aead, pressed)
    answer = DeviceSession(here(emulator), VALIDATOR).ask(COMMAND.DECRYPT_OTP, asked, again=True)
    fields = otp.parse_decrypted(answer)
    assert (fields.session, fields.use, fields.clock) == (power_ups, touches, 0xABCDEF)


def test_only_what_has_the_right_length_is_sent() -> None:
    with pytest.raises(ValueError, match="36"):
        otp.decrypt_payload(1, bytes(35), bytes(16))
    with pytest.raises(ValueError, match="16"):
        otp.decrypt_payload(1, bytes(36), bytes(17))
    with pytest.raises(ValueError, match="6"):
        otp.create_payload(1, bytes(16), bytes(7))
