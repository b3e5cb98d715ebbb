"""Reads the journals of all nodes and says of each whether it tells everything.

A node's journal is complete from an entry on when its segments follow each other without a gap
and each one is known to hold all that was accepted while it was written: its successor says so,
or it was ended in order and none was to follow, or it is the file itself, no copy, was written
since this machine was started, and nobody writes it any more. What a killed process has written
is there for everybody; what a machine had not synced when it lost power is not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from server.counter_journal.fence import Fence
from server.counter_journal.records import FIRST, Accepted, Header, decode_accepted
from server.counter_journal.segments import (
    Ending,
    Segment,
    accepted_records,
    boot_id,
    find,
    is_written,
    node_of,
)


class Survey(NamedTuple):
    """What journals say. problems: by node, why its journal is not complete; segments: to replay.

    A journal with problems is replayed too: it only lets more be refused.
    """

    problems: Mapping[str, str]
    segments: Sequence[Segment]


def survey(directories: Iterable[Path], fence: Fence) -> Survey:
    """Judge the journals in some directories by what a fence asks for. Raises OSError."""
    places = list(directories)
    read = [find(directory) for directory in places]
    found = _without_copies(
        segment for each in read for segment in each.segments if segment.header.store == fence.store
    )
    by_node = {
        node: list(own) for node, own in groupby(found, key=lambda segment: segment.header.node)
    }
    before = {
        node: old
        for node, own in by_node.items()
        if (old := [one for one in own if one.header.epoch != fence.epoch])
    }
    asked: dict[str, int | None] = dict(fence.nodes)
    for node, own in before.items():
        asked.setdefault(node, FIRST)
        for segment in own:
            if segment.header.first >= (fence.nodes.get(node) or FIRST):
                # Not there yet when the backup was made: all that they ever accepted is missing.
                asked |= {peer: FIRST for peer in segment.header.peers if peer not in asked}
    problems = {}
    for node, start in asked.items():
        written = any(is_written(directory, node) for directory in places)
        own, every = before.get(node, []), by_node.get(node, [])
        if problem := _problem(start, own, every, epoch=fence.epoch, written=written):
            problems[node] = problem
    for path in (path for each in read for path in each.unreadable):
        problems[node_of(path)] = f"{path.name} cannot be read: what it held is missing"
    if not fence.nodes:
        problems["-"] = (
            "the backup names no node: nothing tells whether one began to serve after it was made"
        )
    needed = [one for node, own in before.items() for one in own if one.end > (asked[node] or 0)]
    return Survey(problems, needed)


def _without_copies(found: Iterable[Segment]) -> list[Segment]:
    """Return segments by node and number, of each the copy that tells most."""
    best: dict[Header, Segment] = {}
    for one in found:
        known = best.setdefault(one.header, one)
        if (one.end, one.ended, one.original) > (known.end, known.ended, known.original):
            best[one.header] = one
    return sorted(best.values(), key=lambda one: (one.header.node, one.header.first))


def _problem(
    start: int | None,
    before: Sequence[Segment],
    every: Sequence[Segment],
    *,
    epoch: str,
    written: bool,
) -> str:
    """Return why a node's journal does not tell all from entry `start` on; "" when it does.

    before: its segments of before the restore; every: those since then, too.
    """
    if start is None:
        return "it served without a counter journal"
    if not before:
        return "its counter journal is missing"
    if before[0].header.first > start:
        return _gap(start, before[0].header.first)
    if before[-1].end < start:
        return _gap(before[-1].end, start)
    if all(one.header.first != start for one in every):
        # The store was told of every segment that was begun: so there was one more.
        return f"the segment that begins with its entry {start} is missing"
    covering = max(i for i, one in enumerate(before) if one.header.first <= start)
    between = (_problem_between(*both) for both in pairwise(before[covering:]))
    at_the_end = _problem_at_the_end(before[-1], every, epoch=epoch, written=written)
    return next(filter(None, between), "") or at_the_end


def _problem_between(one: Segment, successor: Segment) -> str:
    if successor.header.first > one.end:
        return _gap(one.end, successor.header.first)
    if successor.header.first < one.end:
        return "two processes wrote it at once"
    if successor.header.continues:
        return ""
    return f"it ends uncleanly in {one.path.name}: entries may be missing"


def _problem_at_the_end(
    last: Segment, every: Sequence[Segment], *, epoch: str, written: bool
) -> str:
    # The node may have gone on in the restored store; then it said how it found its journal.
    later = next((one for one in every if one.header.epoch == epoch), None)
    if later is not None and later.header.first == last.end and later.header.continues:
        return ""
    if written:
        return "it is still being written: stop the service that does"
    if last.ending is Ending.ROTATED:
        return f"what follows {last.path.name} is missing"
    if last.is_all_that_was_written(boot_id()):
        return ""
    return f"it ends uncleanly in {last.path.name}: its last second may be missing"


def _gap(start: int, end: int) -> str:
    return f"its entries {start} to {end - 1} are missing"


def entries(found: Sequence[Segment], nodes: Mapping[str, int | None]) -> Iterator[list[Accepted]]:
    """Yield the entries of segments, batch by batch, from where each node's are needed."""
    for segment in found:
        start = nodes.get(segment.header.node) or FIRST
        for found_record in accepted_records(segment):
            batch = decode_accepted(found_record)
            if found_record.number + len(batch) > start:
                yield batch
