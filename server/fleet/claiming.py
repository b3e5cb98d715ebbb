"""What a host's user says of a key, read strictly (docs/agent.md). Who signed it is known."""

import re
from datetime import date
from typing import NamedTuple

from agent.report import MAX_SEQUENCE, MAX_SERIAL, Identity
from server.accounts.text import InputError
from server.fleet.absorbing import key_id_of
from server.fleet.holders import HolderKind, checked_person
from server.fleet.hosts import HostState
from server.fleet.receipt import Receipt
from server.journal.canonical import MalformedError, exactly, member, parse_object

FORMAT = 1
MAX_OCTETS = 4 * 1024
MAX_CLAIMS_OF_HOST = 200
"""Keys about which one host may say something."""

_MEMBERS = frozenset({"format", "id", "host", "number", "day", "key", "person", "kind"})
_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class UnknownClaimFormatError(Exception):
    """The agent speaks a format that this version does not know."""

    def __init__(self, found: int) -> None:
        super().__init__(f"format {found} of claims is not known here: upgrade Keystead")


class AskedClaim(NamedTuple):
    """A claim as it came. claim_id: random; number: counts the host's; day: by its clock."""

    claim_id: str
    host_id: str
    number: int
    day: date
    key_id: str
    person: str
    kind: HolderKind


class Earlier(NamedTuple):
    """What the same host's user said of the same key before."""

    claim_id: str
    number: int


def weigh(
    claim: AskedClaim, state: HostState | None, earlier: Earlier | None, *, taken: bool, mine: int
) -> Receipt:
    """Return what becomes of a claim. state: the host's, None = there is no such host.

    taken: another claim has its id; mine: of how many keys the host claims something.
    """
    if state is None or state is HostState.REPLACED:
        return Receipt.UNKNOWN_HOST
    if state is HostState.ERASED:
        return Receipt.ERASED
    if earlier is not None and earlier.claim_id == claim.claim_id:
        return Receipt.AGAIN
    # A number that does not rise is an older claim: the host was copied, or put back.
    if taken or (earlier is not None and claim.number <= earlier.number):
        return Receipt.CLASH
    return Receipt.FULL if earlier is None and mine >= MAX_CLAIMS_OF_HOST else Receipt.NEW


def read_claim(body: bytes) -> AskedClaim:
    """Read a claim. MalformedError, UnknownClaimFormatError."""
    found = parse_object(body)
    version = member(found, "format", int)
    if version != FORMAT:
        raise UnknownClaimFormatError(version)
    exactly(found, _MEMBERS)
    host_id, number = _matching(found, "host", _ID), member(found, "number", int)
    if not 1 <= number <= MAX_SEQUENCE:
        raise MalformedError(f'"number" is not from 1 to {MAX_SEQUENCE}')
    try:
        day = date.fromisoformat(member(found, "day", str))
        kind = HolderKind(member(found, "kind", str))
        person = checked_person(member(found, "person", str))
    except InputError as error:
        raise MalformedError(f'"person": {error}') from None
    except ValueError:
        raise MalformedError('"day" is no day, or "kind" none of primary, spare, lost') from None
    key_id = key_id_of(_identity(member(found, "key", dict)), host_id)
    return AskedClaim(_matching(found, "id", _ID), host_id, number, day, key_id, person, kind)


def _identity(found: dict[str, object]) -> Identity:
    if len(found) != 1 or not found.keys() <= set(Identity._fields):
        raise MalformedError('"key" has not exactly one of serial, serial_hash, kind')
    if "serial" in found:
        serial: int = member(found, "serial", int)
        if not 1 <= serial <= MAX_SERIAL:
            raise MalformedError(f'"serial" is not from 1 to {MAX_SERIAL}')
        return Identity(serial=serial)
    if "serial_hash" in found:
        return Identity(serial_hash=_matching(found, "serial_hash", _DIGEST))
    return Identity(kind=_matching(found, "kind", _DIGEST))


def _matching(found: dict[str, object], name: str, pattern: re.Pattern[str]) -> str:
    text: str = member(found, name, str)
    if pattern.fullmatch(text) is None:
        raise MalformedError(f'"{name}" is not of the form {pattern.pattern}')
    return text
