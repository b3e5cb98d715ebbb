"""Evidence of a day: a client's segment, and the digests of everybody's, which the ledger sums up.

A line of JSON for each day: `{"day": "2026-10-03", "digests": [[0, "..."], [7, "..."]], "segments":
[...]}`. Whoever holds it proves a segment against the ledger without seeing anybody else's.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from server.journal.canonical import (
    HASH_OCTETS,
    MalformedError,
    exactly,
    member,
    parse_object,
)
from server.uptime.segment import PROBES, Segment, day_name, parse_day, root_of_digests

_MEMBERS = frozenset({"day", "digests", "segments"})
_PAIR = 2


class EvidenceError(ValueError):
    """Evidence is none, or does not belong to the ledger; the message says what is wrong."""


class DayEvidence(NamedTuple):
    """A day since the epoch. digests: of everybody's segment; segments: of whom it is about."""

    day: int
    digests: Mapping[int, bytes]
    segments: Mapping[int, Segment]

    def root(self) -> bytes:
        """Return the digest that the ledger must hold (`server.uptime.segment.root_of`)."""
        return root_of_digests(self.digests)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; `of_json` is the inverse."""
        return {
            "day": day_name(self.day),
            "digests": [[client, digest.hex()] for client, digest in sorted(self.digests.items())],
            "segments": [one.to_json() for _, one in sorted(self.segments.items())],
        }

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "DayEvidence":
        """Read evidence whose segments are what their digests say. EvidenceError."""
        try:
            exactly(value, _MEMBERS)
            day = parse_day(member(value, "day", str))
            digests = dict(_pair(one) for one in member(value, "digests", list))
            segments = [Segment.of_json(one) for one in member(value, "segments", list)]
        except (MalformedError, TypeError, AttributeError) as error:
            raise EvidenceError(f"this is no evidence of a day: {error}") from None
        found = cls(day, digests, {one.client_id: one for one in segments})
        for client, one in found.segments.items():
            if one.first_day != day or digests.get(client) != one.digest():
                raise EvidenceError(
                    f"the minutes of Client ID {client} on {day_name(day)} are not those that the"
                    " digest beside them says: they were altered"
                )
        return found


def evidence_of(segments: Iterable[Segment], clients: Collection[int]) -> list[DayEvidence]:
    """Return the evidence of each day that segments have, about some clients."""
    digests: dict[int, dict[int, bytes]] = {}
    shown: dict[int, dict[int, Segment]] = {}
    for packed in segments:
        if packed.client_id == PROBES:  # they stand in the ledger themselves
            continue
        for day in range(packed.first_day, packed.first_day + len(packed.days)):
            one = packed.day(day)
            if one is None:
                continue
            digests.setdefault(day, {})[one.client_id] = one.digest()
            if one.client_id in clients:
                shown.setdefault(day, {})[one.client_id] = one
    return [DayEvidence(day, found, shown.get(day, {})) for day, found in sorted(digests.items())]


def read_evidence(lines: Iterable[bytes]) -> Iterator[DayEvidence]:
    """Read lines of evidence, or everybody's minutes, of which it is made. EvidenceError."""
    minutes: list[Segment] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = parse_object(line)
            if "digests" in value:
                yield DayEvidence.of_json(value)
            else:
                minutes.append(Segment.of_json(value))
        except (MalformedError, EvidenceError) as error:
            raise EvidenceError(f"line {number} of the evidence: {error}") from None
    yield from evidence_of(minutes, {one.client_id for one in minutes})


def _pair(value: Any) -> tuple[int, bytes]:  # noqa: ANN401 - JSON
    if not isinstance(value, list) or len(value) != _PAIR or type(value[0]) is not int:
        raise MalformedError('"digests" is not a list of Client IDs with their digests')
    digest = bytes.fromhex(value[1]) if isinstance(value[1], str) else b""
    if len(digest) != HASH_OCTETS:
        raise MalformedError('"digests" is not a list of Client IDs with their digests')
    return value[0], digest
