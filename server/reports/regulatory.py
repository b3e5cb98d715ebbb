"""Clocks of authorities as data: NIS2 and DORA, with the engine that runs the schedule's clocks.

Off unless the configuration names a regime. A clock begins when a person says that an incident is
one that has to be reported there, never by itself: that is a judgement of law. What is sent to an
authority is sent by a person; here is written down that it was, and when.

A month is the same time of day one month later on the entity's wall, and ends sooner when that
month is shorter. Regulation 1182/71 gives until the end of that day: what is in time here is in
time there. For the same reason no deadline moves from a weekend to the next working day.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.incidents.business_calendar import BusinessCalendar
from server.incidents.clocks import CalendarMonths, Elapsed, Reading, Target, due_after
from server.incidents.reminders import Moment, lead
from server.reports.analysis import Standing

_HOUR = 3600


class Regime(enum.StrEnum):
    """Whose rules they are."""

    NIS2 = "nis2"
    """Directive (EU) 2022/2555, Article 23(4)."""
    DORA = "dora"
    """Regulation (EU) 2022/2554, Article 19; Delegated Regulation (EU) 2025/301, Article 5."""


class Anchor(enum.StrEnum):
    """What a clock counts from."""

    AWARE = "aware"
    """Somebody became aware of the incident."""
    CLASSIFIED = "classified"
    """A person classified it as one that has to be reported."""
    BEFORE = "before"
    """The stage before was sent; while it was not, the time when that is due at the latest."""


class Limit(NamedTuple):
    """So long after an anchor."""

    anchor: Anchor
    target: Target


class Stage(NamedTuple):
    """Something that is sent to the authority. limits: the earliest of them is when it is due."""

    name: str
    title: str
    source: str
    limits: tuple[Limit, ...]


STAGES: Mapping[Regime, tuple[Stage, ...]] = {
    Regime.NIS2: (
        Stage(
            "early-warning",
            "Early warning",
            "NIS2 Article 23(4)(a): within 24 hours of becoming aware",
            (Limit(Anchor.AWARE, Elapsed(24 * _HOUR)),),
        ),
        Stage(
            "notification",
            "Incident notification",
            "NIS2 Article 23(4)(b): within 72 hours of becoming aware",
            (Limit(Anchor.AWARE, Elapsed(72 * _HOUR)),),
        ),
        Stage(
            "final-report",
            "Final report",
            "NIS2 Article 23(4)(d): one month after the incident notification",
            (Limit(Anchor.BEFORE, CalendarMonths(1)),),
        ),
    ),
    Regime.DORA: (
        Stage(
            "initial-notification",
            "Initial notification",
            "2025/301 Article 5: 4 hours after classification, 24 hours after becoming aware",
            (
                Limit(Anchor.CLASSIFIED, Elapsed(4 * _HOUR)),
                Limit(Anchor.AWARE, Elapsed(24 * _HOUR)),
            ),
        ),
        Stage(
            "intermediate-report",
            "Intermediate report",
            "2025/301 Article 5: 72 hours after the initial notification",
            (Limit(Anchor.BEFORE, Elapsed(72 * _HOUR)),),
        ),
        Stage(
            "final-report",
            "Final report",
            "2025/301 Article 5: one month after the intermediate report",
            (Limit(Anchor.BEFORE, CalendarMonths(1)),),
        ),
    ),
}
"""The stages of a regime, in their order."""


class RegulatoryStep(enum.StrEnum):
    """What was done about a regime."""

    CLASSIFIED = "classified"
    SENT = "sent"
    WITHDRAWN = "withdrawn"
    """It proved to be none that has to be reported."""


class RegulatoryRecord(NamedTuple):
    """One step. at_us: when it was written down; when_s: when it happened, Unix seconds.

    stage: of what was sent, "" otherwise; aware_s: when somebody became aware, of a classification;
    by: who wrote it down; text: why, or the authority's reference.
    """

    regime: Regime
    step: RegulatoryStep
    at_us: int
    when_s: int
    by: str
    text: str = ""
    stage: str = ""
    aware_s: int | None = None


class RegulatoryClock(NamedTuple):
    """How one stage stands. start: from when the limit that is first counts.

    final: False while the stage before may still move it.
    """

    regime: Regime
    stage: Stage
    start: int
    due: int
    sent: int | None
    final: bool

    def standing(self, now_s: int) -> Standing:
        """Return how it stands: exactly at the due instant is in time."""
        if (now_s if self.sent is None else self.sent) > self.due:
            return Standing.MISSED
        return Standing.RUNNING if self.sent is None else Standing.MET


def standing_classification(
    regime: Regime, records: Sequence[RegulatoryRecord]
) -> tuple[RegulatoryRecord, Sequence[RegulatoryRecord]] | None:
    """Return the classification that stands and what came after it; None when none does."""
    found: tuple[RegulatoryRecord, list[RegulatoryRecord]] | None = None
    for record in records:
        if record.regime is not regime:
            continue
        if record.step is RegulatoryStep.CLASSIFIED:
            found = (record, [])
        elif record.step is RegulatoryStep.WITHDRAWN:
            found = None
        elif found is not None:
            found[1].append(record)
    return found


def regulatory_clocks(
    regime: Regime, records: Sequence[RegulatoryRecord], calendar: BusinessCalendar
) -> tuple[RegulatoryClock, ...]:
    """Return a regime's clocks for an incident; none while no classification stands."""
    standing = standing_classification(regime, records)
    if standing is None:
        return ()
    classified, later = standing
    aware = classified.when_s if classified.aware_s is None else classified.aware_s
    sent = {one.stage: one.when_s for one in reversed(later)}  # the first of each counts
    clocks: list[RegulatoryClock] = []
    for stage in STAGES[regime]:
        starts = {Anchor.AWARE: aware, Anchor.CLASSIFIED: classified.when_s}
        final = True
        if clocks:
            before = clocks[-1]
            starts[Anchor.BEFORE] = before.due if before.sent is None else before.sent
            follows = any(limit.anchor is Anchor.BEFORE for limit in stage.limits)
            final = before.sent is not None or not follows
        due, start = min(
            (due_after(limit.target, starts[limit.anchor], calendar, _ANY), starts[limit.anchor])
            for limit in stage.limits
        )
        clocks.append(RegulatoryClock(regime, stage, start, due, sent.get(stage.name), final))
    return tuple(clocks)


class RegulatoryReminder(NamedTuple):
    """Something to be told once. moment: "clock-soon" or "clock-missed"; due: Unix seconds.

    Another due instant is another reminder.
    """

    incident_id: int
    regime: Regime
    stage: str
    due: int
    moment: Moment


def regulatory_reminders(
    incident_id: int, clocks: Sequence[RegulatoryClock], now_s: int
) -> list[RegulatoryReminder]:
    """Return everything that should have been told by now, told already or not.

    What is not final yet is not reminded of: what it hangs on is.
    """
    found = []
    for one in clocks:
        if one.sent is not None or not one.final:
            continue
        missed = one.standing(now_s) is Standing.MISSED
        if missed or now_s >= one.due - lead(one.start, one.due):
            moment = Moment.MISSED if missed else Moment.SOON
            found.append(
                RegulatoryReminder(incident_id, one.regime, one.stage.name, one.due, moment)
            )
    return found


_ANY = Reading.ELAPSED
"""No target here is one that can be read in two ways."""
