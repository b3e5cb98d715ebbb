"""OTP credentials: sealed, opened, and never confused with one another."""

import pytest
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, COMMAND, ERROR
from yubihsm.objects import OtpAeadKey

from tests.hsm.emulator.refused import refused
from validation.otp import OtpCipher, OtpFields

_AES, _PRIVATE_ID = bytes(range(16)), b"private"[:6]
_MAY = (
    CAPABILITY.CREATE_OTP_AEAD
    | CAPABILITY.DECRYPT_OTP
    | CAPABILITY.RANDOMIZE_OTP_AEAD
    | CAPABILITY.REWRAP_FROM_OTP_AEAD_KEY
    | CAPABILITY.REWRAP_TO_OTP_AEAD_KEY
)


def _key(session: AuthSession, may: CAPABILITY = _MAY, nonce_id: int = 0x01020304) -> OtpAeadKey:
    return OtpAeadKey.put(
        session, 0, "otp", 1, may, ALGORITHM.AES256_YUBICO_OTP, nonce_id, bytes(range(32))
    )


def test_an_otp_opens_into_its_counters(admin: AuthSession) -> None:
    key = _key(admin)
    aead = key.create_otp_aead(_AES, _PRIVATE_ID)
    made = OtpFields(_PRIVATE_ID, session=0x0102, clock=0x030405, use=6, random=7)
    opened = key.decrypt_otp(aead, OtpCipher(_AES).seal(made))
    assert opened == (0x0102, 6, 0x03, 0x0405)


def test_the_same_credential_is_never_sealed_twice_the_same(admin: AuthSession) -> None:
    key = _key(admin)
    sealed = {key.create_otp_aead(_AES, _PRIVATE_ID) for _ in range(20)}
    assert len({one[:6] for one in sealed}) == 20


@pytest.mark.parametrize("at", [0, 6, 20, 35])
def test_a_tampered_credential_does_not_open(admin: AuthSession, at: int) -> None:
    key = _key(admin)
    aead = bytearray(key.create_otp_aead(_AES, _PRIVATE_ID))
    aead[at] ^= 1
    with refused(ERROR.INVALID_DATA):
        key.decrypt_otp(bytes(aead), bytes(16))


def test_another_nonce_id_does_not_open(admin: AuthSession) -> None:
    aead = _key(admin).create_otp_aead(_AES, _PRIVATE_ID)
    with refused(ERROR.INVALID_DATA):
        _key(admin, nonce_id=0x01020305).decrypt_otp(aead, bytes(16))


def test_another_keys_otp_is_invalid_even_under_the_same_aes_key(admin: AuthSession) -> None:
    key = _key(admin)
    aead = key.create_otp_aead(_AES, _PRIVATE_ID)
    foreign = OtpFields(b"other!", session=1, clock=1, use=1, random=1)
    with refused(ERROR.INVALID_OTP):
        key.decrypt_otp(aead, OtpCipher(_AES).seal(foreign))


def test_rewrapping_needs_both_rights(admin: AuthSession) -> None:
    source = _key(admin)
    aead = source.create_otp_aead(_AES, _PRIVATE_ID)
    deaf = _key(admin, CAPABILITY.DECRYPT_OTP)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        source.rewrap_otp_aead(deaf.id, aead)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        deaf.rewrap_otp_aead(source.id, aead)


def test_put_and_generate_keep_the_nonce_id_as_it_comes(admin: AuthSession) -> None:
    # The library writes it little-endian in one and big-endian in the other.
    sizes = {_key(admin).get_info().size}
    generated = OtpAeadKey.generate(
        admin, 0, "otp", 1, _MAY, ALGORITHM.AES256_YUBICO_OTP, 0x01020304
    )
    assert sizes | {generated.get_info().size} == {36}


def test_lengths_are_exact(admin: AuthSession) -> None:
    key = _key(admin)
    number = key.id.to_bytes(2)
    for command, size in ((COMMAND.CREATE_OTP_AEAD, 22), (COMMAND.DECRYPT_OTP, 36 + 16)):
        for wrong in (size - 1, size + 1):
            with refused(ERROR.WRONG_LENGTH):
                admin.send_secure_cmd(command, number + bytes(wrong))
