"""How the service is at a moment, by what a snapshot knows: a state for each component. Pure.

A component is said to work only on evidence: minutes that were measured lately, or, where nothing
is measured, that nobody reported anything. Without either it is unknown, never up.
"""

import enum
from collections.abc import Sequence
from fractions import Fraction

from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import Condition, condition_of
from server.status.snapshot import ComponentView, PublicIncident, Snapshot, Work

STALE_S = 60
"""From this age on a snapshot tells how things were, not how they are."""

LATELY_S = 15 * 60
"""How long a measured minute says something about now."""

_US = 1_000_000
_DOWN = Fraction(1, 2)
_PARTLY = Fraction(1, 20)
_NOTICEABLE = Fraction(1, 1000)


class Health(enum.StrEnum):
    """How a component is, the best first."""

    OPERATIONAL = "operational"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    PARTIAL = "partial-outage"
    OUTAGE = "outage"


_ORDER = tuple(Health)
_OF_SEVERITY = {
    Severity.SEV_1: Health.OUTAGE,
    Severity.SEV_2: Health.PARTIAL,
    Severity.SEV_3: Health.DEGRADED,
    Severity.SEV_4: Health.OPERATIONAL,  # questions and requests: nothing is out of order
    None: Health.DEGRADED,
}
_UNDER_WAY = frozenset({State.OPEN, State.ACKNOWLEDGED})
_SETTLED = frozenset({State.RESOLVED, State.DISMISSED})


def is_stale(snapshot: Snapshot, now_s: int) -> bool:
    """Whether it is too old to say how things are now."""
    return now_s - snapshot.read_us // _US > STALE_S


def worst(healths: Sequence[Health]) -> Health:
    """Return the worst of them; operational when there are none."""
    return max(healths, key=_ORDER.index, default=Health.OPERATIONAL)


def overall(snapshot: Snapshot, now_s: int) -> Health:
    """Return how the service is: as its worst component."""
    return worst([health(view, snapshot, now_s) for view in snapshot.components])


def health(view: ComponentView, snapshot: Snapshot, now_s: int) -> Health:
    """Return how a component is. What people reported comes first, then what was announced."""
    reported = worst(
        [
            _OF_SEVERITY[incident.severity]
            for incident in snapshot.incidents
            if incident.component is view.component and incident.state in _UNDER_WAY
        ]
    )
    if reported is not Health.OPERATIONAL:
        return reported
    conditions = {
        condition_of(work.state, work.span, now_s)
        for work in snapshot.maintenance
        if work.component is view.component
    }
    if Condition.IN_PROGRESS in conditions:
        return Health.MAINTENANCE
    if is_stale(snapshot, now_s):
        return Health.UNKNOWN
    seen = _seen(view, now_s)
    if Condition.OVERRUN in conditions:
        # Announced work that did not end in time is no maintenance any more.
        return worst([seen, Health.DEGRADED])
    return seen


def _seen(view: ComponentView, now_s: int) -> Health:
    """Return what measuring says."""
    if not view.is_measured:
        return Health.OPERATIONAL
    measured = view.measured
    if measured is None or now_s - measured.until_s > LATELY_S:
        return Health.UNKNOWN
    if measured.lost >= _DOWN:
        return Health.OUTAGE
    if measured.lost >= _PARTLY:
        return Health.PARTIAL
    return Health.DEGRADED if measured.lost >= _NOTICEABLE else Health.OPERATIONAL


def unresolved(snapshot: Snapshot) -> list[PublicIncident]:
    """Return the incidents that are not over, the newest first."""
    return [one for one in snapshot.incidents if one.state not in _SETTLED]


def settled(snapshot: Snapshot) -> list[PublicIncident]:
    """Return those that are, the newest first."""
    return [one for one in snapshot.incidents if one.state in _SETTLED]


def under_way(snapshot: Snapshot, now_s: int) -> list[Work]:
    """Return the maintenance that goes on now, or should have ended."""
    return _works(snapshot, now_s, {Condition.IN_PROGRESS, Condition.OVERRUN})


def to_come(snapshot: Snapshot, now_s: int) -> list[Work]:
    """Return the maintenance that is announced, what comes first first."""
    return sorted(
        _works(snapshot, now_s, {Condition.SCHEDULED}), key=lambda one: (one.span, one.title)
    )


def done(snapshot: Snapshot, now_s: int) -> list[Work]:
    """Return the maintenance that is over or was called off."""
    over = {Condition.OVER, Condition.FINISHED, Condition.CANCELLED}
    return _works(snapshot, now_s, over)


def _works(snapshot: Snapshot, now_s: int, which: set[Condition]) -> list[Work]:
    return [
        work for work in snapshot.maintenance if condition_of(work.state, work.span, now_s) in which
    ]
