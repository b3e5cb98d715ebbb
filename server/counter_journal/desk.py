"""The operator's desk at the fence: look, replay the journals, or lift it with a reason."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from server.counter_journal.fence import Fence
from server.counter_journal.ports import FenceBook, Place
from server.counter_journal.records import Accepted
from server.counter_journal.survey import entries, survey
from server.journal.acts import Act, Cause, Deed, State, Subject

_PORTION = 20_000
"""Entries read before the store is told, so that memory stays bounded."""

_SHOWN = 20
_EVERY_EPOCH = ""
"""No segment was written in it, so all of them are of before."""


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

    def __init__(self, book: FenceBook, *, store: str) -> None:
        self._book = book
        self._store = store

    async def status(self) -> Fence | None:
        """Return the fence, None when none stands."""
        text = await self._book.standing_fence()
        return None if text is None else Fence.decode(text)

    async def replay(self, directories: Sequence[Path], *, cause: Cause) -> Replayed:
        """Raise the counters to what the journals say; lift the fence when they say all.

        Also without a fence, when something else put an older store back: then everything that
        the journals hold counts. Raises FenceError when a directory cannot be read.
        """
        fence = await self.status()
        asked = fence or Fence("", "", "", self._store, _EVERY_EPOCH, {}, {})
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
        act = cause.act("fence.replay")
        told: State = {"entries": count, "raised": raised, "unknown": len(unknown)}
        if fence and not problems:
            await self._lift(fence, act, told)
        else:
            kept = None if fence is None else fence._replace(problems=problems).encode()
            after: State = {**told, "problems": dict(problems)}
            subject = Subject("fence", asked.backup or "-")
            await self._book.keep_fence(kept, Deed(act, subject, None, after))
        return Replayed(
            count,
            raised,
            sorted(unknown)[:_SHOWN],
            len(unknown),
            problems,
            stands=fence is not None and bool(problems),
        )

    async def release(self, cause: Cause) -> Fence:
        """Lift the fence without all journals; the reason is kept. Raises FenceError."""
        if not cause.reason.strip():
            raise FenceError("say why the fence is lifted: the journal keeps the reason for good")
        fence = await self.status()
        if fence is None:
            raise FenceError("no fence stands; nothing was changed")
        await self._lift(fence, cause.act("fence.release"), None)
        return fence

    async def _lift(self, fence: Fence, act: Act, told: State | None) -> None:
        before: State = {
            "backup": fence.backup,
            "made": fence.made,
            "problems": dict(fence.problems),
        }
        gone = {node: Place(first) for node, first in fence.nodes.items()}
        await self._book.lift_fence(gone, Deed(act, Subject("fence", fence.backup), before, told))

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
