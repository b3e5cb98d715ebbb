"""A record of the archive: what one read of a device's log brought, chained and signed.

Each line holds the SHA-256 of the line before, so an archive is a chain of its own, around the
device's. It is signed by the journal's key (Ed25519 over the line without "signature").
"""

import hashlib
from typing import Any, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hsm.audit.entry import ENTRY_OCTETS, Entry, LogRead
from hsm.audit.finding import Finding, Kind
from hsm.audit.lines import (
    DamagedLineError,
    exactly,
    line_of,
    listed,
    octets,
    of_hex,
    parse_line,
    text,
    whole,
)
from hsm.audit.standing import Standing

BEGINNING = bytes(32)
"""What stands for the line before the first."""
_TYPE, _VERSION = "hsm-log", 1
_HASH_OCTETS, _KEY_ID_OCTETS, _SIGNATURE_OCTETS = 32, 8, 64
_MEMBERS = frozenset(
    {
        "type",
        "v",
        "sequence",
        "previous",
        "serial",
        "time_us",
        "before",
        "boots",
        "authentications",
        "entries",
        "findings",
        "after",
        "key",
        "signature",
    }
)


class Signer(Protocol):
    """Signs with the installation's journal key."""

    @property
    def public_key(self) -> bytes:
        """The key that checks its signatures: 32 octets, Ed25519."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 octets."""
        ...


def key_id_of(public_key: bytes) -> bytes:
    """Name a public key, as the journal's checkpoints do."""
    return hashlib.sha256(b"keystead journal key\0" + public_key).digest()[:_KEY_ID_OCTETS]


class Record(NamedTuple):
    """One read. sequence: counts from 1 in this archive; previous: SHA-256 of the line before.

    before, after: how far the log was read; time_us: microseconds since the epoch, by the host's
    clock. Of the log only what is new is in it.
    """

    sequence: int
    previous: bytes
    serial: int
    time_us: int
    before: Standing | None
    log: LogRead
    findings: tuple[Finding, ...]
    after: Standing | None
    key: bytes = b""
    signature: bytes = b""

    def content(self) -> dict[str, Any]:
        """Return everything that the signature covers."""
        return {
            "type": _TYPE,
            "v": _VERSION,
            "sequence": self.sequence,
            "previous": self.previous.hex(),
            "serial": self.serial,
            "time_us": self.time_us,
            "before": self.before and self.before.to_json(),
            "boots": self.log.boots,
            "authentications": self.log.authentications,
            "entries": [entry.encode().hex() for entry in self.log.entries],
            "findings": [
                {"kind": found.kind.value, "number": found.number, "what": found.what}
                for found in self.findings
            ],
            "after": self.after and self.after.to_json(),
            "key": self.key.hex(),
        }

    def signed(self, signer: Signer) -> Self:
        """Return the record with a signature."""
        named = self._replace(key=key_id_of(signer.public_key))
        return named._replace(signature=signer.sign(line_of(named.content())))

    def line(self) -> bytes:
        """Return its line, without the line feed; `parse` is the inverse."""
        return line_of({**self.content(), "signature": self.signature.hex()})

    @property
    def hash(self) -> bytes:
        """SHA-256 of its line."""
        return hashlib.sha256(self.line()).digest()

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is this key's."""
        try:
            key.verify(self.signature, line_of(self.content()))
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read a line's form, not its signature; DamagedLineError."""
        value = parse_line(line)
        exactly(value, _MEMBERS)
        if value["type"] != _TYPE or value["v"] != _VERSION:
            raise DamagedLineError("it is no record of a version that is known here")
        entries = tuple(_entry(one) for one in listed(value, "entries"))
        return cls(
            whole(value, "sequence"),
            octets(value, "previous", _HASH_OCTETS),
            whole(value, "serial"),
            whole(value, "time_us"),
            _standing(value["before"]),
            LogRead(whole(value, "boots"), whole(value, "authentications"), entries),
            tuple(_finding(one) for one in listed(value, "findings")),
            _standing(value["after"]),
            octets(value, "key", _KEY_ID_OCTETS),
            octets(value, "signature", _SIGNATURE_OCTETS),
        )


def _entry(written: object) -> Entry:
    if not isinstance(written, str):
        raise DamagedLineError("an entry is not written as hexadecimal digits")
    return Entry.parse(of_hex(written, ENTRY_OCTETS))


def _finding(value: object) -> Finding:
    if not isinstance(value, dict):
        raise DamagedLineError("a finding is none")
    exactly(value, frozenset({"kind", "number", "what"}))
    try:
        kind = Kind(text(value, "kind"))
    except ValueError:
        raise DamagedLineError("a finding is of a kind that is not known here") from None
    number = None if value["number"] is None else whole(value, "number")
    return Finding(kind, number, text(value, "what"))


def _standing(value: object) -> Standing | None:
    return None if value is None else Standing.of_json(value)
