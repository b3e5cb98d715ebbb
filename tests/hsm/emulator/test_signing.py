"""RSA and EC keys: what the library's own suite leaves out."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, COMMAND, ERROR
from yubihsm.objects import AsymmetricKey, HmacKey

from hsm.emulator.forms import ed25519 as forms
from hsm.emulator.forms import oaep
from hsm.emulator.wire.refusal import RefusedError
from tests.hsm.emulator.refused import refused

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _put(session: AuthSession, private: rsa.RSAPrivateKey) -> AsymmetricKey:
    return AsymmetricKey.put(session, 0, "rsa", 1, CAPABILITY.ALL, private)


def test_a_digest_info_of_the_hosts_own_is_signed_as_it_is(
    admin: AuthSession, private: rsa.RSAPrivateKey
) -> None:
    key = _put(admin, private)
    info = _SHA256_INFO + hashlib.sha256(b"data").digest()
    signature = admin.send_secure_cmd(COMMAND.SIGN_PKCS1, key.id.to_bytes(2) + info)
    private.public_key().verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())


def test_oaep_labels_are_compared(admin: AuthSession, private: rsa.RSAPrivateKey) -> None:
    key = _put(admin, private)
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"a label")
    sealed = private.public_key().encrypt(b"message", scheme)
    assert key.decrypt_oaep(sealed, b"a label") == b"message"
    with refused(ERROR.INVALID_DATA):
        key.decrypt_oaep(sealed, b"another")


@given(st.binary(max_size=100))
def test_oaep_takes_off_what_it_put_on(message: bytes) -> None:
    label, mgf = hashlib.sha256(b"").digest(), hashes.SHA256()
    block = oaep.encode(message, 256, label, mgf, lambda size: bytes(range(size)))
    assert len(block) == 256
    assert oaep.decode(block, label, mgf) == message
    with pytest.raises(RefusedError):
        oaep.decode(b"\1" + block[1:], label, mgf)


def test_primes_that_are_none_are_refused(admin: AuthSession) -> None:
    head = bytes(2 + 40) + b"\0\1" + bytes(8) + bytes([ALGORITHM.RSA_2048])
    for primes in (bytes(256), b"\xff" * 256, bytes(255) + b"\3"):
        with refused(ERROR.INVALID_DATA):
            admin.send_secure_cmd(COMMAND.PUT_ASYMMETRIC_KEY, head + primes)


def test_a_scalar_outside_the_group_is_refused(admin: AuthSession) -> None:
    head = bytes(2 + 40) + b"\0\1" + bytes(8) + bytes([ALGORITHM.EC_P256])
    for scalar in (bytes(32), b"\xff" * 32):
        with refused(ERROR.INVALID_DATA):
            admin.send_secure_cmd(COMMAND.PUT_ASYMMETRIC_KEY, head + scalar)


@settings(max_examples=10, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_an_expanded_ed25519_key_signs_as_its_seed_does(seed: bytes, message: bytes) -> None:
    expanded = forms.without_seed(forms.internal(seed))
    expected = ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message)
    assert forms.sign(forms.checked(expanded), message) == expected


def test_a_key_does_only_what_its_kind_does(admin: AuthSession, private: rsa.RSAPrivateKey) -> None:
    key = _put(admin, private)
    with refused(ERROR.INVALID_DATA):
        key.sign_ecdsa(b"data")
    with refused(ERROR.INVALID_DATA):
        key.sign_eddsa(b"data")
    with refused(ERROR.INVALID_DATA):
        key.derive_ecdh(ec.generate_private_key(ec.SECP256R1()).public_key())


def test_a_disabled_algorithm_is_disabled(admin: AuthSession) -> None:
    admin.set_enabled_algorithms({ALGORITHM.EC_ECDSA_SHA1: False, ALGORITHM.EC_K256: False})
    with refused(ERROR.ALGORITHM_DISABLED):
        AsymmetricKey.generate(admin, 0, "key", 1, CAPABILITY.NONE, ALGORITHM.EC_K256)
    key = AsymmetricKey.generate(admin, 0, "key", 1, CAPABILITY.SIGN_ECDSA, ALGORITHM.EC_P256)
    with refused(ERROR.ALGORITHM_DISABLED):
        key.sign_ecdsa(b"data", hashes.SHA1())  # noqa: S303 - that is what is turned off
    with refused(ERROR.INVALID_DATA):
        # The device is no longer fresh.
        admin.set_enabled_algorithms({ALGORITHM.EC_ECDSA_SHA1: True})


def test_a_wrong_hmac_is_an_answer_and_no_error(admin: AuthSession) -> None:
    key = HmacKey.generate(admin, 0, "mac", 1, CAPABILITY.SIGN_HMAC | CAPABILITY.VERIFY_HMAC)
    mac = key.sign_hmac(b"data")
    assert key.verify_hmac(mac, b"data") is True
    assert key.verify_hmac(mac, b"date") is False
