"""Handing in: oldest first, again until the server has it, and each finding counts once there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from server.incidents.intervals import Span
from server.probing.desk import ProbeDesk
from server.probing.finding import Finding, Outcome
from server.probing.handin import HandIn, read_windows, write_windows
from server.probing.ports import MOST_AT_ONCE, OfficeError, Receipt
from server.storage.spool import Spool
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import NOW_US, StillClock
from tests.server.web.office import DEFAULT


class RealOffice:
    """The server's desk, without the way there; which may be broken before or after it."""

    def __init__(self) -> None:
        self.store = MemoryStore(clock=StillClock(), default_policy=DEFAULT)
        self._desk = ProbeDesk(self.store, self.store, self.store)
        self.broken_before = self.broken_after = False
        self.asked: list[int] = []

    async def hand_in(self, prober: str, findings: Sequence[Finding]) -> Receipt:
        self.asked.append(len(findings))
        if self.broken_before:
            raise OfficeError("no service answers")
        receipt = await self._desk.take(prober, findings, cause=CAUSE)
        if self.broken_after:
            raise OfficeError("the service ended while it was asked")
        return receipt

    def good(self) -> int:
        return sum(probes.good for probes in self.store._probe_minutes.values())


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool.open(tmp_path / "spool.db")
    yield opened
    opened.close()


def keep(spool: Spool, count: int) -> None:
    for _ in range(count):
        spool.append(Outcome.GOOD, NOW_US, NOW_US)


async def test_all_there_is_goes_in_parcels(spool: Spool) -> None:
    office = RealOffice()
    keep(spool, MOST_AT_ONCE + 5)
    assert await HandIn(spool, office).turn()
    assert office.asked == [MOST_AT_ONCE, 5]
    assert (office.good(), spool.waiting) == (MOST_AT_ONCE + 5, 0)


async def test_what_nobody_took_waits(spool: Spool) -> None:
    office, handin = RealOffice(), None
    office.broken_before = True
    handin = HandIn(spool, office)
    keep(spool, 3)
    assert not await handin.turn()
    assert (handin.fault, spool.waiting) == ("no service answers", 3)
    office.broken_before = False
    assert await handin.turn()
    assert (handin.fault, spool.waiting, office.good()) == (None, 0, 3)


async def test_what_was_taken_and_not_confirmed_counts_once(spool: Spool) -> None:
    office = RealOffice()
    handin = HandIn(spool, office)
    office.broken_after = True
    keep(spool, 3)
    assert not await handin.turn()
    office.broken_after = False
    keep(spool, 2)
    assert await handin.turn()
    assert (office.good(), spool.waiting) == (5, 0)


async def test_a_spool_from_an_old_copy_loses_nothing_new(tmp_path: Path, spool: Spool) -> None:
    office = RealOffice()
    keep(spool, 4)
    assert await HandIn(spool, office).turn()
    with_name = Spool.open(tmp_path / "copy.db")
    with_name.put("prober", spool.prober)
    with_name.close()
    copy = Spool.open(tmp_path / "copy.db")
    keep(copy, 2)
    handin = HandIn(copy, office)
    assert await handin.turn()
    assert (office.good(), copy.waiting, copy.newest) == (6, 0, 6)
    copy.close()


async def test_with_nothing_to_bring_the_server_is_asked_what_is_announced(spool: Spool) -> None:
    office = RealOffice()
    handin = HandIn(spool, office, windows=[Span(1, 2)])
    assert await handin.turn()
    assert (office.asked, handin.windows) == ([0], ())


def test_windows_are_kept_as_they_are() -> None:
    windows = (Span(1, 2), Span(5, 9))
    assert read_windows(write_windows(windows)) == windows
    assert read_windows(None) == ()
