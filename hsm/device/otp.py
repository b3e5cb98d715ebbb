"""The OTP commands' payloads, with names and orders of octets set right.

DECRYPT_OTP answers session(2) use(1) clock high(1) clock low(2), little-endian. The library calls
our session counter `use_counter` and our use counter `session_counter`: by position, never by name.
"""

import struct

from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import OtpAeadKey

from validation.otp import OtpFields

AEAD_OCTETS = 36
OTP_OCTETS = 16
AES_KEY_OCTETS = 16
PRIVATE_ID_OCTETS = 6

_ANSWER = struct.Struct("<HBBH")
_CREATE = struct.Struct(f"!H{AES_KEY_OCTETS}s{PRIVATE_ID_OCTETS}s")
_DECRYPT = struct.Struct(f"!H{AEAD_OCTETS}s{OTP_OCTETS}s")


def decrypt_payload(key: int, aead: bytes, otp: bytes) -> bytes:
    """Ask to open an OTP. key: the object's id. ValueError for another length."""
    if len(aead) != AEAD_OCTETS or len(otp) != OTP_OCTETS:
        raise ValueError(f"an AEAD has {AEAD_OCTETS} octets, an OTP {OTP_OCTETS}")
    return _DECRYPT.pack(key, aead, otp)


def create_payload(key: int, aes_key: bytes, private_id: bytes) -> bytes:
    """Ask to seal a credential. key: the object's id. ValueError for another length."""
    if len(aes_key) != AES_KEY_OCTETS or len(private_id) != PRIVATE_ID_OCTETS:
        raise ValueError(
            f"an AES key has {AES_KEY_OCTETS} octets, a private id {PRIVATE_ID_OCTETS}"
        )
    return _CREATE.pack(key, aes_key, private_id)


def parse_decrypted(answer: bytes) -> OtpFields:
    """Read the counters; the private id stays in the device, which compared it. struct.error."""
    session, use, high, low = _ANSWER.unpack(answer)
    return OtpFields(b"", session, high << 16 | low, use, 0)


def put_otp_aead_key(
    session: AuthSession,
    object_id: int,
    label: str,
    *,
    domains: int,
    capabilities: CAPABILITY,
    algorithm: ALGORITHM,
    nonce_id: int,
    key: bytes,
) -> OtpAeadKey:
    """Import an OTP AEAD key, whose nonce_id means the same as with `OtpAeadKey.generate`.

    The library sends it little-endian here and big-endian there: a key that was generated and
    one that was put with the same number would not open each other's AEADs.
    """
    swapped = int.from_bytes(nonce_id.to_bytes(4, "big"), "little")
    return OtpAeadKey.put(session, object_id, label, domains, capabilities, algorithm, swapped, key)
