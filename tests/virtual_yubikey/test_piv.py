"""PIV as yubikit meets it: metadata, attestation, and PIN and touch policies that hold."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from yubikit.core import InvalidPinError, NotSupportedError
from yubikit.core.smartcard import SW, ApduError
from yubikit.piv import (
    DEFAULT_MANAGEMENT_KEY,
    KEY_TYPE,
    MANAGEMENT_KEY_TYPE,
    PIN_POLICY,
    SLOT,
    TOUCH_POLICY,
    PivSession,
)

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.piv_attestation import FIRMWARE, FORM_FACTOR, POLICIES, SERIAL
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy
from tests.virtual_yubikey.yubikey import VirtualYubiKey

NEW = yubikey_5c_nfc(31234567)
LINES = [yubikey_4(4123456), yubikey_5_nfc(10234567, "5.2.7"), yubikey_5_nfc(16234567), NEW]
MESSAGE = b"who may come in"


def session(key: VirtualYubiKey) -> PivSession:
    return PivSession(DirectConnection(key))


def signed(piv: PivSession, slot: SLOT) -> bytes:
    return piv.sign(slot, KEY_TYPE.ECCP256, MESSAGE, hashes.SHA256())


def test_a_new_key_says_that_its_defaults_are_in_use() -> None:
    piv = session(VirtualYubiKey(NEW))
    assert piv.get_pin_metadata().default_value
    assert piv.get_puk_metadata().default_value
    assert piv.get_management_key_metadata().default_value
    assert piv.management_key_type == MANAGEMENT_KEY_TYPE.AES192


def test_changed_pins_and_keys_are_no_longer_default() -> None:
    piv = session(VirtualYubiKey(NEW))
    piv.change_pin("123456", "654321")
    piv.change_puk("12345678", "87654321")
    piv.authenticate(DEFAULT_MANAGEMENT_KEY)
    piv.set_management_key(MANAGEMENT_KEY_TYPE.AES256, bytes(range(32)))
    assert not piv.get_pin_metadata().default_value
    assert not piv.get_puk_metadata().default_value
    assert not piv.get_management_key_metadata().default_value
    with pytest.raises(ApduError):
        piv.authenticate(bytes(32))
    piv.authenticate(bytes(range(32)))


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_wrong_pins_are_counted_until_none_is_taken(identity: Identity) -> None:
    piv = session(VirtualYubiKey(identity))
    for left in (2, 1, 0):
        with pytest.raises(InvalidPinError) as refused:
            piv.verify_pin("111111")
        assert refused.value.attempts_remaining == left
        assert piv.get_pin_attempts() == left
    with pytest.raises(InvalidPinError):
        piv.verify_pin("123456")
    piv.unblock_pin("12345678", "222222")
    piv.verify_pin("222222")


def test_metadata_is_known_from_firmware_5_3_on() -> None:
    with pytest.raises(NotSupportedError):
        session(VirtualYubiKey(yubikey_5_nfc(1, "5.2.7"))).get_pin_metadata()
    key = VirtualYubiKey(yubikey_5_nfc(1, "5.2.7"))
    assert key.transceive(bytes.fromhex("00A4040005A000000308"))[-2:] == b"\x90\x00"
    assert key.transceive(bytes.fromhex("00F7008000")) == b"\x6d\x00"


def test_a_slot_tells_its_key_and_policies() -> None:
    piv = session(VirtualYubiKey(NEW))
    piv.authenticate(DEFAULT_MANAGEMENT_KEY)
    public = piv.generate_key(
        SLOT.AUTHENTICATION, KEY_TYPE.ECCP384, PIN_POLICY.ALWAYS, TOUCH_POLICY.CACHED
    )
    piv.put_key(SLOT.CARD_AUTH, ec.generate_private_key(ec.SECP256R1()))
    told = piv.get_slot_metadata(SLOT.AUTHENTICATION)
    assert (told.key_type, told.pin_policy, told.touch_policy, told.generated) == (
        KEY_TYPE.ECCP384,
        PIN_POLICY.ALWAYS,
        TOUCH_POLICY.CACHED,
        True,
    )
    assert told.public_key == public
    imported = piv.get_slot_metadata(SLOT.CARD_AUTH)
    assert not imported.generated
    assert imported.pin_policy == PIN_POLICY.NEVER
    with pytest.raises(ApduError) as empty:
        piv.get_slot_metadata(SLOT.RETIRED1)
    assert empty.value.sw == SW.REFERENCE_DATA_NOT_FOUND


def test_nothing_is_generated_without_the_management_key() -> None:
    piv = session(VirtualYubiKey(NEW))
    with pytest.raises(ApduError) as refused:
        piv.generate_key(SLOT.SIGNATURE, KEY_TYPE.ECCP256)
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED


def test_a_key_that_asks_for_the_pin_once_works_after_it() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9A, KeyType.ECCP256, PinPolicy.ONCE)
    piv = session(key)
    with pytest.raises(ApduError):
        signed(piv, SLOT.AUTHENTICATION)
    piv.verify_pin("123456")
    public = piv.get_slot_metadata(SLOT.AUTHENTICATION).public_key
    for _ in range(2):
        public.verify(signed(piv, SLOT.AUTHENTICATION), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_a_key_that_asks_for_the_pin_always_works_once_after_it() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9C, KeyType.ECCP256)
    piv = session(key)
    piv.verify_pin("123456")
    signed(piv, SLOT.SIGNATURE)
    with pytest.raises(ApduError):
        signed(piv, SLOT.SIGNATURE)


def test_a_key_for_everybody_signs_without_pin_and_touch() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.NEVER)
    assert signed(session(key), SLOT.CARD_AUTH)
    assert key.finger.asked == 0


def test_a_key_that_asks_for_a_touch_does_nothing_without() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.ALWAYS)
    piv = session(key)
    with pytest.raises(ApduError):
        signed(piv, SLOT.CARD_AUTH)
    key.finger.touches = True
    assert signed(piv, SLOT.CARD_AUTH)
    assert key.finger.asked == 2


def test_a_cached_touch_counts_for_fifteen_seconds() -> None:
    now = [0.0]
    finger = Finger(touches=True, clock=lambda: now[0])
    key = VirtualYubiKey(NEW, finger=finger)
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.CACHED)
    piv = session(key)
    signed(piv, SLOT.CARD_AUTH)
    finger.touches = False
    now[0] = 14.9
    signed(piv, SLOT.CARD_AUTH)
    now[0] = 15.1
    with pytest.raises(ApduError):
        signed(piv, SLOT.CARD_AUTH)


def test_selecting_another_application_forgets_the_pin() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9A, KeyType.ECCP256, PinPolicy.ONCE)
    connection = DirectConnection(key)
    piv = PivSession(connection)
    piv.verify_pin("123456")
    connection.send_and_receive(bytes.fromhex("00A4040008A000000527471117"))
    with pytest.raises(ApduError):
        signed(PivSession(connection), SLOT.AUTHENTICATION)


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_attestation_is_a_chain_from_the_root_that_tells_the_key(identity: Identity) -> None:
    key = VirtualYubiKey(identity)
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.NEVER)
    piv = session(key)
    certificate = piv.attest_key(SLOT.CARD_AUTH)
    chain = [certificate, piv.get_certificate(SLOT.ATTESTATION)]
    known = [*key.manufacturer.intermediates, *key.manufacturer.roots]
    while chain[-1].issuer != chain[-1].subject:
        chain.append(next(one for one in known if one.subject == chain[-1].issuer))
        chain[-2].verify_directly_issued_by(chain[-1])
    certificate.verify_directly_issued_by(chain[1])
    assert chain[-1] in key.manufacturer.roots
    assert len(chain) == (5 if identity.firmware >= (5, 7, 4) else 3)
    told = {
        extension.oid: extension.value.value
        for extension in certificate.extensions
        if isinstance(extension.value, x509.UnrecognizedExtension)
    }
    assert told[FIRMWARE] == bytes(identity.firmware)
    assert int.from_bytes(told[SERIAL][2:], "big") == identity.serial
    assert told[POLICIES] == bytes((PinPolicy.NEVER, TouchPolicy.NEVER))
    assert told[FORM_FACTOR] == bytes((identity.form_factor,))


def test_an_imported_key_is_not_attested() -> None:
    piv = session(VirtualYubiKey(NEW))
    piv.authenticate(DEFAULT_MANAGEMENT_KEY)
    piv.put_key(SLOT.CARD_AUTH, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ApduError):
        piv.attest_key(SLOT.CARD_AUTH)


def test_certificates_are_stored_and_read() -> None:
    key = VirtualYubiKey(NEW)
    piv = session(key)
    piv.authenticate(DEFAULT_MANAGEMENT_KEY)
    root = key.manufacturer.new_root.certificate
    for compress in (False, True):
        piv.put_certificate(SLOT.AUTHENTICATION, root, compress)
        assert piv.get_certificate(SLOT.AUTHENTICATION) == root
    piv.delete_certificate(SLOT.AUTHENTICATION)
    with pytest.raises(ApduError):
        piv.get_certificate(SLOT.AUTHENTICATION)


def test_an_rsa_key_signs_and_weak_firmware_does_not_make_one() -> None:
    key = VirtualYubiKey(yubikey_5_nfc(16234567))
    key.piv.put_key(0x9E, KeyType.RSA2048)
    piv = session(key)
    made = piv.sign(SLOT.CARD_AUTH, KEY_TYPE.RSA2048, MESSAGE, hashes.SHA256(), padding.PKCS1v15())
    public = piv.get_slot_metadata(SLOT.CARD_AUTH).public_key
    public.verify(made, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    weak = VirtualYubiKey(yubikey_4(4123456, "4.3.4"))
    weak.transceive(bytes.fromhex("00A4040005A000000308"))
    weak.piv.access.managed = True
    assert weak.transceive(bytes.fromhex("0047009E05AC03800107")) == b"\x6a\x81"


def test_a_blocked_application_is_reset_to_its_defaults() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9A, KeyType.ECCP256)
    piv = session(key)
    piv.change_pin("123456", "654321")
    piv.reset()
    assert piv.get_pin_metadata().default_value
    assert piv.get_pin_metadata().attempts_remaining == 3
    assert not key.piv.state.keys
