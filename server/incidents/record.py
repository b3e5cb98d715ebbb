"""An incident: a history that only grows, and what holds after its last record.

Everything there is to know of an incident follows from its records, so a history that was begun
elsewhere (by the prober, while the server was away) is taken over as it is.
"""

import enum
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from server.incidents.availability import Incident as Loss
from server.incidents.components import Component
from server.incidents.severity import Severity
from server.incidents.states import State, Step, step

__all__ = [
    "Affected",
    "Amendment",
    "Assignment",
    "Author",
    "AuthorKind",
    "Component",
    "Confirmation",
    "Detail",
    "Incident",
    "Loss",
    "Opening",
    "Origin",
    "PublicUpdate",
    "Record",
    "Severity",
    "State",
    "Step",
    "Update",
]


class Origin(enum.Enum):
    """What made somebody look: a person, or the rule that opened the incident."""

    PERSON = "person"
    PROBE = "probe"
    BURN_RATE = "burn-rate"
    LOST_REDUNDANCY = "lost-redundancy"
    HSM_ALARM = "hsm-alarm"


class AuthorKind(enum.Enum):
    """What sort of author wrote a record."""

    OPERATOR = "operator"
    CONTACT = "contact"
    SYSTEM = "system"
    PROBER = "prober"


class Author(NamedTuple):
    """Who wrote a record. name: unique in its kind; never shown to the public."""

    kind: AuthorKind
    name: str

    @property
    def is_person(self) -> bool:
        """Whether what they write can stop a clock: what a machine writes never does."""
        return self.kind in {AuthorKind.OPERATOR, AuthorKind.CONTACT}


class Opening(NamedTuple):
    """How an incident began, in its first record.

    title: one line for everybody; severity, sentence: as proposed, with the schedule's sentence
    that matched; reported_us: when it was reported or noticed, from which clocks run; customer:
    who reported it, None when we found it ourselves; public: whether the status page shows it.
    """

    component: Component
    title: str
    origin: Origin
    severity: Severity
    sentence: str
    reported_us: int
    customer: int | None = None
    public: bool = True


class Assignment(NamedTuple):
    """A severity that was given, and the one that had been proposed. The text is the reason."""

    severity: Severity
    proposed: Severity


class Confirmation(NamedTuple):
    """Which seconds a person says were lost, in part or whole; it replaces an earlier one."""

    losses: tuple[Loss, ...]


class Affected(NamedTuple):
    """The clients that an incident concerns, in order; none: all of them."""

    clients: tuple[int, ...]


class Update(NamedTuple):
    """Something was told. public: to everybody, not only to those it concerns."""

    public: bool


class Amendment(NamedTuple):
    """What counts of [start, end) from now on: an impact of 0 to 1. The text is the reason.

    It stands in place of what was measured and of what was confirmed by any incident; a later
    amendment stands in place of an earlier one.
    """

    start: int
    end: int
    impact: Fraction


Detail: TypeAlias = Opening | Assignment | Confirmation | Affected | Update | Amendment | None


class Record(NamedTuple):
    """One step. at_us: when it was taken, microseconds; text: what the author says ("": nothing).

    Texts of updates that are public are for everybody, all others stay among operators. detail:
    of the step's own kind, None for those that need none.
    """

    step: Step
    at_us: int
    author: Author
    text: str = ""
    detail: Detail = None


class PublicUpdate(NamedTuple):
    """What the public reads of one record. text: "" when only the state became another one."""

    at_us: int
    state: State
    text: str


_PUBLIC_STEPS = frozenset(
    {
        Step.OPENED,
        Step.ACKNOWLEDGED,
        Step.MITIGATED,
        Step.WORSENED,
        Step.RESOLVED,
        Step.REOPENED,
        Step.DISMISSED,
    }
)


class Incident(NamedTuple):
    """An incident with its whole history, the opening first; there is at least that."""

    incident_id: int
    history: tuple[Record, ...]

    @property
    def opening(self) -> Opening:
        """How it began."""
        opening = self.history[0].detail
        if not isinstance(opening, Opening):
            raise TypeError(f"the history of incident {self.incident_id} has no beginning")
        return opening

    @property
    def component(self) -> Component:
        """Which part of the service it is about."""
        return self.opening.component

    @property
    def title(self) -> str:
        """What it is called, for everybody."""
        return self.opening.title

    @property
    def origin(self) -> Origin:
        """What made somebody look."""
        return self.opening.origin

    @property
    def reported_us(self) -> int:
        """When it was reported or noticed: clocks run from there."""
        return self.opening.reported_us

    @property
    def states(self) -> Sequence[State]:
        """Where it stood after each record."""
        return _states(self.history)

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.states[-1]

    @property
    def assignments(self) -> tuple[tuple[Record, Assignment], ...]:
        """Every severity that it was given, with the record of it."""
        found = ((record, record.detail) for record in self.history)
        return tuple((record, one) for record, one in found if isinstance(one, Assignment))

    @property
    def severity(self) -> Severity:
        """The severity that holds: as given last, as proposed before anybody gave one."""
        given = self.assignments
        return given[-1][1].severity if given else self.opening.severity

    @property
    def highest_severity(self) -> Severity:
        """The worst severity it was ever given; as proposed before anybody gave one."""
        given = [assignment.severity for _, assignment in self.assignments]
        return min(given, default=self.opening.severity)

    @property
    def acknowledged_us(self) -> int | None:
        """When a person first acknowledged it or told something of it."""
        answers = (
            record.at_us
            for record in self.history
            if record.step in {Step.ACKNOWLEDGED, Step.UPDATE} and record.author.is_person
        )
        return next(answers, None)

    @property
    def resolved_us(self) -> int | None:
        """When it was resolved; None while it is not, also when it was reopened since."""
        if self.state is not State.RESOLVED:
            return None
        return max(one.at_us for one in self.history if one.step is Step.RESOLVED)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What a person confirmed; nothing before anybody did."""
        given = [one.detail for one in self.history if isinstance(one.detail, Confirmation)]
        return given[-1].losses if given else ()

    @property
    def was_confirmed(self) -> bool:
        """Whether a person ever confirmed seconds, also when others were confirmed since."""
        return any(
            isinstance(one.detail, Confirmation) and one.detail.losses for one in self.history
        )

    @property
    def amendments(self) -> tuple[Amendment, ...]:
        """What was amended, in order."""
        return tuple(one.detail for one in self.history if isinstance(one.detail, Amendment))

    @property
    def clients(self) -> tuple[int, ...]:
        """Which clients it concerns; none: all of them."""
        given = [one.detail for one in self.history if isinstance(one.detail, Affected)]
        return given[-1].clients if given else ()

    @property
    def public(self) -> bool:
        """Whether everybody may know: from its opening on, or since something was told to all."""
        return self.opening.public or any(_is_told(record) for record in self.history)

    @property
    def public_updates(self) -> tuple[PublicUpdate, ...]:
        """What everybody reads, the earliest first: states, and texts of public updates only."""
        if not self.public:
            return ()
        pairs = zip(self.history, self.states, strict=True)
        return tuple(
            PublicUpdate(record.at_us, state, record.text if _is_told(record) else "")
            for record, state in pairs
            if record.step in _PUBLIC_STEPS or _is_told(record)
        )


def _is_told(record: Record) -> bool:
    return isinstance(record.detail, Update) and record.detail.public


def _states(history: Sequence[Record]) -> list[State]:
    """Return the state after each record."""
    states: list[State] = []
    state: State | None = None
    for record in history:
        state = step(state, record.step)
        states.append(state)
    return states
