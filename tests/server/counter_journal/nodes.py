"""Nodes that journal, for tests: each a `CounterJournal` in a directory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.clock import SystemClock
from server.counter_journal.fence import Fence
from server.counter_journal.journal import CounterJournal, Station
from server.counter_journal.ports import Place
from server.counter_journal.survey import Survey, survey

STORE = "store-1"
OLD, NEW = "0", "restored"
NODE = "machine-0"


@asynccontextmanager
async def node(
    directory: Path,
    name: str = NODE,
    *,
    epoch: str = OLD,
    peers: tuple[str, ...] = (),
    noted: Place | None = None,
) -> AsyncIterator[CounterJournal]:
    """Open a node's journal; its orderly end is the context's."""
    journal = CounterJournal(
        Station(directory, name, STORE, epoch), clock=SystemClock(), sync_after_s=0.01
    )
    await journal.open(peers, noted)
    try:
        yield journal
    finally:
        await journal.close()


async def accept(journal: CounterJournal, *uses: int, public_id: bytes = b"cccccccccccb") -> None:
    """Journal OTPs of one key, each a batch of its own."""
    for use in uses:
        await journal.append([public_id, 1, use, 7])


def crash(journal: CounterJournal) -> None:
    """Leave no mark of an orderly end, as a killed process does; the context's end then is it."""
    with journal._gate:
        journal._abandon()


def another_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have been started once more."""
    for module in ("journal", "segments", "survey"):
        monkeypatch.setattr(f"server.counter_journal.{module}.boot_id", lambda: "another boot")


def fence(**nodes: int | None) -> Fence:
    """Return the fence of a store that was restored from a backup naming these nodes."""
    named = {name.replace("_", "-"): first for name, first in nodes.items()}
    return Fence("b", "then", "now", STORE, NEW, named, {})


def judged(directory: Path, standing: Fence, *more: Path) -> Survey:
    return survey([directory, *more], standing)


def problem(directory: Path, start: int | None = 1) -> str:
    """Return what keeps the fence of a backup up that names the node, "" when nothing does."""
    return judged(directory, fence(machine_0=start)).problems.get(NODE, "")
