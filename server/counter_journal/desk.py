"""The operator's desk at the fence: look, replay the journals, or lift it with a reason."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from server.clock import Clock
from server.counter_journal.fence import Fence
from server.counter_journal.ports import FenceBook, Place
from server.counter_journal.records import Accepted
from server.counter_journal.survey import entries, survey

_PORTION = 20_000
"""Entries read before the store is told, so that memory stays bounded."""

_MAX_REASON = 500
_SHOWN = 20

_log = structlog.stdlib.get_logger(__name__)


class FenceError(Exception):
    """What was asked cannot be done; the message says why and what to do."""


class Replayed(NamedTuple):
    """What a replay did.

    entries: read; raised: counters that went up; unknown: public ids that the store does not
    know, the first few; unknown_count: how many there are; problems: by node, what keeps the
    fence up; stands: whether it does.
    """

    entries: int
    raised: int
    unknown: Sequence[str]
    unknown_count: int
    problems: Mapping[str, str]
    stands: bool


class FenceDesk:
    """Works on the fence of one store."""

    def __init__(self, book: FenceBook, *, clock: Clock, store: str, epoch: str) -> None:
        self._book = book
        self._clock = clock
        self._store = store
        self._epoch = epoch

    async def status(self) -> Fence | None:
        """Return the fence, None when none stands."""
        text = await self._book.standing_fence()
        return None if text is None else Fence.decode(text)

    async def replay(self, directories: Sequence[Path], *, by: str) -> Replayed:
        """Raise the counters to what the journals say; lift the fence when they say all.

        Also without a fence: keys that were imported since get their counters. Raises
        FenceError when a directory cannot be read.
        """
        fence = await self.status()
        asked = fence or Fence("", "", "", self._store, self._epoch, {}, {})
        for directory in directories:
            if not await asyncio.to_thread(directory.is_dir):
                raise FenceError(f"{directory} is no directory: name the one with the journals")
        try:
            found = await asyncio.to_thread(survey, directories, asked)
            count, raised, unknown = await self._raise(
                entries(found.segments, asked.nodes if fence else {})
            )
        except OSError as error:
            raise FenceError(
                f"the counter journals cannot be read: {error.strerror or error}"
            ) from error
        problems = found.problems if fence else {}
        if fence and not problems:
            await self._lift(fence, {"how": "replayed", "entries": count, "raised": raised}, by=by)
        elif fence:
            await self._book.keep_fence(fence._replace(problems=problems).encode())
        record_act("fence.replay", by=by, entries=count, raised=raised, unknown=len(unknown))
        return Replayed(
            count,
            raised,
            sorted(unknown)[:_SHOWN],
            len(unknown),
            problems,
            stands=fence is not None and bool(problems),
        )

    async def release(self, reason: str, *, by: str) -> Fence:
        """Lift the fence without all journals; the reason is kept. Raises FenceError."""
        reason = reason.strip()
        if not reason or len(reason) > _MAX_REASON or not reason.isprintable():
            raise FenceError(
                f"say why, in one line of at most {_MAX_REASON} letters: it is kept for good"
            )
        fence = await self.status()
        if fence is None:
            raise FenceError("no fence stands; nothing was changed")
        await self._lift(fence, {"how": "released", "reason": reason}, by=by)
        record_act("fence.release", by=by, reason=reason, problems=dict(fence.problems))
        return fence

    async def _lift(self, fence: Fence, how: Mapping[str, object], *, by: str) -> None:
        now = datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC).isoformat(timespec="seconds")
        value = {"at": now, "by": by, **how, "fence": fence._asdict()}
        gone = {node: Place(first) for node, first in fence.nodes.items()}
        await self._book.lift_fence(json.dumps(value, sort_keys=True), gone)

    async def _raise(self, batches: Iterable[list[Accepted]]) -> tuple[int, int, set[str]]:
        count = raised = 0
        unknown: set[str] = set()
        highest: dict[str, Accepted] = {}
        read = iter(batches)
        more = True
        while more:
            portion, more = await asyncio.to_thread(_read_portion, read)
            count += len(portion)
            highest.clear()
            for one in portion:
                known = highest.get(one.public_id)
                if known is None or one[1:3] > known[1:3]:
                    highest[one.public_id] = one
            done = await self._book.raise_counters(list(highest.values()))
            raised += done.raised
            unknown |= done.unknown
        return count, raised, unknown


def _read_portion(read: Iterable[list[Accepted]]) -> tuple[list[Accepted], bool]:
    portion: list[Accepted] = []
    for batch in read:
        portion += batch
        if len(portion) >= _PORTION:
            return portion, True
    return portion, False


def record_act(action: str, *, by: str, **facts: object) -> None:
    """Write down what an operator did at the fence. One place, for the journal to come."""
    _log.warning("fence_act", action=action, by=by, **facts)
