"""Reads the snapshot from a store: what is public each time, figures as often as they change.

Everything that is asked for within a moment is answered by one reading: the workers of a service
ask one after the other. Figures of long periods cost more, and are computed once a minute or less
often; how things are now is measured anew with every minute that ends.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from server.clock import Clock
from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.minutes import MINUTE_S, Minute, Rule, summarise
from server.status.compose import public_incidents, public_works
from server.status.now import LATELY_S
from server.status.periods import shown_periods
from server.status.ports import FigureSource, StatusBook
from server.status.snapshot import (
    SHOWN_DAYS,
    Bar,
    ComponentView,
    Figure,
    Measured,
    PeriodName,
    Snapshot,
)
from server.status.wire import fitted

TOGETHER_S = 2.0
"""How old a reading may be that is given out again."""

FIGURES_S = 60.0
"""How old figures and bars are at least before they are computed again; they end with a minute."""

_SHARE = 100
"""Computing figures takes at most one part in so many of the time: where it is slow, they age."""

_OLDEST_S = 3600.0

_JUDGED_MINUTES = 5
_DAY_S = 86_400
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What is configured. term_begins: a first day of any term; zone: whose midnights are edges.

    min_requests: with fewer, a minute is as a probe found it; left_out: clients that are probers.
    """

    service: str
    components: tuple[Component, ...]
    term_begins: date
    zone: ZoneInfo
    min_requests: int
    left_out: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Figures:
    """What was computed, and until when by the monotonic clock it is good enough."""

    until: float
    figures: tuple[Figure, ...]
    bars: tuple[Bar, ...]


class SnapshotReader:
    """Keeps `SnapshotSource` over a store."""

    def __init__(
        self, book: StatusBook, figures: FigureSource, shown: Shown, *, clock: Clock
    ) -> None:
        self._book = book
        self._figures = figures
        self._shown = shown
        self._clock = clock
        self._turn = asyncio.Lock()
        self._read: tuple[float, Snapshot] | None = None
        self._computed: _Figures | None = None
        self._measured: tuple[int, Measured | None] | None = None

    async def status_snapshot(self) -> Snapshot:
        """Return what everybody may know. Store errors pass through."""
        async with self._turn:
            began = self._clock.monotonic()
            if self._read is None or began - self._read[0] >= TOGETHER_S:
                self._read = began, await self._read_now()
            return self._read[1]

    async def _read_now(self) -> Snapshot:
        # The time of asking, not of the answer: the page must not look fresher than it is.
        now_us = self._clock.now_us()
        since_s = now_us // _US - SHOWN_DAYS * _DAY_S
        incidents = public_incidents(await self._book.public_incidents(since_s * _US))
        works = public_works(await self._book.public_maintenance(since_s))
        shown = frozenset(self._shown.components)
        figures, bars, measured = await self._validation()
        return fitted(
            Snapshot(
                service=self._shown.service,
                zone=self._shown.zone.key,
                read_us=now_us,
                components=tuple(
                    ComponentView(component, is_measured=True, measured=measured, bars=bars)
                    if component is Component.VALIDATION
                    else ComponentView(component)
                    for component in self._shown.components
                ),
                figures=figures,
                incidents=tuple(one for one in incidents if one.component in shown),
                maintenance=tuple(one for one in works if one.component in shown),
            )
        )

    async def _validation(self) -> tuple[tuple[Figure, ...], tuple[Bar, ...], Measured | None]:
        if Component.VALIDATION not in self._shown.components:
            return (), (), None
        as_of = await self._figures.as_of()
        if self._measured is None or self._measured[0] != as_of:
            self._measured = as_of, await self._measure(as_of)
        now = self._clock.monotonic()
        if self._computed is None or now >= self._computed.until:
            bars = await self._bars(as_of)
            figures = await self._availabilities(as_of)
            took = self._clock.monotonic() - now
            wait_s = min(_OLDEST_S, max(FIGURES_S, _SHARE * took))
            self._computed = _Figures(now + wait_s, figures, bars)
        return self._computed.figures, self._computed.bars, self._measured[1]

    async def _availabilities(self, as_of: int) -> tuple[Figure, ...]:
        figures = []
        periods = shown_periods(as_of, self._shown.term_begins, self._shown.zone)
        for name, span in periods.items():
            figures.append(await self._availability(name, span, as_of))
        return tuple(figures)

    async def _availability(self, name: PeriodName, span: Span, as_of: int) -> Figure:
        found = await self._figures.availability(None, span, as_of)
        return Figure(
            period=name,
            span=span,
            first=self._day(span.start),
            last=self._day(span.end - 1),
            period_s=found.period_s,
            maintenance_s=found.maintenance_s,
            unknown_s=found.unknown_s,
            downtime_s=found.downtime_s,
            budget_full_period_s=found.budget_full_period_s,
            target=found.target,
        )

    def _day(self, second: int) -> date:
        return datetime.fromtimestamp(second, self._shown.zone).date()

    async def _bars(self, as_of: int) -> tuple[Bar, ...]:
        first = await self._book.first_minute()
        began_s = as_of if first is None else first * MINUTE_S
        bars = []
        for one in await self._figures.bars(SHOWN_DAYS):
            start = one.day * _DAY_S
            day = datetime.fromtimestamp(start, UTC).date()
            if start + _DAY_S <= began_s or first is None:
                bars.append(Bar(day, 0, 0, 0, one.downtime_s * 0))
                continue
            # What lies before the first record is no gap in them.
            before = max(0, began_s - start)
            bars.append(
                Bar(
                    day,
                    period_s=min(_DAY_S, as_of - start) - before,
                    maintenance_s=one.maintenance_s,
                    unknown_s=max(0, one.unknown_s - before),
                    downtime_s=one.downtime_s,
                )
            )
        return tuple(bars)

    async def _measure(self, as_of: int) -> Measured | None:
        """Return what the last minutes say of which anything is known, None when none is late."""
        end = as_of // MINUTE_S
        first = end - LATELY_S // MINUTE_S
        counted = await self._book.counted_together(first, end, self._shown.left_out)
        probed = await self._book.probe_minutes(first, end)
        minutes = {number: Minute(0, 0, 0, 0) for number in range(first, end)}
        for row in counted:
            minutes[row.minute] = Minute(row.good, row.bad, 0, 0)
        for probe in probed:
            known = minutes[probe.minute]
            minutes[probe.minute] = known._replace(probe_good=probe.good, probe_bad=probe.bad)
        return judge(minutes, self._shown.min_requests)


def judge(minutes: dict[int, Minute], min_requests: int) -> Measured | None:
    """Return what the newest few known ones of some minutes come to. Pure."""
    rule = Rule(min_requests)
    known = sorted(number for number, minute in minutes.items() if summarise([minute], rule).known)[
        -_JUDGED_MINUTES:
    ]
    if not known:
        return None
    found = summarise((minutes[number] for number in known), rule)
    return Measured((known[-1] + 1) * MINUTE_S, found.weight / found.known)
