"""OpenPGP as yubikit meets it: tries, touch policies, keys that ask for PIN and finger."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from yubikit.core import InvalidPinError
from yubikit.core.smartcard import SW, ApduError
from yubikit.openpgp import KEY_REF, KEY_STATUS, OID, PIN_POLICY, UIF, OpenPgpSession

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.openpgp_state import SIGNATURE, TouchRule
from tests.virtual_yubikey.yubikey import VirtualYubiKey

NEW = yubikey_5c_nfc(31234567)
LINES = [yubikey_4(4123456), yubikey_5_nfc(10234567, "5.2.7"), NEW]


def session(key: VirtualYubiKey) -> OpenPgpSession:
    return OpenPgpSession(DirectConnection(key))


def admin(pgp: OpenPgpSession) -> None:
    pgp.verify_admin("12345678")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_tries_and_touch_policies_are_told(identity: Identity) -> None:
    key = VirtualYubiKey(identity)
    key.openpgp.state.user.left = 2
    key.openpgp.state.admin.left = 1
    key.openpgp.state.touch[SIGNATURE] = TouchRule.CACHED
    pgp = session(key)
    status = pgp.get_pin_status()
    assert (status.attempts_user, status.attempts_reset, status.attempts_admin) == (2, 0, 1)
    assert status.pin_policy_user == PIN_POLICY.ALWAYS
    assert pgp.get_uif(KEY_REF.SIG) == UIF.CACHED
    assert pgp.get_uif(KEY_REF.AUT) == UIF.OFF
    assert pgp.aid.serial == identity.serial
    assert pgp.aid.version == ((3, 4) if identity.firmware >= (5, 2) else (2, 1))
    assert tuple(pgp.version) == identity.firmware


def test_wrong_pins_are_counted() -> None:
    pgp = session(VirtualYubiKey(NEW))
    with pytest.raises(InvalidPinError):
        pgp.verify_pin("654321")
    assert pgp.get_pin_status().attempts_user == 2
    pgp.verify_pin("123456")
    assert pgp.get_pin_status().attempts_user == 3


def test_a_signature_asks_for_the_pin_each_time_unless_told_otherwise() -> None:
    key = VirtualYubiKey(NEW)
    pgp = session(key)
    admin(pgp)
    public = pgp.generate_ec_key(KEY_REF.SIG, OID.SECP256R1)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    with pytest.raises(ApduError):
        pgp.sign(b"a message", hashes.SHA256())
    pgp.verify_pin("123456")
    public.verify(pgp.sign(b"a message", hashes.SHA256()), b"a message", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(ApduError) as refused:
        pgp.sign(b"a message", hashes.SHA256())
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
    admin(pgp)
    pgp.set_signature_pin_policy(PIN_POLICY.ONCE)
    pgp.verify_pin("123456")
    for _ in range(2):
        pgp.sign(b"a message", hashes.SHA256())
    assert pgp.get_signature_counter() == 3


def test_a_key_that_asks_for_a_touch_does_nothing_without() -> None:
    key = VirtualYubiKey(NEW)
    pgp = session(key)
    admin(pgp)
    pgp.generate_ec_key(KEY_REF.AUT, OID.Ed25519)
    pgp.set_uif(KEY_REF.AUT, UIF.ON)
    pgp.verify_pin("123456", extended=True)
    with pytest.raises(ApduError):
        pgp.authenticate(b"a challenge", hashes.SHA256())
    key.finger.touches = True
    assert len(pgp.authenticate(b"a challenge", hashes.SHA256())) == 64
    assert pgp.get_key_information()[KEY_REF.AUT] == KEY_STATUS.GENERATED


def test_a_fixed_touch_policy_stays() -> None:
    pgp = session(VirtualYubiKey(NEW))
    admin(pgp)
    pgp.set_uif(KEY_REF.SIG, UIF.FIXED)
    with pytest.raises((ApduError, ValueError)):
        pgp.set_uif(KEY_REF.SIG, UIF.OFF)
    assert pgp.get_uif(KEY_REF.SIG) == UIF.FIXED


def test_nothing_is_changed_without_the_admin_pin() -> None:
    pgp = session(VirtualYubiKey(NEW))
    with pytest.raises(ApduError):
        pgp.set_uif(KEY_REF.SIG, UIF.ON)
    with pytest.raises(ApduError):
        pgp.generate_ec_key(KEY_REF.SIG, OID.SECP256R1)


def test_a_terminated_application_is_activated_by_a_client_that_is_not_careful() -> None:
    # yubikit writes when it finds one, which is why the agent must not open sessions with it.
    key = VirtualYubiKey(NEW)
    key.openpgp.state.terminated = True
    selected = bytes.fromhex("00A4040006D27600012401")
    assert key.transceive(selected) == b"\x62\x85"
    session(key)
    assert key.traffic.exchanges()[0].status == 0x6285
    assert any(exchange.sent[1] == 0x44 for exchange in key.traffic)
    assert not key.openpgp.state.terminated


def test_a_reset_restores_the_defaults() -> None:
    key = VirtualYubiKey(NEW)
    pgp = session(key)
    pgp.change_pin("123456", "654321")
    pgp.reset()
    session(key).verify_pin("123456")
