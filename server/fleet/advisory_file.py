"""The signed file of all advisories: read strictly, believed only under a key that was given.

The signature is Ed25519 over a fixed prefix and the canonical JSON (RFC 8785) of the document, so a
signature made for anything else is none. `edition` counts up: whoever keeps a file refuses an older
one, for an old file hides what came since.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

from server.fleet.advisory import Advisory
from server.fleet.file_members import day_of
from server.fleet.lifecycle import Lifecycle
from server.fleet.signed_file import KEY_ID_OCTETS, open_signed, sign_with
from server.fleet.software import Newest, SoftwareAdvisory
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
MAX_EDITION = 10**9
"""Whoever has a key for a while must not leave an edition that nothing comes after."""

PREFIX = b"keystead advisories\0"
MAX_FILE_OCTETS = 1 << 20
_LISTS = frozenset({"advisories", "software", "lifecycle", "releases"})
_DOCUMENT = _LISTS | {"format", "edition", "issued"}


class AdvisoryFile(NamedTuple):
    """All that a file says. edition: its number; issued: the day it was made.

    releases: the newest ones of programs, by package; digest: of the whole document.
    """

    edition: int
    issued: date
    advisories: tuple[Advisory, ...]
    software: tuple[SoftwareAdvisory, ...]
    lifecycle: tuple[Lifecycle, ...]
    releases: tuple[Newest, ...] = ()
    digest: str = ""


def sign(document: dict[str, Any], public_key: bytes, signed: Callable[[bytes], bytes]) -> bytes:
    """Return the file of a document that is understood. signed: signs with Ed25519.

    MalformedError: nobody who loads it would take it.
    """
    read_document(document)
    text = sign_with(document, public_key, signed, PREFIX)
    _check_size(text)
    return text


def verify(text: bytes, trusted: Iterable[bytes]) -> AdvisoryFile:
    """Read a file under the keys that are trusted (raw Ed25519, 32 octets each).

    UntrustedFileError; MalformedError for a signed file that is not understood: all of it is
    refused, for half of the advisories would be taken for all.
    """
    _check_size(text)
    return read_document(open_signed(text, trusted, PREFIX))


def signer_of(text: bytes) -> bytes:
    """Return the id of the key that a file says it is signed by. MalformedError."""
    return octets(parse_object(text), "key", KEY_ID_OCTETS)


def _check_size(text: bytes) -> None:
    if len(text) > MAX_FILE_OCTETS:
        raise MalformedError(f"the file is larger than {MAX_FILE_OCTETS:,} octets")


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
    if not 1 <= edition <= MAX_EDITION:
        raise MalformedError(f"editions count from 1 to {MAX_EDITION:,}")
    advisories = tuple(map(Advisory.of_json, _objects(document, "advisories")))
    software = tuple(map(SoftwareAdvisory.of_json, _objects(document, "software")))
    releases = tuple(map(Newest.of_json, _objects(document, "releases")))
    _once("advisory", [one.advisory_id for one in advisories])
    _once("the release of", [one.package for one in releases])
    return AdvisoryFile(
        edition,
        day_of(document, "issued"),
        advisories,
        software,
        tuple(map(Lifecycle.of_json, _objects(document, "lifecycle"))),
        releases,
        hashlib.sha256(canonical(document)).hexdigest(),
    )


def _once(what: str, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MalformedError(f"{what} {twice[0]} stands twice")


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed: list[Any] = member(document, name, list)
    if len(listed) > MAX_LISTED:
        raise MalformedError(f'"{name}" holds more than {MAX_LISTED:,}')
    if not all(isinstance(one, dict) for one in listed):
        raise MalformedError(f'"{name}" holds JSON objects')
    return listed
