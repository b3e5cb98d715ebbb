"""The status in the shape of Statuspage's public API (version 2), which many programs read.

Its words are few. What it has none for is told with more caution, never less: a component of which
nothing is known is `degraded_performance`, with the reason in its description, and an incident that
was dismissed is `resolved`. Ids are texts that never change.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from server.incidents.components import Component
from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import Condition, condition_of
from server.pages import words
from server.status import names, now
from server.status.now import Health
from server.status.page import headline
from server.status.snapshot import ComponentView, PublicIncident, Snapshot, Update, Work

Json: TypeAlias = dict[str, Any]

_US = 1_000_000

_COMPONENT_STATUS: Mapping[Health, str] = {
    Health.OPERATIONAL: "operational",
    Health.MAINTENANCE: "under_maintenance",
    Health.UNKNOWN: "degraded_performance",
    Health.DEGRADED: "degraded_performance",
    Health.PARTIAL: "partial_outage",
    Health.OUTAGE: "major_outage",
}
_INDICATOR: Mapping[Health, str] = {
    Health.OPERATIONAL: "none",
    Health.MAINTENANCE: "maintenance",
    Health.UNKNOWN: "minor",
    Health.DEGRADED: "minor",
    Health.PARTIAL: "major",
    Health.OUTAGE: "critical",
}
_DESCRIPTION: Mapping[Health, str] = {
    Health.OPERATIONAL: "All Systems Operational",
    Health.MAINTENANCE: "Service Under Maintenance",
    Health.DEGRADED: "Minor Service Outage",
    Health.PARTIAL: "Partial System Outage",
    Health.OUTAGE: "Major System Outage",
}
"""Statuspage's own, since programs show and compare them."""

_INCIDENT_STATUS: Mapping[State, str] = {
    State.OPEN: "investigating",
    State.ACKNOWLEDGED: "identified",
    State.MITIGATED: "monitoring",
    State.RESOLVED: "resolved",
    State.DISMISSED: "resolved",
}
_IMPACT: Mapping[Severity | None, str] = {
    Severity.SEV_1: "critical",
    Severity.SEV_2: "major",
    Severity.SEV_3: "minor",
    Severity.SEV_4: "none",
    None: "minor",
}
_WORK_STATUS: Mapping[Condition, str] = {
    Condition.SCHEDULED: "scheduled",
    Condition.IN_PROGRESS: "in_progress",
    Condition.OVERRUN: "in_progress",
    Condition.OVER: "completed",
    Condition.FINISHED: "completed",
    Condition.CANCELLED: "completed",
}


_WORK_STEP: Mapping[str, str] = {
    "begun": "in_progress",
    "finished": "completed",
    "cancelled": "completed",
}


def write(name: str, snapshot: Snapshot, now_s: int, url: str) -> bytes:
    """Return one of DOCUMENTS as it is at a second. url: where the page is."""
    view = _View(snapshot, now_s, url)
    value = {"page": view.page(), **DOCUMENTS[name](view)}
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


class _View:
    """A snapshot at a second, in Statuspage's words."""

    def __init__(self, snapshot: Snapshot, now_s: int, url: str) -> None:
        self._snapshot = snapshot
        self._now_s = now_s
        self._url = url
        named = f"{snapshot.service}\0{url}".encode()
        self._page_id = hashlib.sha256(named).hexdigest()[:12]
        self._read = words.milliseconds(snapshot.read_us)

    def page(self) -> Json:
        return {
            "id": self._page_id,
            "name": self._snapshot.service,
            "url": self._url,
            "time_zone": "Etc/UTC",
            "updated_at": self._read,
        }

    def status(self) -> Json:
        health = now.overall(self._snapshot, self._now_s)
        said = _DESCRIPTION.get(health) or headline(self._snapshot, self._now_s)
        return {"status": {"indicator": _INDICATOR[health], "description": said}}

    def components(self) -> Json:
        views = enumerate(self._snapshot.components, 1)
        return {"components": [self._component(view, position) for position, view in views]}

    def _component(self, view: ComponentView, position: int) -> Json:
        health = now.health(view, self._snapshot, self._now_s)
        about = names.ABOUT[view.component]
        if health is Health.UNKNOWN:
            about += " It is not known how it is now."
        return self._named(view.component) | {
            "status": _COMPONENT_STATUS[health],
            "created_at": None,
            "updated_at": self._read,
            "position": position,
            "description": about,
            "showcase": view.is_measured,
            "start_date": view.bars[0].day.isoformat() if view.bars else None,
            "group_id": None,
            "group": False,
            "only_show_if_degraded": False,
        }

    def _named(self, component: Component) -> Json:
        return {
            "id": component.value,
            "name": names.COMPONENT[component],
            "page_id": self._page_id,
        }

    def _affected(self, component: Component) -> Sequence[Json]:
        """Return the component as an incident or a maintenance tells of it."""
        shown = [view for view in self._snapshot.components if view.component is component]
        return [self._component(view, 1) for view in shown] or [
            self._named(component) | {"status": "operational"}
        ]

    def incident(self, one: PublicIncident) -> Json:
        ident = f"incident-{one.reference}"
        last = one.updates[-1].at_us
        monitored = [update.at_us for update in one.updates if update.state is State.MITIGATED]
        over = one.resolved_us
        if over is None and one.state is State.DISMISSED:
            over = last
        return {
            "id": ident,
            "name": one.title,
            "status": _INCIDENT_STATUS[one.state],
            "impact": _IMPACT[one.severity],
            "created_at": words.milliseconds(one.updates[0].at_us),
            "started_at": words.milliseconds(one.reported_us),
            "updated_at": words.milliseconds(last),
            "monitoring_at": words.milliseconds(monitored[-1]) if monitored else None,
            "resolved_at": None if over is None else words.milliseconds(over),
            "shortlink": f"{self._url}#{ident}",
            "page_id": self._page_id,
            "components": self._affected(one.component),
            "incident_updates": [
                self._update(ident, number, one.component, update)
                for number, update in reversed(list(enumerate(one.updates, 1)))
            ],
        }

    def _update(self, ident: str, number: int, component: Component, update: Update) -> Json:
        status = _INCIDENT_STATUS[update.state]
        return self._told(ident, number, status, names.told(update), update.at_us) | {
            "affected_components": [
                {"code": component.value, "name": names.COMPONENT[component]},
            ],
        }

    def work(self, one: Work) -> Json:
        ident = f"maintenance-{one.maintenance_id}"
        condition = condition_of(one.state, one.span, self._now_s)
        settled = _WORK_STATUS[condition] == "completed"
        ended = one.span.end * _US if condition is Condition.OVER else one.steps[-1].at_us
        began = condition in {Condition.IN_PROGRESS, Condition.OVERRUN, Condition.OVER}
        return {
            "id": ident,
            "name": one.title,
            "status": _WORK_STATUS[condition],
            "impact": "maintenance",
            "created_at": words.milliseconds(one.steps[0].at_us),
            "started_at": words.milliseconds(one.span.start * _US) if began or settled else None,
            "updated_at": words.milliseconds(one.steps[-1].at_us),
            "monitoring_at": None,
            "resolved_at": words.milliseconds(ended) if settled else None,
            "shortlink": f"{self._url}#{ident}",
            "scheduled_for": words.milliseconds(one.span.start * _US),
            "scheduled_until": words.milliseconds(one.span.end * _US),
            "page_id": self._page_id,
            "components": self._affected(one.component),
            "incident_updates": [
                self._told(
                    ident,
                    number,
                    _WORK_STEP.get(step.step, "scheduled"),
                    f"{names.STEP[step.step]}: {words.window(*step.span)}",
                    step.at_us,
                )
                for number, step in reversed(list(enumerate(one.steps, 1)))
            ],
        }

    def _told(self, ident: str, number: int, status: str, body: str, at_us: int) -> Json:
        at = words.milliseconds(at_us)
        return {
            "id": f"{ident}-{number}",
            "incident_id": ident,
            "status": status,
            "body": body,
            "created_at": at,
            "updated_at": at,
            "display_at": at,
        }

    def incidents(self, which: Sequence[PublicIncident]) -> Json:
        return {"incidents": [self.incident(one) for one in which]}

    def works(self, which: Sequence[Work]) -> Json:
        return {"scheduled_maintenances": [self.work(one) for one in which]}

    def all_incidents(self) -> Json:
        return self.incidents(self._snapshot.incidents)

    def unresolved(self) -> Json:
        return self.incidents(now.unresolved(self._snapshot))

    def all_works(self) -> Json:
        return self.works(self._snapshot.maintenance)

    def upcoming(self) -> Json:
        return self.works(now.to_come(self._snapshot, self._now_s))

    def active(self) -> Json:
        return self.works(now.under_way(self._snapshot, self._now_s))

    def not_over(self) -> Json:
        return self.works(
            [
                *now.under_way(self._snapshot, self._now_s),
                *now.to_come(self._snapshot, self._now_s),
            ]
        )

    def summary(self) -> Json:
        return self.components() | self.unresolved() | self.not_over() | self.status()


DOCUMENTS: Mapping[str, Callable[[_View], Json]] = {
    "summary.json": _View.summary,
    "status.json": _View.status,
    "components.json": _View.components,
    "incidents.json": _View.all_incidents,
    "incidents/unresolved.json": _View.unresolved,
    "scheduled-maintenances.json": _View.all_works,
    "scheduled-maintenances/upcoming.json": _View.upcoming,
    "scheduled-maintenances/active.json": _View.active,
}
"""What there is below `api/v2/`."""
