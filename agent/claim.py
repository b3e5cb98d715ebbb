"""A claim: what this host's user says of who holds a key. Pure; docs/agent.md describes it."""

import json
from datetime import date

from agent.report import Identity

FORMAT = 1
MAX_PERSON = 100


class ClaimError(ValueError):
    """Nobody could take this claim. The message is for people."""


def checked_person(person: str) -> str:
    """Return a person's name. ClaimError."""
    person = person.strip()
    if not 1 <= len(person) <= MAX_PERSON or not person.isprintable():
        raise ClaimError(f"a person's name has 1 to {MAX_PERSON} characters that can be shown")
    return person


def encode_claim(
    claim_id: str,
    host: str,
    number: int,
    day: date,
    key: Identity,
    *,
    person: str,
    kind: str,
) -> bytes:
    """Return a claim as it is sent. number: counts a host's claims from 1."""
    known = {name: value for name, value in key._asdict().items() if value is not None}
    value = {
        "format": FORMAT,
        "id": claim_id,
        "host": host,
        "number": number,
        "day": day.isoformat(),
        "key": known,
        "person": person,
        "kind": kind,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
