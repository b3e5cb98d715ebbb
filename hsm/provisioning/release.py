"""The one release of a minted secret: sealed to the station that programs the YubiKey, and opened.

HPKE (RFC 9180) in base mode, X25519 / HKDF-SHA256 / AES-256-GCM, with everything that the release
is for in `info`: a message for one order, YubiKey, serial number, station and time opens as no
other. Base mode does not say who sealed it, and anybody can seal to a public key: the station
knows the service by its TLS connection, and before the key becomes active a test OTP shows that
the secret in the YubiKey is the one in the store.

    message = magic (8) | context, as in `info` | HPKE enc (32) and ciphertext (22 + 16)
"""

import struct
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from hsm.vault import OtpKeySecrets
from validation.modhex import is_modhex
from validation.otp import MAX_PUBLIC_ID_LETTERS

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

_MAGIC = b"ksrel01\0"
_DOMAIN = b"keystead otp release v1\0"
_AES_KEY_OCTETS, _PRIVATE_ID_OCTETS = 16, 6
_SEALED_OCTETS = 32 + _AES_KEY_OCTETS + _PRIVATE_ID_OCTETS + 16
_MAX_NAME_OCTETS = 128
_FIXED = struct.Struct(">QQQ")
_MAX_NUMBER = 2**63 - 1


class ReleaseRefusedError(ValueError):
    """The message is not one that this station may program from. The message says why."""


class ReleaseContext(NamedTuple):
    """What a release is for, and until when.

    order, station: their names (1..128 octets of UTF-8); public_id: modhex; generation: the
    secret's number under that public id; serial: the YubiKey's, 0 when it has none to show;
    expires_us: microseconds since the epoch, from which on it is not handed out or opened.
    """

    order: str
    public_id: str
    generation: int
    serial: int
    station: str
    expires_us: int

    def pack(self) -> bytes:
        """Return the canonical octets: fixed fields, then each name behind its length."""
        names = [name.encode() for name in (self.order, self.public_id, self.station)]
        if not all(1 <= len(name) <= _MAX_NAME_OCTETS for name in (names[0], names[2])):
            raise ValueError(f"order and station have names of 1 to {_MAX_NAME_OCTETS} octets")
        if len(self.public_id) > MAX_PUBLIC_ID_LETTERS or not is_modhex(self.public_id):
            raise ValueError("a public id has 0 to 16 lower-case modhex letters")
        numbers = (self.generation, self.serial, self.expires_us)
        if not all(0 <= number <= _MAX_NUMBER for number in numbers) or self.generation < 1:
            raise ValueError("generations count from 1; serial and expiry are not negative")
        return _FIXED.pack(*numbers) + b"".join(bytes([len(name)]) + name for name in names)

    @classmethod
    def unpack(cls, octets: bytes) -> tuple[Self, bytes]:
        """Read a context and return it with what stands behind it; ValueError."""
        if len(octets) < _FIXED.size:
            raise ValueError("it is cut off")
        generation, serial, expires_us = _FIXED.unpack_from(octets)
        rest = octets[_FIXED.size :]
        names: list[str] = []
        for _ in range(3):
            if not rest or len(rest) < 1 + rest[0]:
                raise ValueError("it is cut off")
            name, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            names.append(name.decode())  # UnicodeDecodeError is a ValueError
        order, public_id, station = names
        context = cls(order, public_id, generation, serial, station, expires_us)
        context.pack()  # refuses what was never packed
        return context, rest


class Release(NamedTuple):
    """A sealed release. sealed: what only the station opens; `context` is in the clear."""

    context: ReleaseContext
    sealed: bytes

    def format(self) -> bytes:
        """Return the message for the station."""
        return _MAGIC + self.context.pack() + self.sealed

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read a message; ReleaseRefusedError when it is none."""
        if not message.startswith(_MAGIC):
            raise ReleaseRefusedError(
                "this is not the release of an OTP secret, or of another version"
            )
        try:
            context, sealed = ReleaseContext.unpack(message[len(_MAGIC) :])
        except ValueError:
            raise ReleaseRefusedError(
                "the release is cut off or altered: ask for a new key"
            ) from None
        if len(sealed) != _SEALED_OCTETS:
            raise ReleaseRefusedError("the release is cut off or altered: ask for a new key")
        return cls(context, sealed)


def seal_release(
    context: ReleaseContext, secrets: OtpKeySecrets, recipient: X25519PublicKey
) -> Release:
    """Seal a secret to a station. ValueError for a context or secrets of the wrong form."""
    aes_key, private_id = secrets
    if len(aes_key) != _AES_KEY_OCTETS or len(private_id) != _PRIVATE_ID_OCTETS:
        raise ValueError("an AES key has 16 octets, a private id 6")
    return Release(context, SUITE.encrypt(aes_key + private_id, recipient, info=_info(context)))


def open_release(
    message: bytes,
    private_key: X25519PrivateKey,
    *,
    order: str,
    serial: int,
    station: str,
    now_us: int,
) -> tuple[ReleaseContext, OtpKeySecrets]:
    """Open a release at the station it is for: what to program, and under which public id.

    order, serial, station: what the station was told to do and has in its hands, not what the
    message says; now_us: the station's time. Raises ReleaseRefusedError.
    """
    context, sealed = Release.parse(message)
    asked = (("order", order), ("serial", serial), ("station", station))
    for name, expected in asked:
        if getattr(context, name) != expected:
            raise ReleaseRefusedError(
                f"the release is for another {name} ({getattr(context, name)!r}, here it is"
                f" {expected!r}): do not program this YubiKey with it"
            )
    if now_us >= context.expires_us:
        raise ReleaseRefusedError("the release has expired: ask for a new key")
    try:
        plain = SUITE.decrypt(sealed, private_key, info=_info(context))
    except InvalidTag:
        raise ReleaseRefusedError(
            "the release does not open: it was sealed to another station's key, or altered"
        ) from None
    return context, OtpKeySecrets(plain[:_AES_KEY_OCTETS], plain[_AES_KEY_OCTETS:])


def _info(context: ReleaseContext) -> bytes:
    return _DOMAIN + context.pack()
