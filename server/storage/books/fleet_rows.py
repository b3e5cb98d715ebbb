"""Rows of the fleet's tables and the values of its room, one into the other."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row

from agent.report import Value
from server.fleet.absorbing import KnownKey
from server.fleet.claims import Claim, KnownFact
from server.fleet.enrolment import Token
from server.fleet.firmware import Version, VersionError
from server.fleet.health import Level
from server.fleet.holders import Holder, HolderClaim, HolderKind
from server.fleet.hosts import Host, HostState
from server.fleet.intake import Standing
from server.fleet.trust import Trust, trust_of

LEVELS: Mapping[Level | None, int] = {None: 0, Level.NOTICE: 1, Level.WARNING: 2, Level.DANGER: 3}
_STEP = 1_000
_PARTS = 3
LEVEL_OF: Mapping[int, Level | None] = {number: level for level, number in LEVELS.items()}


def day_of(now_us: int) -> date:
    """Return the day (UTC) of a time of the store."""
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).date()


def host_of(row: Row[Any]) -> Host:
    """Read a host."""
    return Host(
        row.host_id,
        row.name,
        row.public_key,
        HostState(row.state),
        row.system,
        row.agent,
        row.enrolled_us,
        row.release,
        row.reported_us,
        row.sequence,
        row.report_id,
        row.dropped,
        row.missing,
        row.clashes,
        row.altered,
        row.person,
        row.person_after,
        row.silent_us,
        json.loads(row.software),
    )


def holder_of(row: Row[Any]) -> Holder:
    """Read who holds a key."""
    return Holder(row.key_id, row.person, HolderKind(row.kind), row.after, row.lost)


def claim_of(row: Row[Any]) -> HolderClaim:
    """Read what a host's user says of a key."""
    return HolderClaim(
        row.key_id,
        row.host_id,
        row.claim_id,
        row.number,
        row.day,
        row.person,
        HolderKind(row.kind),
    )


def token_of(row: Row[Any]) -> Token:
    """Read a token."""
    return Token(row.token_id, row.digest, row.host_name, row.expires_us, row.replaces, row.host_id)


def key_of(row: Row[Any]) -> KnownKey:
    """Read what is known of a key."""
    said, written = date.fromisoformat(row.said), json.loads(row.facts)
    return KnownKey(
        row.key_id,
        row.serial,
        {name: _fact(fact, said, row.host_id) for name, fact in written.items()},
        json.loads(row.unreadable),
        date.fromisoformat(row.first_seen),
        date.fromisoformat(row.last_seen),
        said,
        frozenset(name for name, fact in written.items() if len(fact) == 1),
    )


def _fact(written: Sequence[Any], said: date, said_by: str) -> KnownFact:
    """Read a fact. said, said_by: of the newest word, whose facts tell neither day nor host."""
    if len(written) == 1:
        return KnownFact(_value(written[0]), said, said_by)
    value, day, host_id, *more = written
    trust, others = _trust_and_others(more)
    claims = tuple(Claim(_value(other), date.fromisoformat(on), by) for other, on, by in others)
    return KnownFact(_value(value), date.fromisoformat(day), host_id, claims, trust)


def standing_of(row: Any) -> Standing:  # noqa: ANN401 - a row with these columns
    """Read how a key stands."""
    return Standing(
        row.digest,
        row.host_id,
        date.fromisoformat(row.judged),
        date.fromisoformat(row.last_seen),
        row.changes,
        date.fromisoformat(row.said),
        bool(row.whole),
    )


def write_facts(key: KnownKey) -> str:
    """Write the facts of a key as `key_of` reads them.

    What is of the newest word has no day and no host of its own: when that comes again on a later
    day, as nearly all do, nothing of this is written anew.
    """
    return _json(
        {
            name: [fact.value] if name in key.repeats and _is_plain(key, fact) else _whole(fact)
            for name, fact in key.facts.items()
        }
    )


def _is_plain(key: KnownKey, fact: KnownFact) -> bool:
    """Tell whether a fact is just as the newest word has it: a proof may have come between."""
    return fact.day == key.said and fact.trust is Trust.HOST_SIGNED and not fact.others


def _whole(fact: KnownFact) -> list[object]:
    return [
        *_said(fact.value, fact.day, fact.host_id),
        *(() if fact.trust is Trust.HOST_SIGNED else (fact.trust.word,)),
        *(_said(claim.value, claim.day, claim.host_id) for claim in fact.others),
    ]


def _trust_and_others(more: list[Any]) -> tuple[Trust, list[Any]]:
    """Read what follows a fact's host: the level, unless it is the usual one, and other words."""
    if more and isinstance(more[0], str):
        return trust_of(more[0]), more[1:]
    return Trust.HOST_SIGNED, more


def _said(value: Value, day: date, host_id: str) -> list[object]:
    return [value, day.isoformat(), host_id]


def write_unreadable(key: KnownKey) -> str:
    """Write the reasons of a key."""
    return _json(dict(key.unreadable))


def write_value(value: Value | None) -> str:
    """Write one value; `read_value` is the inverse."""
    return _json(value)


def read_value(text: str) -> Value | None:
    """Read one value."""
    found = json.loads(text)
    return None if found is None else _value(found)


def firmware_number(version: tuple[int, ...]) -> int:
    """Return a version as one number, in order. Missing parts count as 0."""
    number = 0
    for part in (*version, 0, 0, 0)[:_PARTS]:
        number = number * _STEP + part
    return number


def firmware_of(key: KnownKey) -> int | None:
    """Return the firmware that a key reports, as one number; None where it does not."""
    fact = key.facts.get("device.firmware")
    try:
        version = Version.parse(fact.value) if fact and isinstance(fact.value, str) else None
    except VersionError:
        version = None
    return None if version is None else firmware_number(version)


def firmware_range(beginning: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers [from, below) of all versions that begin so."""
    parts = beginning[:_PARTS]
    below = (*parts[:-1], parts[-1] + 1)
    return firmware_number(parts), firmware_number(below)


def firmware_text(number: int | None) -> str:
    """Return the version of a number; "" for none."""
    if number is None:
        return ""
    return f"{number // _STEP**2}.{number // _STEP % _STEP}.{number % _STEP}"


def _value(found: Any) -> Value:  # noqa: ANN401 - what was written by `write_facts`
    return tuple(found) if isinstance(found, list) else found


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
