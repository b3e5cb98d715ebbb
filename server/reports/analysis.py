"""The incident analysis report: what the data say, and what people say about it.

The Priority Support Schedule (2.f.ii) promises it for severity 1 and 2 within 20 Business Days
after the resolution. What was counted is computed and cannot be edited; what it means is written
by a person. No person is named in what is computed: an author is a person, or the system.
"""

import enum
from typing import Annotated, TypeAlias

from pydantic import Field

from server.journal.acts import State
from server.reports.values import Count, Instant, Part, Requests, Seconds, Share

MAX_TEXT = 20_000
_Line: TypeAlias = Annotated[str, Field(max_length=4000)]
_Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT)]


class Moment(Part):
    """One line of the timeline. by: what sort of author; text: what everybody may read of it.

    note: what operators wrote for each other; internal: the line is for them alone. Both stand in
    the draft, for who edits, and in nothing that is published.
    """

    at: Instant
    what: _Line
    by: str
    text: _Line = ""
    note: _Line = ""
    internal: bool = False


class Standing(enum.StrEnum):
    """How a clock stood. These are targets of commercially reasonable efforts."""

    RUNNING = "running"
    MET = "met"
    MISSED = "missed"


class ClockLine(Part):
    """A clock and what became of it. due: as it held last; stopped: by a person's answer."""

    clock: str
    due: Instant
    stopped: Instant | None
    standing: Standing


class Loss(Part):
    """Seconds that a person confirmed. end: None while they go on; impact: which part of it."""

    start: Instant
    end: Instant | None
    impact: Share


class Impact(Part):
    """What happened to one Client ID's requests in the incident's time, and how long it was lost.

    client: 0 for all clients together. downtime_s: weighed by impact; unknown_s: of those seconds
    nothing is known.
    """

    client: Count
    requests: Requests
    downtime_s: Share
    unknown_s: Count


class Effect(Part):
    """What it did to a month's figure. lost_s: how much of the downtime lies in its time."""

    month: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}$")]
    seconds: Seconds
    lost_s: Share


class Texts(Part):
    """What people write. Plain text: empty lines part paragraphs, lines with `- ` are a list."""

    summary: _Text = ""
    cause: _Text = ""
    remedy: _Text = ""
    prevention: _Text = ""
    remarks: _Text = ""


NEEDED = ("summary", "cause", "remedy", "prevention")
"""Without these there is no analysis, and nothing is published."""


class Facts(Part):
    """What the data say. severity: the worst it ever had; due: of the report, None for no clock.

    clients: whom it concerns, nobody for everybody; unknown: sentences on what is not known.
    """

    incident: Count
    component: str
    title: _Line
    origin: str
    severity: Annotated[int, Field(ge=1, le=4)]
    reported: Instant
    resolved: Instant | None
    due: Instant | None
    drafted: Instant
    clients: tuple[Count, ...]
    timeline: tuple[Moment, ...]
    clocks: tuple[ClockLine, ...]
    losses: tuple[Loss, ...]
    impacts: tuple[Impact, ...]
    effects: tuple[Effect, ...]
    unknown: tuple[_Line, ...]


class Analysis(Part):
    """A report: facts and texts."""

    facts: Facts
    texts: Texts = Texts()

    def state(self) -> State:
        """Return it as JSON, for the store and the ledger; `model_validate` is the inverse."""
        found: State = self.model_dump(mode="json")
        return found

    def public(self) -> "Analysis":
        """Return what may leave the house: without the lines that are for who edits."""
        shown = tuple(
            one.model_copy(update={"note": ""}) for one in self.facts.timeline if not one.internal
        )
        facts = self.facts.model_copy(update={"timeline": shown})
        return self.model_copy(update={"facts": facts})

    def concerns(self, clients: frozenset[int]) -> bool:
        """Whether the incident concerns any of these clients: one that names none, everybody's."""
        named = frozenset(self.facts.clients)
        return not named or bool(named & clients)

    def for_clients(self, clients: frozenset[int]) -> "Analysis":
        """Return what the owner of these clients may read: nobody else's figures."""
        impacts = tuple(one for one in self.facts.impacts if one.client in clients | {0})
        named = tuple(one for one in self.facts.clients if one in clients)
        update = {"impacts": impacts, "clients": named}
        return self.model_copy(update={"facts": self.facts.model_copy(update=update)})
