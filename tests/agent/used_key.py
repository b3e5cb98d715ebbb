"""A virtual key that somebody uses, other in everything than a new one."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.openpgp import OpenPgpState, TouchRule
from tests.virtual_yubikey.otp import OtpSlot
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy
from tests.virtual_yubikey.yubikey import VirtualYubiKey

ENDS = datetime(2027, 3, 31, 12, tzinfo=UTC)


def lived_in(identity: Identity) -> VirtualYubiKey:
    """Return a key that somebody uses, other in everything than a new one."""
    key = VirtualYubiKey(identity)
    key.piv.state.pin.left = 1
    key.piv.state.puk.left = 0
    private = key.piv.put_key(0x9A, KeyType.ECCP256, PinPolicy.ONCE, TouchPolicy.CACHED).private
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    key.piv.put_certificate(0x9A, certificate_of(private))
    key.oath.set_password("a secret of somebody's")
    key.otp.slots = [OtpSlot(), OtpSlot(touch=False)]
    key.openpgp.state = OpenPgpState(touch=[TouchRule.ON, TouchRule.FIXED, *[TouchRule.OFF] * 2])
    key.openpgp.state.user.left = 2
    key.fido.set_pin("123456")
    key.fido.state.tries = 5
    key.fido.state.remaining = 77
    key.security_domain.state.version = 1
    return key


def certificate_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Somebody")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(ENDS - timedelta(days=365))
        .not_valid_after(ENDS)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
