"""Whether exported minutes are those that the ledger committed to. Pure.

A file of minutes is the segments of days as lines of JSON, those of a day next to each other. The
ledger's entry of a day holds one digest of all its segments, and a later amendment another one;
what probers found stands in entries as it is.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from server.journal.canonical import MalformedError, parse_object
from server.journal.chain import Fault, Link
from server.ledger.entry import Entry, Kind
from server.uptime.segment import PROBES, Segment, day_name, root_of

_DAY = "day "


class MinutesVerdict(NamedTuple):
    """What was found. proved: days whose minutes are as they were; missing: days without any.

    fault: the first day that is another; its number is that of its entry.
    """

    proved: int
    missing: int
    fault: Fault | None


class _Committed(NamedTuple):
    sequence: int
    root: str
    segments: int


class MinutesProof:
    """Is told of a ledger's entries first, then holds minutes against them."""

    def __init__(self) -> None:
        self._days: dict[str, _Committed] = {}
        self._probes: dict[str, Any] = {}

    def tell(self, link: Link) -> None:
        """Take an entry that is good as far as the chain goes."""
        if not isinstance(link, Entry) or link.payload is None:
            return
        value = link.payload.value
        amends = link.kind == Kind.AMENDMENT and link.subject.startswith(_DAY)
        if not amends and link.kind not in {Kind.MINUTES, Kind.PROBES}:
            return
        day = link.subject.removeprefix(_DAY)
        root, segments = value.get("root"), value.get("segments")
        if isinstance(root, str) and isinstance(segments, int):
            self._days[day] = _Committed(link.sequence, root, segments)
        if "probes" in value:
            self._probes[day] = value["probes"]

    def hold(self, lines: Iterable[bytes]) -> MinutesVerdict:
        """Hold a file of minutes against what was told."""
        seen: set[str] = set()
        try:
            for number, found in groupby(_segments(lines), lambda one: one.first_day):
                day = day_name(number)
                fault = self._look(day, list(found), again=day in seen)
                if fault is not None:
                    return MinutesVerdict(len(seen), 0, fault)
                seen.add(day)
        except MalformedError as error:
            return MinutesVerdict(len(seen), 0, Fault(0, f"the minutes: {error}"))
        missing = sum(one.segments > 0 for day, one in self._days.items() if day not in seen)
        return MinutesVerdict(len(seen), missing, None)

    def _look(self, day: str, segments: list[Segment], *, again: bool) -> Fault | None:
        committed = self._days.get(day)
        if again or committed is None:
            why = "stand apart" if again else "are in no entry of the ledger"
            return Fault(0, f"the minutes of {day} {why}")
        own = [one for one in segments if one.client_id != PROBES]
        probes = [one.to_json() for one in segments if one.client_id == PROBES]
        if len(own) != committed.segments or root_of(own).hex() != committed.root:
            return Fault(
                committed.sequence,
                f"the minutes of {day} are not those that entry {committed.sequence} committed to",
            )
        if probes != ([self._probes[day]] if day in self._probes else []):
            return Fault(committed.sequence, f"the probes of {day} are not those of their entry")
        return None


def _segments(lines: Iterable[bytes]) -> Iterator[Segment]:
    for number, line in enumerate(lines, 1):
        try:
            yield Segment.of_json(parse_object(line))
        except MalformedError as error:
            raise MalformedError(f"line {number}: {error}") from error
