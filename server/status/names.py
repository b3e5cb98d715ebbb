"""What things are called on the page, in the feed and for programs: the words of one place."""

from collections.abc import Mapping

from server.incidents.availability import Verdict
from server.incidents.components import Component
from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import Condition, Step
from server.status.now import Health
from server.status.snapshot import Update

COMPONENT: Mapping[Component, str] = {
    Component.VALIDATION: "Validation",
    Component.UPLOAD: "Upload",
    Component.API_KEYS: "API keys",
    Component.PROVISIONING: "Provisioning",
}

ABOUT: Mapping[Component, str] = {
    Component.VALIDATION: "Whether one-time passwords are validated.",
    Component.UPLOAD: "Whether keys can be brought in.",
    Component.API_KEYS: "Whether Client IDs and API keys are given out.",
    Component.PROVISIONING: "Whether YubiKeys are given new secrets.",
}

HEALTH: Mapping[Health, str] = {
    Health.OPERATIONAL: "Works",
    Health.MAINTENANCE: "In maintenance",
    Health.UNKNOWN: "Not known",
    Health.DEGRADED: "Works with faults",
    Health.PARTIAL: "Partly out of order",
    Health.OUTAGE: "Out of order",
}

STATE: Mapping[State, str] = {
    State.OPEN: "Noticed",
    State.ACKNOWLEDGED: "Being worked on",
    State.MITIGATED: "Being watched",
    State.RESOLVED: "Resolved",
    State.DISMISSED: "Was no incident",
}

_UNTOLD: Mapping[State, str] = {
    State.OPEN: "It was noticed.",
    State.ACKNOWLEDGED: "Somebody is working on it.",
    State.MITIGATED: "The service works again. Whether for good is being watched.",
    State.RESOLVED: "It is over.",
    State.DISMISSED: "It was looked at and was no incident. What was measured stays as it is.",
}

SEVERITY: Mapping[Severity, str] = {
    Severity.SEV_1: "Severity 1",
    Severity.SEV_2: "Severity 2",
    Severity.SEV_3: "Severity 3",
    Severity.SEV_4: "Severity 4",
}

VERDICT: Mapping[Verdict, str] = {
    Verdict.MET: "Met so far",
    Verdict.BREACHED: "Missed so far",
    Verdict.INDETERMINATE: "Not decided",
    Verdict.NO_ELIGIBLE_TIME: "Nothing to measure yet",
}

CONDITION: Mapping[Condition, str] = {
    Condition.SCHEDULED: "Announced",
    Condition.IN_PROGRESS: "Under way",
    Condition.OVERRUN: "Not ended in time",
    Condition.OVER: "Over",
    Condition.FINISHED: "Finished",
    Condition.CANCELLED: "Called off",
}

STEP: Mapping[str, str] = {
    Step.ANNOUNCE.value: "Announced",
    Step.CHANGE.value: "Changed",
    Step.CANCEL.value: "Called off",
    Step.BEGIN.value: "Begun",
    Step.FINISH.value: "Finished",
}


BARS = (
    ("well", "well"),
    ("some", "some lost"),
    ("bad", "5 % or more lost"),
    ("maintenance", "announced maintenance"),
    ("unknown", "not known"),
    ("none", "before the records begin"),
)
"""Parts of bars, and what they mean."""


def told(update: Update) -> str:
    """Return what an update says; where nobody wrote anything, what its state means."""
    return update.text or _UNTOLD[update.state]
