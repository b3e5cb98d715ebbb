"""Signatures of hosts: Ed25519 over a context and the body exactly as it came."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_SCHEME = "ed25519="
_OCTETS = 64


class BadSignatureError(Exception):
    """The host that is named did not sign this."""

    def __init__(self) -> None:
        super().__init__("the signature is missing or wrong: this host's key did not make it")


class HostKey:
    """The public key of a host: 32 octets."""

    __slots__ = ("_key",)

    def __init__(self, public_key: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    def check(self, message: bytes, signature: bytes) -> None:
        """Return if the host signed this message; BadSignatureError."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise BadSignatureError from None


def read_signature(header: str) -> bytes:
    """Return the signature of a header (docs/agent.md); BadSignatureError."""
    if not header.startswith(_SCHEME):
        raise BadSignatureError
    try:
        signature = base64.b64decode(header[len(_SCHEME) :], validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != _OCTETS:
        raise BadSignatureError
    return signature
