"""The rules that open incidents by themselves: what was seen, and what follows from it. Pure.

Each rule has one incident open at a time. A severity is proposed with the schedule's sentence and
assigned by a person; only lost redundancy while requests succeed is severity 3 by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from server.incidents.availability import TARGET
from server.incidents.components import Component
from server.incidents.record import Opening, Origin
from server.incidents.severity import Proposal, Reach, Situation, Workaround, propose

LEAST_BAD = 10
"""Fewer bad requests open nothing: one of two is no burn."""

REDUNDANCY_LOST_S = 60
"""A worker that is replaced at once, or an HSM that misses a beat, is no incident."""

_OUTAGE = Fraction(1, 2)
"""From this share on nobody can rely on an answer: the service is unavailable."""


class Finding(NamedTuple):
    """What a rule found. text: what it saw; assigned: the rule gives the severity, too."""

    origin: Origin
    title: str
    proposal: Proposal
    text: str
    public: bool
    assigned: bool = False
    component: Component = Component.VALIDATION

    def opening(self, now_us: int) -> Opening:
        """Return how the incident begins: clocks run from when it was noticed."""
        return Opening(
            self.component,
            self.title,
            self.origin,
            self.proposal.severity,
            self.proposal.sentence,
            now_us,
            None,
            self.public,
        )


class Counted(NamedTuple):
    """The requests of a minute, counted since the epoch. Those over a limit are in neither."""

    minute: int
    good: int
    bad: int


class Burn(NamedTuple):
    """A rate at which the budget burns, over a long window and a short one, in minutes."""

    factor: Fraction
    long: int
    short: int


BURNS = (Burn(Fraction(144, 10), 60, 5), Burn(Fraction(6), 360, 30))
"""Those that call somebody. Slower ones are tickets, and Prometheus' to make."""

LONGEST = max(burn.long for burn in BURNS)


def burning(minutes: Iterable[Counted], now_minute: int, target: Fraction = TARGET) -> Burn | None:
    """Return the fastest rate at which the budget burns now, None when it does not."""
    counted = list(minutes)
    for burn in BURNS:
        limit = burn.factor * (1 - target)
        over_long = _share(counted, now_minute, burn.long)
        over_short = _share(counted, now_minute, burn.short)
        if over_long.bad >= LEAST_BAD and over_long.ratio >= limit and over_short.ratio >= limit:
            return burn
    return None


def burn_rate(
    minutes: Iterable[Counted], now_minute: int, target: Fraction = TARGET
) -> Finding | None:
    """Return what is found when the budget burns fast enough to call somebody."""
    counted = list(minutes)
    burn = burning(counted, now_minute, target)
    if burn is None:
        return None
    share = _share(counted, now_minute, burn.short)
    if share.ratio >= _OUTAGE:
        situation, title = Situation(unavailable=True), "Validation fails"
    elif burn is BURNS[0]:
        situation = Situation(
            degraded_severely=True, reach=Reach.MOST, workaround=Workaround.NOT_PRACTICAL
        )
        title = "Validation fails for some requests"
    else:
        situation, title = Situation(degraded=True), "Validation fails for few requests"
    text = (
        f"{share.bad} of {share.bad + share.good} requests failed in the last {burn.short} minutes:"
        f" the budget burns {float(burn.factor):g} times as fast as it may, or faster"
    )
    return Finding(Origin.BURN_RATE, title, propose(situation), text, public=True)


def probe_failing(prober: str, what: str) -> Finding:
    """Return what is found when a prober gets no right answers. what: in its words."""
    return Finding(
        Origin.PROBE,
        "Validation fails",
        propose(Situation(unavailable=True)),
        f"the prober {prober} gets no right answers: {what}",
        public=True,
    )


def hsm_alarm(subject: str, kind: str, what: str) -> Finding:
    """Return what is found when the log of an HSM raises an alarm: for operators first."""
    return Finding(
        Origin.HSM_ALARM,
        "An HSM's log raises an alarm",
        propose(Situation(warranted=True)),
        f"{subject}, {kind}: {what}",
        public=False,
    )


class Standing(NamedTuple):
    """How many of something there are, and how many there should be. what: "workers"."""

    what: str
    up: int
    wanted: int

    @property
    def is_thin(self) -> bool:
        """Whether some are missing and others serve: without any it is an outage, not this."""
        return 0 < self.up < self.wanted


def watch_standings(
    thin_since: Mapping[str, float], standings: Iterable[Standing], now_s: float
) -> tuple[Mapping[str, float], Sequence[Standing]]:
    """Return since when each thing is thin, and those that have been for long enough.

    thin_since: as returned the last time; now_s: on a clock that does not go back.
    """
    thin = [one for one in standings if one.is_thin]
    since = {one.what: thin_since.get(one.what, now_s) for one in thin}
    return since, [one for one in thin if now_s - since[one.what] >= REDUNDANCY_LOST_S]


def lost_redundancy(thin: Sequence[Standing], where: str) -> Finding | None:
    """Return what is found when something has been thin for long enough. where: which machine."""
    if not thin:
        return None
    parts = ", ".join(f"{one.up} of {one.wanted} {one.what}" for one in thin)
    return Finding(
        Origin.LOST_REDUNDANCY,
        "Validation works without redundancy",
        propose(Situation(degraded=True)),
        f"on {where} there are {parts}, while requests succeed",
        public=False,
        assigned=True,
    )


class _Share(NamedTuple):
    good: int
    bad: int

    @property
    def ratio(self) -> Fraction:
        requests = self.good + self.bad
        return Fraction(self.bad, requests) if requests else Fraction(0)


def _share(minutes: Sequence[Counted], now_minute: int, window: int) -> _Share:
    """Return what was counted in the last minutes, this one among them."""
    within = [one for one in minutes if now_minute - window < one.minute <= now_minute]
    return _Share(sum(one.good for one in within), sum(one.bad for one in within))
