"""The desk for uptime: figures of a client or of all, bars for a page, minutes for a report."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from server.accounts.text import InputError
from server.incidents.availability import TARGET, Availability, Verdict
from server.incidents.components import Component
from server.incidents.effects import Effect, effect, touches
from server.incidents.intervals import Span
from server.incidents.minutes import MINUTE_S
from server.incidents.record import Incident
from server.journal.canonical import MalformedError
from server.maintenance.counting import windows
from server.uptime.figures import Bits, Frame, Piece, Question
from server.uptime.ports import ClosedDay, IncidentSource, UptimeBook
from server.uptime.proposals import Proposal, propose
from server.uptime.rollup import DayRoll, roll_probes
from server.uptime.segment import ALL, DAY_MINUTES, PROBES, DaySums, Segment, Stretch, parse_day

LATE_S = 15
"""Counts of a minute are all there so long after it, but for machines that are cut off."""

MOST_DAYS = 3 * 366
"""What a figure is computed of at most."""

DAY_S = 86_400
_US = 1_000_000
_NEVER = 1 << 40


class Bar(NamedTuple):
    """A day for a page that shows many. day: since the epoch."""

    day: int
    downtime_s: Fraction
    unknown_s: int
    maintenance_s: int
    verdict: Verdict


class DayCounts(NamedTuple):
    """What was answered on a day; None: nothing was counted. day: since the epoch."""

    day: int
    counts: DaySums | None


class _Known(NamedTuple):
    """What a question is answered with. stretches: by client."""

    question: Question
    frame: Frame
    stretches: Mapping[int, list[Stretch]]
    incidents: Sequence[Incident]


class UptimeDesk:
    """Answers by what was counted. Store errors pass through.

    left_out: Client IDs that no total counts; min_requests: with fewer, today's minutes do not
    speak for themselves (a past day keeps the number it was rolled up with).
    """

    def __init__(
        self,
        book: UptimeBook,
        incidents: IncidentSource,
        *,
        min_requests: int = 1,
        left_out: frozenset[int] = frozenset(),
        notice_s: int = 0,
        target: Fraction = TARGET,
    ) -> None:
        self._book = book
        self._incidents = incidents
        self._min_requests = min_requests
        self._left_out = left_out
        self._notice_s = notice_s
        self._target = target

    @property
    def notice_s(self) -> int:
        """How long before its start maintenance must have been announced to count."""
        return self._notice_s

    @property
    def min_requests(self) -> int:
        """With fewer requests a minute takes the probes' result."""
        return self._min_requests

    async def as_of(self) -> int:
        """Return the end of the last minute of which all is known, in seconds."""
        now_s = await self._book.store_time_us() // _US
        return (now_s - LATE_S) // MINUTE_S * MINUTE_S

    async def availability(
        self,
        client_id: int | None,
        period: Span,
        as_of: int | None = None,
        *,
        notice_s: int | None = None,
    ) -> Availability:
        """Return the figure of a client, or of all together (None), for a period. InputError.

        notice_s: another rule for maintenance than the one that is configured now.
        """
        subject = ALL if client_id is None else client_id
        known = await self._look(period, as_of, subject, notice_s)
        return _figure(known, subject)

    async def availabilities(
        self, period: Span, as_of: int | None = None, *, notice_s: int | None = None
    ) -> Mapping[int, Availability]:
        """Return the figures of every client of which anything was counted, and under 0 of all."""
        known = await self._look(period, as_of, None, notice_s)
        return {
            number: _figure(known, number) for number in sorted(known.stretches) if number != PROBES
        }

    async def bars(self, days: int) -> Sequence[Bar]:
        """Return the last days, today the last of them, of all together. InputError."""
        as_of = await self.as_of()
        end = -(-as_of // DAY_S) * DAY_S
        whole = Span(end - days * DAY_S, end)
        known = await self._look(whole, as_of, ALL)
        own, probes = _bits(known, ALL), _bits(known, PROBES)
        bars = []
        for start in range(whole.start, whole.end, DAY_S):
            question = known.question._replace(period=Span(start, start + DAY_S))
            grid = question.grid
            frame = Frame(question, probes.cut(*grid))
            found = frame.availability(own.cut(*grid), *_concerning(known, ALL, question.period))
            bars.append(
                Bar(
                    start // DAY_S,
                    found.downtime_s,
                    found.unknown_s,
                    found.maintenance_s,
                    found.verdict,
                )
            )
        return bars

    async def pieces(
        self, client_id: int | None, period: Span, as_of: int | None = None
    ) -> Sequence[Piece]:
        """Return what was measured and was not wholly good, or is unknown, in order. InputError."""
        subject = ALL if client_id is None else client_id
        known = await self._look(period, as_of, subject)
        return known.frame.pieces(_bits(known, subject))

    async def proposals(self, client_id: int | None, period: Span) -> Sequence[Proposal]:
        """Return the incidents that the minutes propose, for a person to confirm. InputError."""
        return propose(await self.pieces(client_id, period))

    async def days(
        self, client_id: int | None, first_day: int, end_day: int
    ) -> Sequence[DayCounts]:
        """Return what was answered day by day, today as far as it is counted. InputError."""
        period = Span(first_day * DAY_S, end_day * DAY_S)
        subject = ALL if client_id is None else client_id
        _check(period)
        live = await self._live_from(await self._book.last_closed()) // DAY_MINUTES
        today = await self.as_of() // DAY_S
        segments = [*await self._book.segments(first_day, end_day, subject)]
        for day in range(max(first_day, live), min(end_day, today + 1)):
            segments += [one for one in await self._live(day, subject) if one.client_id == subject]
        found: dict[int, DaySums | None] = {}
        for one in segments:
            found |= dict(enumerate(one.days, one.first_day))
        return [DayCounts(day, found.get(day)) for day in range(first_day, end_day)]

    async def segments(self, day: str) -> Sequence[Segment]:
        """Return the segments of a closed day, by client. day: like 2026-10-03. InputError."""
        try:
            number = parse_day(day)
        except MalformedError as error:
            raise InputError(str(error)) from error
        found = await self._book.segments(number, number + 1)
        days = (one.day(number) for one in found)
        return [one for one in days if one is not None]

    async def _look(
        self, period: Span, as_of: int | None, subject: int | None, notice_s: int | None = None
    ) -> _Known:
        """Read what a figure takes. subject: None for every client."""
        _check(period)
        settled = await self.as_of()
        as_of = settled if as_of is None else min(as_of, settled)
        maintenance = await self._book.maintenance_touching(period)
        question = Question(
            period,
            as_of,
            [
                window
                for one in maintenance
                if one.plan.component is Component.VALIDATION
                for window in windows(one)
            ],
            self._notice_s if notice_s is None else notice_s,
            self._target,
        )
        stretches = await self._stretches(question, subject)
        probes = Bits.of(stretches.get(PROBES, ()), *question.grid)
        return _Known(
            question,
            Frame(question, probes),
            stretches,
            await self._incidents.incidents_affecting(period),
        )

    async def _stretches(self, question: Question, subject: int | None) -> dict[int, list[Stretch]]:
        first, minutes = question.grid
        last = await self._book.last_closed()
        live = max(first, await self._live_from(last))
        first_day, end_day = first // DAY_MINUTES, -(-(first + minutes) // DAY_MINUTES)
        # No further than what was closed at first: a day that is closed while this reads would be
        # found twice, here and live, and what was lost on it counted twice.
        closed = 0 if last is None else min(end_day, last.day + 1)
        found: dict[int, list[Stretch]] = {}
        wanted = [None] if subject is None else [subject, PROBES]
        for number in wanted:
            for known in await self._book.stretches(first_day, closed, number):
                found.setdefault(known.client_id, []).append(known)
        for day in range(live // DAY_MINUTES, end_day if minutes else 0):
            for one in await self._live(day, subject):
                found.setdefault(one.client_id, []).append(one.stretch)
        return found

    async def _live_from(self, last: ClosedDay | None) -> int:
        """Return the first minute that is in no segment yet."""
        if last is not None:
            return (last.day + 1) * DAY_MINUTES
        found = await self._book.first_minute()
        return _NEVER if found is None else found

    async def _live(self, day: int, subject: int | None) -> list[Segment]:
        """Roll up a day that is not closed, in memory."""
        first, end = day * DAY_MINUTES, (day + 1) * DAY_MINUTES
        roll = DayRoll(day, min_requests=self._min_requests, left_out=self._left_out)
        if subject is None:
            roll.take(await self._book.counted(first, end))
            rolled = roll.segments()
        elif subject == ALL:
            roll.take(await self._book.counted_together(first, end, self._left_out))
            rolled = [one for one in roll.segments() if one.client_id == ALL]
        else:
            roll.take(await self._book.counted_for(subject, first, end))
            rolled = [one for one in roll.segments() if one.client_id == subject]
        probes = roll_probes(day, await self._book.probe_minutes(first, end))
        return rolled if probes is None else [*rolled, probes]


def _check(period: Span) -> None:
    if period.start < 0 or not 0 < period.seconds <= MOST_DAYS * DAY_S:
        raise InputError("the period ends after it begins, and has at most three years")


def _figure(known: _Known, subject: int) -> Availability:
    concerning = _concerning(known, subject, known.question.period)
    return known.frame.availability(_bits(known, subject), *concerning)


def _concerning(known: _Known, subject: int, period: Span) -> Effect:
    """Return what incidents say of a client, or of all, within a period."""
    return effect(
        (one for one in known.incidents if touches(one, period)),
        Component.VALIDATION,
        None if subject == ALL else subject,
    )


def _bits(known: _Known, subject: int) -> Bits:
    return Bits.of(known.stretches.get(subject, ()), *known.question.grid)
