"""The signed file of all advisories: read strictly, believed only under a key that was given.

The signature is Ed25519 over a fixed prefix and the canonical JSON (RFC 8785) of the document, so a
signature made for anything else is none. `edition` counts up: whoever keeps a file refuses an older
one, for an old file hides what came since.
"""

import hashlib
from collections.abc import Iterable
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.fleet.advisory import Advisory
from server.fleet.firmware import Version, parse_beginning
from server.fleet.product_lines import ProductLine
from server.fleet.software import SoftwareAdvisory
from server.journal.canonical import (
    MalformedError,
    canonical,
    exactly,
    member,
    octets,
    parse_object,
)

FORMAT = 1
MAX_LISTED = 2_000
KEY_ID_OCTETS = 8
SIGNATURE_OCTETS = 64
_PREFIX = b"keystead advisories\0"
_DOCUMENT = frozenset({"format", "edition", "issued", "advisories", "software", "lifecycle"})
_LIFECYCLE = frozenset({"line", "firmware", "fact", "date", "source"})


class UntrustedError(Exception):
    """Nobody who is trusted signed this file; the message says what is wrong."""


class Lifecycle(NamedTuple):
    """Something that holds for all keys of a line and firmware from a day on.

    firmware: the first numbers of a version, such as (5, 4) or (5, 7, 4).
    """

    line: ProductLine
    firmware: tuple[int, ...]
    fact: str
    day: date
    source: str

    def concerns(self, line: ProductLine, firmware: Version) -> bool:
        """Tell whether it is about keys of this line and firmware."""
        return line is self.line and tuple(firmware)[: len(self.firmware)] == self.firmware


class AdvisoryFile(NamedTuple):
    """All that a file says. edition: its number; issued: the day it was made."""

    edition: int
    issued: date
    advisories: tuple[Advisory, ...]
    software: tuple[SoftwareAdvisory, ...]
    lifecycle: tuple[Lifecycle, ...]


def key_id_of(public_key: bytes) -> bytes:
    """Name a public key (32 octets), as files name the one that checks them."""
    return hashlib.sha256(b"keystead advisory key\0" + public_key).digest()[:KEY_ID_OCTETS]


def signed_over(document: dict[str, Any]) -> bytes:
    """Return what the signature of a document is made over. MalformedError."""
    return _PREFIX + canonical(document)


def verify(text: bytes, trusted: Iterable[bytes]) -> AdvisoryFile:
    """Read a file under the keys that are trusted (raw Ed25519, 32 octets each).

    UntrustedError; MalformedError for a signed file that is not understood: all of it is refused,
    for half of the advisories would be taken for all.
    """
    envelope = parse_object(text)
    exactly(envelope, frozenset({"document", "key", "signature"}))
    document = member(envelope, "document", dict)
    key_id = octets(envelope, "key", KEY_ID_OCTETS)
    keys = {key_id_of(key): key for key in trusted}
    if key_id not in keys:
        raise UntrustedError(
            f"the file is signed by key {key_id.hex()}, which is not among the trusted ones"
        )
    try:
        Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(
            octets(envelope, "signature", SIGNATURE_OCTETS), signed_over(document)
        )
    except InvalidSignature:
        raise UntrustedError(
            "the signature of the file is wrong: it was altered, or made by somebody else"
        ) from None
    return read_document(document)


def shipped() -> AdvisoryFile:
    """Return what came with this version: to be believed as much as the program itself."""
    text = resources.files("server.fleet").joinpath("advisories.json").read_bytes()
    return read_document(parse_object(text))


def read_document(document: dict[str, Any]) -> AdvisoryFile:
    """Read what was signed. MalformedError."""
    exactly(document, _DOCUMENT)
    if member(document, "format", int) != FORMAT:
        raise MalformedError(
            f"the file has format {document['format']}, and this version reads format {FORMAT}:"
            " upgrade Keystead"
        )
    edition = member(document, "edition", int)
    if edition < 1:
        raise MalformedError("editions count from 1")
    advisories = tuple(map(Advisory.of_json, _objects(document, "advisories")))
    names = [advisory.advisory_id for advisory in advisories]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MalformedError(f"advisory {twice[0]} stands twice")
    return AdvisoryFile(
        edition,
        _day(document, "issued"),
        advisories,
        tuple(map(SoftwareAdvisory.of_json, _objects(document, "software"))),
        tuple(map(_lifecycle, _objects(document, "lifecycle"))),
    )


def _lifecycle(value: dict[str, Any]) -> Lifecycle:
    exactly(value, _LIFECYCLE)
    try:
        line = ProductLine(value["line"])
        firmware = parse_beginning(member(value, "firmware", str))
    except ValueError as error:
        raise MalformedError(f"lifecycle: {error}") from None
    return Lifecycle(
        line,
        firmware,
        member(value, "fact", str),
        _day(value, "date"),
        member(value, "source", str),
    )


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed: list[Any] = member(document, name, list)
    if len(listed) > MAX_LISTED:
        raise MalformedError(f'"{name}" holds more than {MAX_LISTED:,}')
    if not all(isinstance(one, dict) for one in listed):
        raise MalformedError(f'"{name}" holds JSON objects')
    return listed


def _day(value: dict[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(member(value, name, str))
    except ValueError:
        raise MalformedError(f'"{name}" is not a day such as 2026-11-27') from None
