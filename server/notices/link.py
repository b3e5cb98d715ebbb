"""The signed link by which somebody acknowledges: for one incident, one person, a while.

A token is read and signed here and nowhere else. It names nobody: of the person it has a digest
with the installation's salt, which says nothing to whoever finds it in a proxy's log. Signed with
the installation's Ed25519 key, so that those who check links could make none.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Mapping
from typing import NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.journal.checkpoint import KEY_ID_OCTETS, SIGNATURE_OCTETS, Signer, key_id_of

PERSON_OCTETS = 8
_DOMAIN = b"keystead acknowledgement 1\0"
"""No checkpoint begins so: a signature of one kind is none of the other."""

_CONTENT = struct.Struct(f"!B{KEY_ID_OCTETS}sQ{PERSON_OCTETS}sQH")
_VERSION = 2
TOKEN_OCTETS = _CONTENT.size + SIGNATURE_OCTETS
TOKEN_CHARACTERS = -(-TOKEN_OCTETS * 4 // 3)
NOT_OURS = "this link is not one that was sent from here. Was all of it copied?"
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}", re.ASCII)


class LinkError(Exception):
    """The token is none of ours, was altered, or is too old. The message says it to a person."""


class PublicKeySource(Protocol):
    """Knows the public keys of the machines that sign links."""

    async def public_key(self, key_id: bytes) -> bytes | None:
        """Return a key (32 octets, Ed25519) by its id, None when nobody here has it."""
        ...


def person_mark(salt: bytes, name: str) -> bytes:
    """Return what stands for a person in a link. salt: the installation's own."""
    digest = hashlib.sha256(b"keystead person\0" + salt + b"\0" + name.encode())
    return digest.digest()[:PERSON_OCTETS]


def find_person(salt: bytes, mark: bytes, names: Mapping[str, object]) -> str | None:
    """Return whose mark it is; None when that one is not among `names` any more."""
    return next((name for name in names if person_mark(salt, name) == mark), None)


class AcknowledgementLink(NamedTuple):
    """What a link says. person: a mark; expires_s: Unix seconds, it is good until then.

    opening: how often the incident had been opened again: a link is for that opening alone.
    """

    incident_id: int
    person: bytes
    expires_s: int
    opening: int = 0

    def sign(self, signer: Signer) -> str:
        """Return the token; `read` is the inverse."""
        content = self._content(key_id_of(signer.public_key))
        octets = content + signer.sign(_DOMAIN + content)
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    def _content(self, key_id: bytes) -> bytes:
        return _CONTENT.pack(_VERSION, key_id, *self)

    @classmethod
    async def read(cls, token: str, keys: PublicKeySource, now_s: int) -> Self:
        """Check a token and return what it says; LinkError."""
        octets = _octets(token)
        content, signature = octets[: _CONTENT.size], octets[_CONTENT.size :]
        version, key_id, incident_id, person, expires_s, opening = _CONTENT.unpack(content)
        public_key = await keys.public_key(key_id) if version == _VERSION else None
        if public_key is None:
            raise _not_ours()
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _DOMAIN + content)
        except (InvalidSignature, ValueError):
            raise _not_ours() from None
        if now_s >= expires_s:
            raise LinkError("this link is too old. The newest message has one that works")
        return cls(incident_id, person, expires_s, opening)


def _not_ours() -> LinkError:
    return LinkError(NOT_OURS)


def is_token(text: str) -> bool:
    """Whether a text has the form of a token; what it says is another question."""
    return _TOKEN.fullmatch(text) is not None


def _octets(token: str) -> bytes:
    if not is_token(token):
        raise _not_ours()
    try:
        octets = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    # Bits beyond the last octet: one link has one spelling.
    if base64.urlsafe_b64encode(octets).rstrip(b"=").decode() != token:
        raise _not_ours()
    return octets
