"""Files that somebody signed: an envelope around a document, believed under a key that was given.

The signature is Ed25519 over a prefix of the kind of file and the canonical JSON (RFC 8785) of the
document, so that one made for another kind of file is none.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.journal.canonical import canonical, exactly, member, octets, parse_object

KEY_ID_OCTETS = 8
SIGNATURE_OCTETS = 64
_ENVELOPE = frozenset({"document", "key", "signature"})


class UntrustedFileError(Exception):
    """Nobody who is trusted signed this file; the message says what is wrong."""


def key_id_of(public_key: bytes) -> bytes:
    """Name a public key (32 octets), as files name the one that checks them."""
    return hashlib.sha256(b"keystead file key\0" + public_key).digest()[:KEY_ID_OCTETS]


def open_signed(text: bytes, trusted: Iterable[bytes], prefix: bytes) -> dict[str, Any]:
    """Return the document of a file, under keys that are trusted (raw Ed25519, 32 octets each).

    UntrustedFileError; MalformedError.
    """
    envelope = parse_object(text)
    exactly(envelope, _ENVELOPE)
    document: dict[str, Any] = member(envelope, "document", dict)
    key_id = octets(envelope, "key", KEY_ID_OCTETS)
    keys = {key_id_of(key): key for key in trusted}
    if key_id not in keys:
        raise UntrustedFileError(
            f"the file is signed by key {key_id.hex()}, which is not among the trusted ones"
        )
    try:
        Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(
            octets(envelope, "signature", SIGNATURE_OCTETS), prefix + canonical(document)
        )
    except InvalidSignature:
        raise UntrustedFileError(
            "the signature of the file is wrong: it was altered, or made by somebody else"
        ) from None
    return document


def sign_with(
    document: dict[str, Any], public_key: bytes, sign: Callable[[bytes], bytes], prefix: bytes
) -> bytes:
    """Return the file of a document; `open_signed` is its inverse. MalformedError.

    sign: with the private half of `public_key`, Ed25519.
    """
    envelope = {
        "document": document,
        "key": key_id_of(public_key).hex(),
        "signature": sign(prefix + canonical(document)).hex(),
    }
    return json.dumps(envelope, indent=1, sort_keys=True).encode() + b"\n"
