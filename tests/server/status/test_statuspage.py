"""Statuspage's shape, read by a program that others wrote for Statuspage, and by its rules."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import State as WorkState
from server.status import statuspage
from server.status.snapshot import Measured, Snapshot
from tests.server.status.samples import (
    NOW_S,
    degraded,
    eventful,
    incident,
    quiet,
    stale,
    validation,
    work,
)

URL = "https://status.example.org"
STATUSES = {
    "operational",
    "degraded_performance",
    "partial_outage",
    "major_outage",
    "under_maintenance",
}
INCIDENT_STATUSES = {"investigating", "identified", "monitoring", "resolved", "postmortem"}
WORK_STATUSES = {"scheduled", "in_progress", "verifying", "completed"}


def read(name: str, snapshot: Snapshot, now_s: int = NOW_S) -> Any:  # noqa: ANN401 - JSON
    return json.loads(statuspage.write(name, snapshot, now_s, URL))


@pytest.mark.parametrize("name", list(statuspage.DOCUMENTS))
@pytest.mark.parametrize("snapshot", [quiet(), eventful(), degraded(), stale()])
def test_every_word_is_one_that_statuspage_has(name: str, snapshot: Snapshot) -> None:
    value = read(name, snapshot)
    assert value["page"].keys() == {"id", "name", "url", "time_zone", "updated_at"}
    assert {one["status"] for one in value.get("components", ())} <= STATUSES
    assert value.get("status", {"indicator": "none"})["indicator"] in {
        "none",
        "minor",
        "major",
        "critical",
        "maintenance",
    }
    for one in value.get("incidents", ()):
        assert one["status"] in INCIDENT_STATUSES
        assert one["impact"] in {"none", "minor", "major", "critical"}
        assert {update["status"] for update in one["incident_updates"]} <= INCIDENT_STATUSES
        assert (one["status"] == "resolved") == (one["resolved_at"] is not None)
    for one in value.get("scheduled_maintenances", ()):
        assert one["status"] in WORK_STATUSES
        assert (one["status"] == "completed") == (one["resolved_at"] is not None)


def test_the_summary_has_what_is_not_over() -> None:
    value = read("summary.json", eventful())
    assert value["status"] == {"indicator": "critical", "description": "Major System Outage"}
    assert [one["name"] for one in value["components"]] == [
        "Validation",
        "Upload",
        "API keys",
        "Provisioning",
    ]
    assert [one["id"] for one in value["incidents"]] == ["incident-12", "incident-11"]
    assert [(one["id"], one["status"]) for one in value["scheduled_maintenances"]] == [
        ("maintenance-8", "in_progress"),
        ("maintenance-9", "scheduled"),
    ]
    assert [one["id"] for one in read("incidents.json", eventful())["incidents"]] == [
        "incident-12",
        "incident-11",
        "incident-9",
        "incident-8",
    ]


def test_a_quiet_service_is_said_to_work_in_statuspages_own_words() -> None:
    value = read("status.json", quiet())
    assert value["status"] == {"indicator": "none", "description": "All Systems Operational"}


@pytest.mark.parametrize(
    "snapshot", [stale(), replace(quiet(), components=(validation(measured=None),))]
)
def test_what_is_not_known_is_never_told_as_working(snapshot: Snapshot) -> None:
    value = read("summary.json", snapshot)
    assert value["status"]["indicator"] == "minor"
    assert "not known" in value["status"]["description"]
    assert value["components"][0]["status"] == "degraded_performance"
    assert "not known" in value["components"][0]["description"]


def test_updates_are_the_newest_first_and_keep_their_ids_when_more_come() -> None:
    short = incident(states=(State.OPEN,))
    longer = incident(states=(State.OPEN, State.ACKNOWLEDGED), text="We look into it.")
    (before,) = read("incidents.json", replace(quiet(), incidents=(short,)))["incidents"]
    (after,) = read("incidents.json", replace(quiet(), incidents=(longer,)))["incidents"]
    assert [one["id"] for one in before["incident_updates"]] == ["incident-12-1"]
    assert [(one["id"], one["body"]) for one in after["incident_updates"]] == [
        ("incident-12-2", "We look into it."),
        ("incident-12-1", "It was noticed."),
    ]
    assert after["updated_at"] > before["updated_at"]
    assert after["shortlink"] == f"{URL}#incident-12"


def test_a_dismissed_incident_is_over_and_says_that_it_was_none() -> None:
    known = incident(states=(State.OPEN, State.DISMISSED), severity=Severity.SEV_2)
    (one,) = read("incidents.json", replace(quiet(), incidents=(known,)))["incidents"]
    assert (one["status"], one["resolved_at"]) == ("resolved", one["updated_at"])
    assert "was no incident" in one["incident_updates"][0]["body"]


def test_maintenance_becomes_another_as_time_goes_by() -> None:
    snapshot = replace(quiet(), maintenance=(work(start_s=NOW_S + 60),))
    name = "scheduled-maintenances.json"
    statuses = [
        read(name, snapshot, NOW_S + after)["scheduled_maintenances"][0]["status"]
        for after in (0, 60, 60 + 5400)
    ]
    assert statuses == ["scheduled", "in_progress", "completed"]
    called_off = replace(quiet(), maintenance=(work(state=WorkState.CANCELLED),))
    (one,) = read(name, called_off)["scheduled_maintenances"]
    assert one["status"] == "completed"
    assert one["incident_updates"][0]["body"].startswith("Called off")


def test_a_fault_that_is_measured_shows_without_an_incident() -> None:
    view = validation(measured=Measured(NOW_S, Fraction(1, 10)))
    value = read("summary.json", replace(quiet(), components=(view,)))
    assert value["components"][0]["status"] == "partial_outage"
    assert value["status"]["indicator"] == "major"
