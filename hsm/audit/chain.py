"""What of a log is new, and whether it continues what was read before. Pure.

The device numbers its entries in 16 bits and chains them by digests; what was read last is
remembered (`Position`), so that every entry read later is tied to it, also over a restart of the
device and after its log was emptied. A chain shows that nothing was altered, left out or put in;
it cannot show that the device is the same one, that is for its identity key.
"""

from typing import NamedTuple

from hsm.audit.entry import NUMBERS, Entry, LogRead
from hsm.audit.finding import Finding, Kind

_HALF = NUMBERS // 2


class Position(NamedTuple):
    """How far a log was read. boots, authentications: counts that the device told us already.

    It goes on telling them until its log is emptied.
    """

    number: int
    digest: bytes
    boots: int = 0
    authentications: int = 0


_NOTHING_TOLD = Position(0, b"")


class Followed(NamedTuple):
    """What came of a read. new: what was not read before; position: None when nothing ever was.

    Following `new` once more, from the same position, finds the same, but for what was wrong in
    entries that had been read before.
    """

    new: LogRead
    findings: tuple[Finding, ...]
    position: Position | None


def follow(last: Position | None, read: LogRead) -> Followed:
    """Tell what is new in a read. last: how far the log was read before."""
    fresh, previous, overlaps, found = _continued(last, read.entries)
    # The device goes on telling its counts until its log is emptied, then it begins at nothing.
    told = last if overlaps and last else _NOTHING_TOLD
    boots = max(0, read.boots - told.boots)
    authentications = max(0, read.authentications - told.authentications)
    found += _unlogged(boots, authentications)
    found += _links(previous, fresh)
    position = last
    if fresh:
        position = Position(fresh[-1].number, fresh[-1].digest, read.boots, read.authentications)
    elif last is not None:
        position = last._replace(boots=read.boots, authentications=read.authentications)
    return Followed(LogRead(boots, authentications, fresh), tuple(found), position)


class _Continued(NamedTuple):
    """fresh: not seen before; previous: what they must chain to; overlaps: some were seen."""

    fresh: tuple[Entry, ...]
    previous: Position | Entry | None
    overlaps: bool
    findings: list[Finding]


def _continued(last: Position | None, entries: tuple[Entry, ...]) -> _Continued:
    if not entries:
        return _Continued((), last, False, [])
    first = entries[0]
    if last is None:
        if first.is_reset:
            return _Continued(entries, None, False, [])
        late = f"the log was taken up at entry {first.number}: what was before it is not known here"
        return _Continued(entries, None, False, [Finding(Kind.BEGAN_LATE, first.number, late)])
    for index, entry in enumerate(entries):
        if (entry.number, entry.digest) == (last.number, last.digest):
            seen = _links(None, entries[: index + 1])
            return _Continued(entries[index + 1 :], last, True, seen)
    return _not_seen(last, entries)


def _not_seen(last: Position, entries: tuple[Entry, ...]) -> _Continued:
    """Go on with a log that does not hold the entry that was read last."""
    first = entries[0]
    if first.is_reset:
        text = (
            f"the log begins anew after entry {last.number}: the device was reset and its keys are"
            " gone, or its state from right after a reset was put back"
        )
        return _Continued(entries, None, False, [Finding(Kind.RESET, first.number, text)])
    ahead = (first.number - last.number) % NUMBERS
    if ahead == 1:
        return _Continued(entries, last, False, [])
    return _Continued(entries, None, False, [_discontinuity(last, entries, ahead)])


def _discontinuity(last: Position, entries: tuple[Entry, ...], ahead: int) -> Finding:
    first = entries[0]
    if 1 < ahead < _HALF:
        text = (
            f"entries are missing: after {last.number} comes {first.number}. They were overwritten"
            " before they were read, or somebody else took them out"
        )
        return Finding(Kind.GAP, first.number, text)
    if any(entry.number == last.number for entry in entries):
        text = (
            f"entry {last.number} is not the one that was read before: the log was altered, or is"
            " another device's"
        )
        return Finding(Kind.BREAK, last.number, text)
    text = (
        f"the log ends at entry {entries[-1].number}, and {last.number} was read before: an older"
        " state of the device was put back, with what had been deleted since"
    )
    return Finding(Kind.WENT_BACK, first.number, text)


def _links(previous: Position | Entry | None, entries: tuple[Entry, ...]) -> list[Finding]:
    """Find where one entry does not follow the one before it."""
    found = []
    for entry in entries:
        if previous is not None:
            if entry.number != (previous.number + 1) % NUMBERS:
                text = f"within the log, after entry {previous.number} comes {entry.number}"
                found.append(Finding(Kind.GAP, entry.number, text))
            elif not entry.follows(previous.digest):
                text = (
                    f"the digest of entry {entry.number} does not follow from {previous.number}:"
                    " one of the two was altered"
                )
                found.append(Finding(Kind.BREAK, entry.number, text))
        previous = entry
    return found


def _unlogged(boots: int, authentications: int) -> list[Finding]:
    found = []
    if boots:
        text = f"the device started {boots} times while its log was full"
        found.append(Finding(Kind.UNLOGGED_BOOTS, None, text))
    if authentications:
        text = f"{authentications} sessions began while the log was full, nobody knows whose"
        found.append(Finding(Kind.UNLOGGED_AUTHENTICATIONS, None, text))
    return found
