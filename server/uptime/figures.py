"""The availability of a client, or of all, from rolled-up minutes: exact, and fast for a year.

A minute with enough requests of its own loses the share of them that went wrong; another one takes
the probes' result, and without any it is unknown (`server.incidents.minutes`). What counts is the
larger of what was measured and what a person confirmed; an amendment alone stands in their place.
Whole minutes are counted as bits, those under the same incidents or amendment run by run; those
that the edge of a period, a window of maintenance, an incident or an amendment cuts go through
`server.incidents.availability`, second by second. A test holds the sum of all against stepping
through every second.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from server.incidents.availability import (
    TARGET,
    Availability,
    Case,
    Incident,
    Window,
    compute,
)
from server.incidents.intervals import Span, length, union, without
from server.incidents.minutes import MINUTE_S
from server.incidents.record import Amendment
from server.uptime.segment import DAY_MINUTES, DAY_OCTETS, Exceptional, Stretch

LONG_RUN_S = 3600
"""Shorter runs are faster second by second: one of bits looks at all of the period's."""


class Bits(NamedTuple):
    """Minutes of one client, or of the probes, in a range. seen: bit n is minute first + n."""

    first: int
    minutes: int
    seen: int
    exceptions: tuple[Exceptional, ...]

    @classmethod
    def of(cls, stretches: Sequence[Stretch], first: int, minutes: int) -> "Bits":
        """Cut a range out of stretches in order, which do not overlap."""
        first_day = min([first // DAY_MINUTES, *(one.first_day for one in stretches[:1])])
        end_day = -(-(first + minutes) // DAY_MINUTES)
        # Side by side as octets: shifting a year's bits for each of its days would take ages.
        octets = bytearray(DAY_OCTETS * (end_day - first_day))
        exceptions: list[Exceptional] = []
        for one in stretches:
            at = (one.first_day - first_day) * DAY_OCTETS
            octets[at : at + len(one.seen)] = one.seen
            exceptions += one.exceptions
        seen = int.from_bytes(octets, "little") >> first - first_day * DAY_MINUTES
        found = tuple(one for one in exceptions if first <= one.minute < first + minutes)
        return cls(first, minutes, seen & (1 << minutes) - 1, found)

    def within(self, span: Span) -> Sequence[Exceptional]:
        """Return the exceptional minutes that some seconds touch."""
        low = bisect_left(self.exceptions, (span.start // MINUTE_S, -1, -1))
        high = bisect_left(self.exceptions, (-(-span.end // MINUTE_S), -1, -1))
        return self.exceptions[low:high]

    def cut(self, first: int, minutes: int) -> "Bits":
        """Return a part of the range."""
        seen = self.seen >> first - self.first & (1 << minutes) - 1
        found = (one for one in self.exceptions if first <= one.minute < first + minutes)
        return Bits(first, minutes, seen, tuple(found))


class Piece(NamedTuple):
    """Seconds of one kind. impact: as it was measured; None: unknown."""

    span: Span
    impact: Fraction | None


class Question(NamedTuple):
    """What a figure is asked of. as_of: what came later is not looked at."""

    period: Span
    as_of: int
    maintenance: Sequence[Window] = ()
    notice_s: int = 0
    target: Fraction = TARGET

    @property
    def seen(self) -> Span:
        """The seconds of the period that have passed."""
        period = self.period
        return Span(period.start, min(period.end, max(self.as_of, period.start)))

    @property
    def grid(self) -> tuple[int, int]:
        """The first minute that they touch, and how many they touch."""
        seen = self.seen
        first = seen.start // MINUTE_S
        return first, -(-seen.end // MINUTE_S) - first


class Frame:
    """A question with what is the same for every client. probes: of the question's grid.

    long_run_s: from how many seconds on a run under the same incidents is counted as bits.
    """

    def __init__(self, question: Question, probes: Bits, *, long_run_s: int = LONG_RUN_S) -> None:
        self._question = question
        self._long_run_s = long_run_s
        self._seen = question.seen
        self._first, self._minutes = question.grid
        self._full = (1 << self._minutes) - 1
        counting = [one for one in question.maintenance if one.counts(question.notice_s)]
        self._windows = counting
        self._maintenance = union(one.span.clipped(self._seen) for one in counting)
        whole = union(one.span.clipped(question.period) for one in counting)
        self._budget = (1 - question.target) * (question.period.seconds - length(whole))
        self._left_out = self._bits(self._maintenance, whole=True)
        edges = self._full & ~self._bits([self._seen], whole=True)
        self._edges = edges | self._bits(self._maintenance) & ~self._left_out
        self._probed = probes.seen
        self._down = 0
        for one in probes.exceptions:
            if not one.good:
                self._down |= 1 << one.minute - self._first

    def availability(
        self,
        own: Bits,
        losses: Sequence[Incident] = (),
        amendments: Sequence[Amendment] = (),
    ) -> Availability:
        """Return the figure of one client, or of all.

        losses: as persons confirmed them; amendments: in the order in which they were made. Only
        what concerns this client is to be given.
        """
        touched = [self._so_far(one) for one in losses]
        touched += [Span(one.start, one.end).clipped(self._seen) for one in amendments]
        steady, lost = self._steady(own, losses, amendments)
        special = self._edges | self._bits(union(touched)) & ~self._left_out & ~steady
        plain = self._full & ~special & ~self._left_out & ~steady
        unknown = self._full & ~(own.seen | self._probed)
        down = self._down & ~own.seen
        unknown_s = (unknown & plain).bit_count() * MINUTE_S
        measured = Fraction((down & plain).bit_count())
        for total, bad in self._shares(own, plain).items():
            measured += Fraction(bad, total)
        lost += measured * MINUTE_S
        for run in _runs(special, self._first):
            part = self._exactly(run, own, losses, amendments)
            unknown_s += part.unknown_s
            lost += part.downtime_s
        return Availability(
            period_s=self._seen.seconds,
            maintenance_s=length(self._maintenance),
            unknown_s=unknown_s,
            downtime_s=lost,
            target=self._question.target,
            budget_full_period_s=self._budget,
        )

    def pieces(self, own: Bits) -> list[Piece]:
        """Return everything that was measured and is not wholly good, in order."""
        return self._pieces(own, self._seen)

    def _shares(self, own: Bits, plain: int, beyond: Fraction = Fraction(0)) -> dict[int, int]:
        """Return bad requests of exceptional minutes by how many the minute had: few fractions.

        beyond: over which share of a minute's requests they count, in parts of its denominator.
        """
        part, whole = beyond.as_integer_ratio()
        shares: dict[int, int] = {}
        if not own.exceptions:
            return shares
        # As octets: a shift would copy a year's bits for every minute that is looked at.
        speaking = (own.seen & plain).to_bytes(self._minutes // 8 + 1, "little")
        for minute, good, bad in own.exceptions:
            at = minute - self._first
            if speaking[at >> 3] >> (at & 7) & 1:
                more = bad * whole - part * (good + bad)
                if more > 0:
                    shares[good + bad] = shares.get(good + bad, 0) + more
        return shares

    def _steady(
        self, own: Bits, losses: Sequence[Incident], amendments: Sequence[Amendment]
    ) -> tuple[int, Fraction]:
        """Return minutes of long runs under the same losses or amendment, and what they lost.

        Nothing of them is unknown: a person said what counts.
        """
        lost_in = [(self._so_far(one), one.impact) for one in losses]
        amended_in = [
            (Span(one.start, one.end).clipped(self._seen), one.impact) for one in amendments
        ]
        spans = [span for span, _ in (*lost_in, *amended_in) if span.seconds]
        cuts = sorted({edge for span in spans for edge in span})
        steady, total = 0, Fraction(0)
        for stretch in map(Span, cuts, cuts[1:]):
            if stretch.seconds < self._long_run_s:
                continue
            amended = [impact for span, impact in amended_in if _holds(span, stretch)]
            confirmed = [impact for span, impact in lost_in if _holds(span, stretch)]
            if not (amended or confirmed):
                continue
            bits = self._bits([stretch], whole=True) & ~self._edges & ~self._left_out
            steady |= bits
            if amended:
                total += amended[-1] * bits.bit_count()
            else:
                total += self._at_least(max(confirmed), stretch, own, bits)
        return steady, total * MINUTE_S

    def _at_least(self, impact: Fraction, stretch: Span, own: Bits, bits: int) -> Fraction:
        """Return the minutes lost of some of a stretch, each at least by an impact."""
        lost = impact * bits.bit_count()
        lost += (1 - impact) * (self._down & ~own.seen & bits).bit_count()
        within = own._replace(exceptions=tuple(own.within(stretch)))
        for requests, bad in self._shares(within, bits, impact).items():
            lost += Fraction(bad, requests * impact.denominator)
        return lost

    def _exactly(
        self,
        run: Span,
        own: Bits,
        losses: Sequence[Incident],
        amendments: Sequence[Amendment],
    ) -> Availability:
        """Compute some minutes second by second."""
        span = Span(run.start * MINUTE_S, run.end * MINUTE_S).clipped(self._seen)
        amended: list[Span] = []
        lost: list[Incident] = []
        for one in reversed(amendments):
            again = Span(one.start, one.end).clipped(span)
            if not again.seconds:  # most are of other minutes, and each set of them is a run
                continue
            parts = without(union([again]), union(amended))
            lost += [Incident(*part, one.impact) for part in parts if one.impact]
            amended.append(again)
        settled = union(amended)
        unknown: list[Span] = []
        for piece in self._pieces(own, span):
            for part in without([piece.span], settled):
                if piece.impact is None:
                    unknown.append(part)
                else:
                    lost.append(Incident(part.start, part.end, piece.impact))
        for known in losses:
            again = self._so_far(known).clipped(span)
            parts = without([again], settled) if again.seconds else []
            lost += [Incident(*part, known.impact) for part in parts]
        return compute(
            Case(
                period=span,
                as_of=self._question.as_of,
                incidents=lost,
                maintenance=self._windows,
                unknown=unknown,
                notice_s=self._question.notice_s,
            )
        )

    def _pieces(self, own: Bits, span: Span) -> list[Piece]:
        """Return what was measured in a span and is not wholly good."""
        within = self._bits([span])
        pieces: list[Piece] = []
        unknown = self._full & ~(own.seen | self._probed) & within
        pieces += [Piece(_seconds(run), None) for run in _runs(unknown, self._first)]
        down = self._down & ~own.seen & within
        pieces += [Piece(_seconds(run), Fraction(1)) for run in _runs(down, self._first)]
        speaking = own.seen & within
        pieces += [
            Piece(_seconds(Span(minute, minute + 1)), Fraction(bad, good + bad))
            for minute, good, bad in own.within(span)
            if speaking >> minute - self._first & 1
        ]
        clipped = (piece._replace(span=piece.span.clipped(span)) for piece in pieces)
        return sorted(clipped, key=lambda piece: piece.span)

    def _so_far(self, one: Incident) -> Span:
        end = self._question.as_of if one.end is None else one.end
        return Span(one.start, max(one.start, end)).clipped(self._seen)

    def _bits(self, spans: Iterable[Span], *, whole: bool = False) -> int:
        """Return the minutes that spans touch, or with `whole` those that lie wholly in one."""
        bits = 0
        for start, end in spans:
            if start >= end:
                continue
            first = -(-start // MINUTE_S) if whole else start // MINUTE_S
            last = end // MINUTE_S if whole else -(-end // MINUTE_S)
            if first < last:
                bits |= (1 << last - first) - 1 << first - self._first
        return bits & self._full


def _runs(bits: int, first: int) -> list[Span]:
    """Return the runs of set bits as spans of minutes; bit 0 is minute `first`."""
    runs: list[Span] = []
    at = first
    while bits:
        gap = (bits & -bits).bit_length() - 1
        bits >>= gap
        count = (~bits & bits + 1).bit_length() - 1
        bits >>= count
        runs.append(Span(at + gap, at + gap + count))
        at += gap + count
    return runs


def _holds(span: Span, stretch: Span) -> bool:
    return span.start <= stretch.start and stretch.end <= span.end


def _seconds(minutes: Span) -> Span:
    return Span(minutes.start * MINUTE_S, minutes.end * MINUTE_S)
