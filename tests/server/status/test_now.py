"""How the service is now: nothing is up without evidence, and the worst is said."""

from dataclasses import replace
from fractions import Fraction

import pytest

from server.incidents.components import Component
from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import State as WorkState
from server.status import now
from server.status.now import LATELY_S, STALE_S, Health
from server.status.snapshot import ComponentView, Measured, PublicIncident, Snapshot, Work
from tests.server.status.samples import NOW_S, US, incident, quiet, stale, validation, work


def of_validation(
    view: ComponentView | None = None,
    *,
    incidents: tuple[PublicIncident, ...] = (),
    maintenance: tuple[Work, ...] = (),
    read_s: int = NOW_S,
) -> Health:
    known = view or validation()
    snapshot = Snapshot("x", read_s * US, (known,), (), incidents, maintenance)
    return now.health(known, snapshot, NOW_S)


@pytest.mark.parametrize(
    ("lost", "health"),
    [
        (Fraction(0), Health.OPERATIONAL),
        (Fraction(1, 1001), Health.OPERATIONAL),
        (Fraction(1, 1000), Health.DEGRADED),
        (Fraction(1, 20), Health.PARTIAL),
        (Fraction(1, 2), Health.OUTAGE),
        (Fraction(1), Health.OUTAGE),
    ],
)
def test_what_was_measured_lately_says_how_it_is(lost: Fraction, health: Health) -> None:
    assert of_validation(validation(measured=Measured(NOW_S, lost))) is health


def test_what_was_measured_long_ago_or_never_says_nothing() -> None:
    old = Measured(NOW_S - LATELY_S - 1, Fraction(0))
    assert of_validation(validation(measured=old)) is Health.UNKNOWN
    assert of_validation(validation(measured=None)) is Health.UNKNOWN
    still = replace(old, until_s=NOW_S - LATELY_S)
    assert of_validation(validation(measured=still)) is Health.OPERATIONAL


def test_a_component_that_nobody_measures_is_as_it_was_reported() -> None:
    view = ComponentView(Component.UPLOAD)
    assert of_validation(view) is Health.OPERATIONAL
    slow = incident(component=Component.UPLOAD, severity=Severity.SEV_3)
    assert of_validation(view, incidents=(slow,)) is Health.DEGRADED


@pytest.mark.parametrize(
    ("severity", "health"),
    [
        (Severity.SEV_1, Health.OUTAGE),
        (Severity.SEV_2, Health.PARTIAL),
        (Severity.SEV_3, Health.DEGRADED),
        (Severity.SEV_4, Health.OPERATIONAL),
        (None, Health.DEGRADED),
    ],
)
def test_an_incident_says_how_it_is_by_its_severity(
    severity: Severity | None, health: Health
) -> None:
    assert of_validation(incidents=(incident(severity=severity),)) is health


def test_the_worst_of_several_incidents_is_said() -> None:
    several = tuple(incident(severity=one) for one in (Severity.SEV_3, Severity.SEV_1))
    assert of_validation(incidents=several) is Health.OUTAGE


@pytest.mark.parametrize("state", [State.MITIGATED, State.RESOLVED, State.DISMISSED])
def test_once_it_is_mitigated_measuring_decides_again(state: State) -> None:
    over = incident(states=(State.OPEN, state))
    assert of_validation(incidents=(over,)) is Health.OPERATIONAL
    lost = validation(measured=Measured(NOW_S, Fraction(1)))
    assert of_validation(lost, incidents=(over,)) is Health.OUTAGE


def test_incidents_and_maintenance_of_other_components_change_nothing() -> None:
    other = incident(component=Component.UPLOAD)
    away = work(component=Component.UPLOAD, start_s=NOW_S - 1)
    assert of_validation(incidents=(other,), maintenance=(away,)) is Health.OPERATIONAL


def test_maintenance_begins_and_ends_to_the_second_without_anybody_reading_anew() -> None:
    for start_s, health in (
        (NOW_S + 1, Health.OPERATIONAL),
        (NOW_S, Health.MAINTENANCE),
        (NOW_S - 5399, Health.MAINTENANCE),
        (NOW_S - 5400, Health.OPERATIONAL),
    ):
        assert of_validation(maintenance=(work(start_s=start_s),)) is health
    away = work(start_s=NOW_S - 10)
    assert of_validation(maintenance=(away,), read_s=NOW_S - 3600) is Health.MAINTENANCE


def test_work_that_did_not_end_in_time_is_a_fault() -> None:
    late = work(state=WorkState.UNDER_WAY, start_s=NOW_S - 5401)
    assert of_validation(maintenance=(late,)) is Health.DEGRADED
    lost = validation(measured=Measured(NOW_S, Fraction(1)))
    assert of_validation(lost, maintenance=(late,)) is Health.OUTAGE


def test_an_outage_in_maintenance_is_told_as_an_outage() -> None:
    away = work(start_s=NOW_S - 10)
    assert of_validation(incidents=(incident(),), maintenance=(away,)) is Health.OUTAGE


def test_what_was_read_too_long_ago_is_not_said_to_be_so_now() -> None:
    assert of_validation(read_s=NOW_S - STALE_S) is Health.OPERATIONAL
    assert of_validation(read_s=NOW_S - STALE_S - 1) is Health.UNKNOWN
    # An incident that was open then is still the best that is known.
    assert of_validation(incidents=(incident(),), read_s=NOW_S - 3600) is Health.OUTAGE
    assert now.overall(stale(), NOW_S) is Health.UNKNOWN
    assert now.overall(quiet(), NOW_S) is Health.OPERATIONAL


def test_the_service_is_as_its_worst_component() -> None:
    order = [
        Health.OPERATIONAL,
        Health.MAINTENANCE,
        Health.UNKNOWN,
        Health.DEGRADED,
        Health.PARTIAL,
        Health.OUTAGE,
    ]
    for at, health in enumerate(order):
        assert now.worst(order[: at + 1]) is now.worst(order[at::-1]) is health
    assert now.worst([]) is Health.OPERATIONAL


def test_maintenance_is_to_come_under_way_or_done() -> None:
    works = (
        work(1, start_s=NOW_S + 20),
        work(2, start_s=NOW_S + 10),
        work(3, start_s=NOW_S - 10),
        work(4, start_s=NOW_S - 9000, state=WorkState.UNDER_WAY),
        work(5, start_s=NOW_S - 9000),
        work(6, start_s=NOW_S + 10, state=WorkState.CANCELLED),
        work(7, start_s=NOW_S - 9000, state=WorkState.FINISHED),
    )
    snapshot = replace(quiet(), maintenance=works)
    assert [one.maintenance_id for one in now.to_come(snapshot, NOW_S)] == [2, 1]
    assert [one.maintenance_id for one in now.under_way(snapshot, NOW_S)] == [3, 4]
    assert [one.maintenance_id for one in now.done(snapshot, NOW_S)] == [5, 6, 7]
