"""What a process knows of maintenance: the phase turns in time, also while the store is away."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from server.maintenance.counting import Phase
from server.maintenance.plan import Component, Maintenance
from server.maintenance.watch import SHOWN_S, MaintenanceWatch
from server.otp.ports import StoreUnavailableError
from tests.server.maintenance.histories import T0, a_plan, announced
from tests.server.still_clock import StillClock

START, END = a_plan().span


class Source:
    """A store that can go away. asked: since when it was asked."""

    def __init__(self, *known: Maintenance) -> None:
        self.known: Sequence[Maintenance] = known
        self.away = False
        self.asked: list[int] = []

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        self.asked.append(since_s)
        if self.away:
            raise StoreUnavailableError("gone")
        return self.known


class House:
    """A watch on a clock that stands still. told: the phases it told."""

    def __init__(self, source: Source, notice_s: int = 0, interval_s: float = 3600.0) -> None:
        self.clock = StillClock()
        self.told: list[Phase] = []
        self.watch = MaintenanceWatch(
            source,
            clock=self.clock,
            notice_s=notice_s,
            tell=self.told.append,
            interval_s=interval_s,
        )

    def at(self, second: int) -> None:
        self.clock.us = second * 1_000_000


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen")


async def test_the_phase_is_told_when_it_becomes_another() -> None:
    house = House(Source(announced()))
    await house.watch.refresh()
    for second in (START - 1, START, START + 1, END - 1, END, END + 1):
        house.at(second)
        house.watch.turn()
    assert house.told == [Phase.SERVICE, Phase.MAINTENANCE, Phase.SERVICE]


async def test_only_windows_of_validation_that_count_are_a_phase() -> None:
    upload = announced(a_plan(component=Component.UPLOAD))
    for house in (House(Source(upload)), House(Source(announced()), notice_s=7 * 86_400)):
        house.at(START)
        await house.watch.refresh()
        assert house.told == [Phase.SERVICE]


async def test_what_was_read_last_stands_while_the_store_is_away() -> None:
    source = Source(announced())
    house = House(source)
    await house.watch.refresh()
    source.away = True
    house.at(START)
    await house.watch.refresh()
    assert house.told == [Phase.SERVICE, Phase.MAINTENANCE]
    assert house.watch.announced == source.known
    source.away, source.known = False, ()
    await house.watch.refresh()
    assert house.told[-1] is Phase.SERVICE
    assert house.watch.announced == ()


async def test_before_anything_was_read_there_is_service_and_nothing_to_show() -> None:
    source = Source(announced())
    source.away = True
    house = House(source)
    house.at(START)
    await house.watch.start()
    await house.watch.close()
    assert house.told == [Phase.SERVICE]
    assert house.watch.announced is None
    assert source.asked == [START - SHOWN_S]


async def test_the_task_turns_at_the_edge_and_reads_again_after_the_interval() -> None:
    source = Source(announced())
    house = House(source, interval_s=0.02)
    house.at(START - 1)
    await house.watch.start()
    house.at(START)
    house.clock.seconds += 1
    await until(lambda: Phase.MAINTENANCE in house.told)
    asked = len(source.asked)
    house.clock.seconds += 1
    await until(lambda: len(source.asked) > asked)
    await house.watch.close()
    assert house.watch.announced == source.known
    assert T0 < START
