"""The channel of SCP11b, with yubikit at the other end: proved, encrypted, and of one selection."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from yubikit.core import ApplicationNotAvailableError, BadResponseError, NotSupportedError
from yubikit.core.smartcard import ApduError
from yubikit.core.smartcard.scp import KeyRef, Scp11KeyParams
from yubikit.management import ManagementSession
from yubikit.oath import OathSession
from yubikit.openpgp import OpenPgpSession
from yubikit.piv import SLOT, PivSession
from yubikit.securitydomain import SecurityDomainSession
from yubikit.yubiotp import YubiOtpSession

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.piv_keys import KeyType
from tests.virtual_yubikey.sd_attestation import FIRMWARE, SERIAL
from tests.virtual_yubikey.yubikey import VirtualYubiKey

REFERENCE = KeyRef(0x13, 0x01)
NEW = yubikey_5c_nfc(31234567)


def params(key: VirtualYubiKey) -> Scp11KeyParams:
    return Scp11KeyParams(REFERENCE, key.security_domain.state.private.public_key())


def test_which_keys_there_are_is_told_from_firmware_5_3_on() -> None:
    told = SecurityDomainSession(DirectConnection(VirtualYubiKey(NEW))).get_key_information()
    assert [(ref.kid, ref.kvn) for ref in told] == [(1, 0xFF), (2, 0xFF), (3, 0xFF), (0x13, 1)]
    key = VirtualYubiKey(yubikey_5_nfc(16234567))
    key.security_domain.state.version = 1
    told = SecurityDomainSession(DirectConnection(key)).get_key_information()
    assert [(ref.kid, ref.kvn) for ref in told] == [(1, 1), (2, 1), (3, 1)]
    with pytest.raises(ApplicationNotAvailableError):
        SecurityDomainSession(DirectConnection(VirtualYubiKey(yubikey_5_nfc(1, "5.2.7"))))


def test_the_chain_proves_the_key_and_tells_serial_and_firmware() -> None:
    key = VirtualYubiKey(NEW)
    domain = SecurityDomainSession(DirectConnection(key))
    own, leaf = domain.get_certificate_bundle(REFERENCE)
    leaf.verify_directly_issued_by(own)
    own.verify_directly_issued_by(key.manufacturer.security_domain.certificate)
    assert leaf.public_key() == key.security_domain.state.private.public_key()
    told = {extension.oid: extension.value for extension in leaf.extensions}
    assert told[FIRMWARE].value[2:] == bytes(NEW.firmware)
    assert int.from_bytes(told[SERIAL].value[2:], "big") == NEW.serial


def test_retail_keys_before_5_7_4_have_a_key_but_no_chain() -> None:
    key = VirtualYubiKey(yubikey_5c_nfc(31234567, "5.7.2"))
    domain = SecurityDomainSession(DirectConnection(key))
    assert domain.get_certificate_bundle(REFERENCE) == []
    assert ManagementSession(DirectConnection(key), params(key)).read_device_info().serial


def test_every_application_is_read_through_a_channel() -> None:
    key = VirtualYubiKey(NEW)
    key.piv.put_key(0x9A, KeyType.RSA2048)
    info = ManagementSession(DirectConnection(key), params(key)).read_device_info()
    assert info.serial == NEW.serial
    piv = PivSession(DirectConnection(key), params(key))
    assert piv.get_pin_metadata().default_value
    assert len(piv.get_slot_metadata(SLOT.AUTHENTICATION).public_key_encoded) > 256
    assert not OathSession(DirectConnection(key), params(key)).has_key
    assert OpenPgpSession(DirectConnection(key), params(key)).get_pin_status().attempts_user == 3
    assert YubiOtpSession(DirectConnection(key), params(key)).get_serial() == NEW.serial
    secured = [exchange for exchange in key.traffic if exchange.secured]
    serial = (NEW.serial or 0).to_bytes(4, "big")
    assert secured
    assert not any(serial in exchange.answered for exchange in secured)


def test_a_wrong_pin_through_the_channel_is_told_and_the_channel_stays() -> None:
    key = VirtualYubiKey(NEW)
    piv = PivSession(DirectConnection(key), params(key))
    with pytest.raises(Exception, match="Invalid PIN"):
        piv.verify_pin("000000")
    assert piv.get_pin_metadata().attempts_remaining == 2


class Meddler:
    """A host between client and key that changes an answer, after so many commands."""

    def __init__(self, key: VirtualYubiKey, after: int, *, command: bool) -> None:
        self.key = key
        self.left = after
        self.command = command
        self.atr, self.power, self.reset = key.atr, key.power, key.reset

    def transceive(self, raw: bytes) -> bytes:
        self.left -= 1
        if self.left or not raw[0] & 0x04:
            return self.key.transceive(raw)
        if self.command:
            return self.key.transceive(raw[:-1] + bytes((raw[-1] ^ 1,)))
        answer = self.key.transceive(raw)
        return bytes((answer[0] ^ 1,)) + answer[1:]


def test_an_altered_answer_is_caught_by_the_client() -> None:
    key = VirtualYubiKey(NEW)
    session = ManagementSession(DirectConnection(Meddler(key, 4, command=False)), params(key))
    with pytest.raises(BadResponseError, match="MAC"):
        session.read_device_info()


def test_an_altered_command_is_refused_by_the_key_and_ends_the_channel() -> None:
    key = VirtualYubiKey(NEW)
    session = ManagementSession(DirectConnection(Meddler(key, 3, command=True)), params(key))
    for _ in range(2):
        with pytest.raises(ApduError):
            session.read_device_info()


def test_selecting_an_application_ends_the_channel() -> None:
    key = VirtualYubiKey(NEW)
    connection = DirectConnection(key)
    session = ManagementSession(connection, params(key))
    connection.send_and_receive(bytes.fromhex("00A4040008A000000527471117"))
    with pytest.raises(ApduError):
        session.read_device_info()


def test_another_key_than_the_proved_one_is_not_believed() -> None:
    key = VirtualYubiKey(NEW)
    wrong = Scp11KeyParams(REFERENCE, ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(InvalidSignature):
        ManagementSession(DirectConnection(key), wrong)
    with pytest.raises(ValueError, match="SCP"):
        ManagementSession(
            DirectConnection(key),
            Scp11KeyParams(KeyRef(0x13, 0x02), params(key).pk_sd_ecka),
        )


def test_older_firmware_knows_no_such_channel() -> None:
    key = VirtualYubiKey(yubikey_5_nfc(16234567))
    with pytest.raises((ApduError, NotSupportedError)):
        ManagementSession(DirectConnection(key), params(key))


def test_a_channel_does_not_prove_the_client_so_keys_are_not_changed() -> None:
    key = VirtualYubiKey(NEW)
    domain = SecurityDomainSession(DirectConnection(key))
    domain.authenticate(params(key))
    with pytest.raises(ApduError):
        domain.delete_key(kid=0x13)
    with pytest.raises(ApduError):
        domain.generate_ec_key(KeyRef(0x13, 0x02))
