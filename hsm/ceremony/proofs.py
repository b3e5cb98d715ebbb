"""Showing that a restored key is the one that was backed up: by what only that key can do.

Before: an AEAD of a credential that anybody may know, some data under wrap, a public key. After:
the AEAD opens that credential's OTP, the data comes out, the public key is the same.
"""

import os
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yubihsm.core import AuthSession
from yubihsm.defs import OBJECT
from yubihsm.exceptions import YubiHsmDeviceError
from yubihsm.objects import AsymmetricKey, OtpAeadKey, WrapKey

from hsm.manifest import Place
from validation.otp import OtpCipher, OtpFields

# Of no YubiKey: everybody may know them. Its OTPs open under no public id of a store.
_AES_KEY = bytes.fromhex("6b657973746561642070726f6f66206b")
_PRIVATE_ID = bytes.fromhex("6b7374642070")
_FIELDS = OtpFields(private_id=_PRIVATE_ID, session=4711, clock=0x123456, use=42, random=0xBEEF)
_DATA_OCTETS = 32


def of(session: AuthSession, place: Place) -> Mapping[str, str]:
    """Ask a key for its proof. session: of the administrator. Raises the library's errors."""
    if place.type is OBJECT.OTP_AEAD_KEY:
        aead = OtpAeadKey(session, place.id).create_otp_aead(_AES_KEY, _PRIVATE_ID)
        return {"aead": aead.hex(), "otp": OtpCipher(_AES_KEY).seal(_FIELDS).hex()}
    if place.type is OBJECT.WRAP_KEY:
        data = os.urandom(_DATA_OCTETS)
        return {"data": data.hex(), "wrapped": WrapKey(session, place.id).wrap_data(data).hex()}
    if place.type is OBJECT.ASYMMETRIC_KEY:
        return {"public_key": _public(session, place).hex()}
    return {}


def holds(session: AuthSession, place: Place, proof: Mapping[str, str]) -> bool:
    """Whether the key that is there now can do what the proof is of."""
    try:
        return _holds(session, place, proof)
    except (YubiHsmDeviceError, ValueError, KeyError):
        return False


def _holds(session: AuthSession, place: Place, proof: Mapping[str, str]) -> bool:
    if place.type is OBJECT.OTP_AEAD_KEY:
        key = OtpAeadKey(session, place.id)
        opened = key.decrypt_otp(bytes.fromhex(proof["aead"]), bytes.fromhex(proof["otp"]))
        # The library's names are not ours: its use_counter counts power-ups, our sessions.
        return (opened.use_counter, opened.session_counter) == (_FIELDS.session, _FIELDS.use)
    if place.type is OBJECT.WRAP_KEY:
        wrapped = bytes.fromhex(proof["wrapped"])
        return WrapKey(session, place.id).unwrap_data(wrapped).hex() == proof["data"]
    if place.type is OBJECT.ASYMMETRIC_KEY:
        return _public(session, place).hex() == proof["public_key"]
    return not proof


def _public(session: AuthSession, place: Place) -> bytes:
    key: Any = AsymmetricKey(session, place.id).get_public_key()  # type: ignore[no-untyped-call]
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return octets
