"""What proves a security domain's key: the certificates that come with it, its own last."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from server.fleet.channel.card import GarbageError, read_tlvs

MAX_CERTIFICATES = 6
_STORE, _CERTIFICATE = 0xBF21, 0x30
_SERIAL = x509.ObjectIdentifier("1.3.6.1.4.1.41482.7.2")
"""As a retail key of firmware 5.7.4 has it; PIV's certificates have another (.3.7)."""

_INTEGER, _INTEGER_OCTETS = 0x02, 5  # 32 bits, not negative
_SHORT = 0x80


class Roots(Protocol):
    """The bundle of roots and intermediates that keys' chains end in."""

    def proves(self, chain: Sequence[x509.Certificate]) -> bool:
        """Tell whether a chain, the leaf last, leads to one of the roots."""
        ...


class Chain(NamedTuple):
    """A chain as it came: nobody has checked it.

    key: of the last certificate; serial: of the YubiKey that it names, None: it names none.
    """

    certificates: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePublicKey
    serial: int | None


def read_chain(data: bytes) -> Chain:
    """Read the answer to GET DATA for the certificates of a key. GarbageError."""
    found = read_tlvs(data)
    if len(found) == 1 and found[0][0] == _STORE:  # other makers' cards say it twice
        found = read_tlvs(found[0][1])
    if not 0 < len(found) <= MAX_CERTIFICATES or any(tag != _CERTIFICATE for tag, _ in found):
        raise GarbageError("something that is no chain of certificates")
    certificates = tuple(_certificate(value) for _, value in found)
    try:
        key = certificates[-1].public_key()
        extensions = certificates[-1].extensions
    except Exception:  # noqa: BLE001 - of a library that reads strangers' octets
        raise GarbageError("a certificate that cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise GarbageError("a certificate that is for no key on P-256")
    return Chain(certificates, key, _serial(extensions))


def _certificate(value: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(_sequence(value))
    except Exception:  # noqa: BLE001 - as above
        raise GarbageError("something that is no certificate") from None


def _sequence(value: bytes) -> bytes:
    """Return a value with the tag and length (DER) that it was read without."""
    length = len(value)
    if length < _SHORT:
        return bytes([_CERTIFICATE, length]) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([_CERTIFICATE, _SHORT | len(octets)]) + octets + value


def _serial(extensions: x509.Extensions) -> int | None:
    for one in extensions:
        if one.oid == _SERIAL and isinstance(one.value, x509.UnrecognizedExtension):
            found = read_tlvs(one.value.value)
            if (
                len(found) != 1
                or found[0][0] != _INTEGER
                or not 0 < len(found[0][1]) <= _INTEGER_OCTETS
            ):
                raise GarbageError("a certificate with something that is no serial number")
            return int.from_bytes(found[0][1], "big")
    return None
