"""Made-up minutes, probes, maintenance and incidents, small enough to be stepped through."""

from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

from server.incidents.availability import Incident, Window
from server.incidents.intervals import Span
from server.incidents.minutes import Minute
from server.incidents.record import Amendment
from server.uptime.figures import Bits, Question
from server.uptime.rollup import Counted, DayRoll, ProbeMinute, roll_probes
from server.uptime.segment import DAY_MINUTES, Segment

DAY = 20_000
START_S = DAY * 86_400
CLIENT = 7
LENGTH_MINUTES = 12


class World(NamedTuple):
    """Some minutes from midnight of DAY on, and a question about them."""

    minutes: tuple[Minute, ...]
    min_requests: int
    question: Question
    losses: tuple[Incident, ...]
    amendments: tuple[Amendment, ...]

    @property
    def counted(self) -> list[Counted]:
        first = DAY * DAY_MINUTES
        return [
            Counted(at, CLIENT, one.good, one.bad, 0)
            for at, one in enumerate(self.minutes, first)
            if one.good + one.bad
        ]

    @property
    def own(self) -> Bits:
        return Bits.of([one.stretch for one in self.segments], *self.question.grid)

    @property
    def segments(self) -> list[Segment]:
        roll = DayRoll(DAY, min_requests=self.min_requests, left_out=())
        roll.take(self.counted)
        return [one for one in roll.segments() if one.client_id == CLIENT]

    @property
    def probes(self) -> Bits:
        first = DAY * DAY_MINUTES
        rolled = roll_probes(
            DAY,
            [
                ProbeMinute(at, one.probe_good, one.probe_bad)
                for at, one in enumerate(self.minutes, first)
                if one.probe_good + one.probe_bad
            ],
        )
        return Bits.of([] if rolled is None else [rolled.stretch], *self.question.grid)


counts = st.sampled_from([0, 0, 1, 2, 3, 10])
minutes = st.builds(Minute, counts, counts, st.integers(0, 1), st.integers(0, 1))
seconds = st.integers(START_S - 60, START_S + LENGTH_MINUTES * 60 + 60)
impacts = st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(1, 2)])
spans = st.builds(lambda one, other: Span(min(one, other), max(one, other)), seconds, seconds)
windows = st.builds(Window, spans, st.none() | seconds, st.none() | seconds)
losses = st.builds(
    lambda span, impact, is_open: Incident(span.start, None if is_open else span.end, impact),
    spans,
    impacts,
    st.booleans(),
)
amendments = st.builds(
    lambda span, impact: Amendment(span.start, span.end, impact),
    spans,
    impacts | st.just(Fraction(0)),
)
periods = st.tuples(st.integers(0, 150), st.integers(0, 150)).map(
    lambda cut: Span(START_S + cut[0], START_S + LENGTH_MINUTES * 60 - cut[1])
)
questions = st.builds(Question, periods, seconds, st.lists(windows, max_size=2), st.just(30))
worlds = st.builds(
    World,
    st.lists(minutes, min_size=LENGTH_MINUTES, max_size=LENGTH_MINUTES).map(tuple),
    st.integers(1, 3),
    questions,
    st.lists(losses, max_size=2).map(tuple),
    st.lists(amendments, max_size=2).map(tuple),
)
