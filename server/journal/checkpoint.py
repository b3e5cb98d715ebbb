"""Signed checkpoints: where the chain ended at a time, so that its end cannot be cut off unseen.

A chain of hashes shows an edit in its middle to anybody, but whoever may write to the database
can compute a whole new chain, or drop the last entries. A checkpoint is signed with a key that
is not in the database (Ed25519 over the canonical JSON without "signature"); copies of it lie
outside the store.
"""

import enum
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.journal.canonical import (
    HASH_OCTETS,
    MalformedError,
    canonical,
    exactly,
    member,
    octets,
    parse_object,
)
from server.journal.entry import End
from server.journal.moments import format_moment, parse_moment

KEY_ID_OCTETS = 8
SIGNATURE_OCTETS = 64
_VERSION = 1
_MEMBERS = frozenset({"type", "v", "sequence", "hash", "time", "key", "signature"})


class ChainName(enum.StrEnum):
    """Whose end a checkpoint vouches for, in its "type": one key signs both chains."""

    JOURNAL = "checkpoint"
    LEDGER = "ledger-checkpoint"


def key_id_of(public_key: bytes) -> bytes:
    """Name a public key (32 octets): every checkpoint says so which key to check it with."""
    return hashlib.sha256(b"keystead journal key\0" + public_key).digest()[:KEY_ID_OCTETS]


class Signer(Protocol):
    """Signs with the installation's journal key."""

    @property
    def public_key(self) -> bytes:
        """The key that checks its signatures: 32 octets, Ed25519."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 octets."""
        ...


class Checkpoint(NamedTuple):
    """A signed word on where a chain ended. key: the id of the key that signed."""

    end: End
    time_us: int
    key: bytes
    signature: bytes
    chain: ChainName = ChainName.JOURNAL

    def content(self) -> dict[str, Any]:
        """Return everything that the signature covers."""
        return {
            "type": self.chain.value,
            "v": _VERSION,
            "sequence": self.end.sequence,
            "hash": self.end.hash.hex(),
            "time": format_moment(self.time_us),
            "key": self.key.hex(),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the checkpoint as it is exported; `of_json` is the inverse."""
        return {**self.content(), "signature": self.signature.hex()}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Read an exported checkpoint's form, not its signature. MalformedError."""
        exactly(value, _MEMBERS)
        known = value["type"] in set(ChainName)
        if not known or member(value, "v", int) != _VERSION:
            raise MalformedError("not a checkpoint of a version that is known here")
        sequence = member(value, "sequence", int)
        if sequence < 0:
            raise MalformedError("a checkpoint's number is not negative")
        return cls(
            End(sequence, octets(value, "hash", HASH_OCTETS)),
            parse_moment(member(value, "time", str)),
            octets(value, "key", KEY_ID_OCTETS),
            octets(value, "signature", SIGNATURE_OCTETS),
            ChainName(value["type"]),
        )

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read a checkpoint from its line of an export. MalformedError."""
        return cls.of_json(parse_object(line))


def sign_checkpoint(
    end: End, time_us: int, signer: Signer, chain: ChainName = ChainName.JOURNAL
) -> Checkpoint:
    """Return a signed checkpoint. time_us: microseconds since the epoch."""
    unsigned = Checkpoint(end, time_us, key_id_of(signer.public_key), b"", chain)
    return unsigned._replace(signature=signer.sign(canonical(unsigned.content())))


class PublicKeys:
    """The keys that are trusted to sign checkpoints: raw Ed25519 public keys of 32 octets."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys: Mapping[bytes, Ed25519PublicKey] = {
            key_id_of(key): Ed25519PublicKey.from_public_bytes(key) for key in keys
        }

    def doubt(self, checkpoint: Checkpoint) -> str | None:
        """Return why a checkpoint is not to be believed; None when its signature is right."""
        key = self._keys.get(checkpoint.key)
        if key is None:
            return f"it is signed by a key that was not given ({checkpoint.key.hex()})"
        try:
            key.verify(checkpoint.signature, canonical(checkpoint.content()))
        except (InvalidSignature, MalformedError):
            return "its signature is wrong: it was altered, or made by somebody else"
        return None
