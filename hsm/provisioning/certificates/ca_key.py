"""A CA's key in the HSM: an elliptic one that signs inside, and never leaves.

YSA-2024-03: on firmware before 2.4.0 an ECDSA key can be read out by whoever has the device in
hand and measures it while it signs. Such a device signs no certificates for us.
"""

from typing import Protocol, Self

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import OBJECT
from yubihsm.objects import AsymmetricKey

from hsm.provisioning.certificates.errors import IssuingError

SAFE_FROM = (2, 4, 0)
"""The first firmware whose ECDSA can be trusted (Yubico's advisory YSA-2024-03)."""


class Signer(Protocol):
    """A key that signs certificates."""

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        """The public half."""
        ...

    @property
    def digest(self) -> SHA256 | SHA384:
        """The hash that goes with the key's curve."""
        ...

    def sign(self, octets: bytes) -> bytes:
        """Return the DER of an ECDSA signature over the octets' hash."""
        ...


class CaKey:
    """A key of a device. Made by `use`."""

    def __init__(self, key: AsymmetricKey, public_key: EllipticCurvePublicKey) -> None:
        self._key = key
        self._public_key = public_key

    def __repr__(self) -> str:
        return f"CaKey(0x{self._key.id:04x}, {self._public_key.curve.name})"

    @classmethod
    def use(cls, hsm: YubiHsm, session: AuthSession, object_id: int) -> Self:
        """Return a device's key, for a session of the issuer's role. IssuingError.

        What the device answers (no such object, no right) passes through.
        """
        version = hsm.get_device_info().version
        if tuple(version) < SAFE_FROM:
            raise IssuingError(
                f"the HSM's firmware is {'.'.join(map(str, version))}: before 2.4.0 an ECDSA key"
                " can be read out by whoever holds the device (YSA-2024-03). Firmware cannot be"
                " replaced: use a newer device, and make the CA's key there anew"
            )
        found = session.get_object(object_id, OBJECT.ASYMMETRIC_KEY)
        if not isinstance(found, AsymmetricKey):
            raise IssuingError(f"object 0x{object_id:04x} is no asymmetric key")
        public_key = found.get_public_key()  # type: ignore[no-untyped-call] # the library says no type
        if not isinstance(public_key, EllipticCurvePublicKey) or not isinstance(
            public_key.curve, SECP256R1 | SECP384R1
        ):
            raise IssuingError(
                f"the CA's key 0x{object_id:04x} is not of the curve P-256 or P-384: make another"
            )
        return cls(found, public_key)

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        """The public half, as the device says."""
        return self._public_key

    @property
    def digest(self) -> SHA256 | SHA384:
        """The hash that goes with the key's curve."""
        return digest_for(self._public_key.curve)

    def sign(self, octets: bytes) -> bytes:
        """Have the device sign the octets' hash."""
        return self._key.sign_ecdsa(octets, self.digest)


def digest_for(curve: EllipticCurve) -> SHA256 | SHA384:
    """Return the hash that goes with a curve (RFC 5480, section 4)."""
    return SHA384() if isinstance(curve, SECP384R1) else SHA256()
