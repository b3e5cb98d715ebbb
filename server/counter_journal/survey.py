"""Reads the journals of all nodes and says of each whether it tells everything.

A node's journal is complete from an entry on when its segments follow each other without a gap
and each one is known to hold all that was accepted while it was written: it was ended in order,
or its successor says so, or it was written since this machine was started and nobody writes it
any more. What a killed process has written is there for everybody; what a machine had not synced
when it lost power is not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from server.counter_journal.fence import Fence
from server.counter_journal.records import FIRST, Accepted, decode_accepted
from server.counter_journal.segments import (
    Segment,
    accepted_records,
    boot_id,
    is_written,
    segments,
)


class Survey(NamedTuple):
    """What journals say. problems: by node, why its journal is not complete; segments: to replay.

    A journal with problems is replayed too: it only lets more be refused.
    """

    problems: Mapping[str, str]
    segments: Sequence[Segment]


def survey(directories: Iterable[Path], fence: Fence) -> Survey:
    """Judge the journals in some directories by what a fence asks for. Raises OSError."""
    found = [
        segment
        for directory in directories
        for segment in segments(directory)
        if segment.header.store == fence.store
    ]
    # In several directories, or copied: by number again.
    found.sort(key=lambda segment: (segment.header.node, segment.header.first))
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
        for name in (node, *(peer for segment in own for peer in segment.header.peers)):
            # Not there yet when the backup was made: all that it ever accepted is missing.
            asked.setdefault(name, FIRST)
    problems = {
        node: problem
        for node, start in asked.items()
        if (problem := _problem(start, before.get(node, []), by_node.get(node, []), fence.epoch))
    }
    if not fence.nodes:
        problems["-"] = (
            "the backup names no node: nothing tells whether one began to serve after it was made"
        )
    needed = [one for node, own in before.items() for one in own if one.end > (asked[node] or 0)]
    return Survey(problems, needed)


def _problem(
    start: int | None, before: Sequence[Segment], every: Sequence[Segment], epoch: str
) -> str:
    """Return why a node's journal does not tell all from entry `start` on; "" when it does."""
    if start is None:
        return "it served without a counter journal"
    if not before:
        return "its counter journal is missing"
    if before[0].header.first > start:
        return _gap(start, before[0].header.first)
    if before[-1].end < start:
        return _gap(before[-1].end, start)
    covering = max(i for i, one in enumerate(before) if one.header.first <= start)
    between = (_problem_between(*both) for both in pairwise(before[covering:]))
    return next(filter(None, between), "") or _problem_at_the_end(before[-1], every, epoch)


def _problem_between(one: Segment, successor: Segment) -> str:
    if successor.header.first > one.end:
        return _gap(one.end, successor.header.first)
    if successor.header.first < one.end:
        return "two processes wrote it at once"
    if one.ended or successor.header.continues:
        return ""
    return f"it ends uncleanly in {one.path.name}: entries may be missing"


def _problem_at_the_end(last: Segment, every: Sequence[Segment], epoch: str) -> str:
    # The node may have gone on in the restored store; then it said how it found its journal.
    later = next((one for one in every if one.header.epoch == epoch), None)
    if later is not None and later.header.first == last.end and later.header.continues:
        return ""
    if last.ended:
        return ""
    if is_written(last.path.parent, last.header.node):
        return "it is still being written: stop the service that does"
    if "" != last.header.boot == boot_id():
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
