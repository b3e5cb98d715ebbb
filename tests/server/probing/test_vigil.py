"""The vigil: the incident while the server is away, and what stops its clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.incidents.record import Origin
from server.incidents.response import Outcome
from server.incidents.schedule import Schedule
from server.incidents.severity import Severity
from server.incidents.states import State, Step, StepRefusedError
from server.probing.standing import Standing
from server.probing.vigil import MOST_RECORDS, Local, Vigil
from server.storage.spool import Spool
from tests.server.still_clock import NOW_US, StillClock

NOW_S = NOW_US // 1_000_000
FAILING = Standing(failing=True, bad=2, since_us=NOW_US - 31_000_000, why="no connection")
WELL = Standing(good=2)
QUARTER_S = 15 * 60


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool.open(tmp_path / "spool.db")
    yield opened
    opened.close()


@pytest.fixture
def vigil(spool: Spool, clock: StillClock) -> Vigil:
    return Vigil(spool, prober="prober", clock=clock, schedule=Schedule())


def opened(vigil: Vigil) -> Local:
    vigil.consider(FAILING, away=True)
    local = vigil.local()
    assert local is not None
    return local


def response(vigil: Vigil, clock: StillClock) -> Outcome | None:
    local = vigil.local()
    assert local is not None
    (only,) = vigil.clocks(local)
    return only.outcome(clock.now_us() // 1_000_000)


def test_an_incident_opens_when_the_service_fails_and_the_server_takes_no_report(
    vigil: Vigil,
) -> None:
    incident = opened(vigil).incident
    assert (incident.origin, incident.severity, incident.state) == (
        Origin.PROBE,
        Severity.SEV_1,
        State.OPEN,
    )
    assert incident.reported_us == NOW_US
    assert "since 2026-11-21T11:59:29Z: no connection" in incident.history[0].text
    assert incident.public


def test_nothing_opens_while_the_server_takes_reports_or_the_service_works(vigil: Vigil) -> None:
    vigil.consider(FAILING, away=False)
    vigil.consider(WELL, away=True)
    assert vigil.local() is None


def test_there_is_one_incident_however_often_it_is_looked_at(vigil: Vigil) -> None:
    first = opened(vigil)
    assert opened(vigil) == first


def test_the_clock_of_a_quarter_of_an_hour_runs_and_a_note_does_not_stop_it(
    vigil: Vigil, clock: StillClock
) -> None:
    local = opened(vigil)
    (only,) = vigil.clocks(local)
    assert only.story.due == NOW_S + QUARTER_S
    vigil.note("ann was called by e-mail")
    assert response(vigil, clock) is Outcome.RUNNING
    clock.pass_by(QUARTER_S + 1)
    assert response(vigil, clock) is Outcome.MISSED
    vigil.acknowledge("ann")
    assert response(vigil, clock) is Outcome.MISSED


def test_a_persons_acknowledgement_stops_the_clock_at_the_last_instant(
    vigil: Vigil, clock: StillClock
) -> None:
    opened(vigil)
    clock.pass_by(QUARTER_S)
    local = vigil.acknowledge("ann", "I am on it")
    assert local.incident.state is State.ACKNOWLEDGED
    assert response(vigil, clock) is Outcome.MET
    with pytest.raises(StepRefusedError):
        vigil.acknowledge("bob")


def test_who_tells_something_is_read_on_the_page(vigil: Vigil) -> None:
    opened(vigil)
    local = vigil.tell("ann", "We are looking into it")
    assert [one.text for one in local.incident.public_updates] == ["", "We are looking into it"]


def test_without_an_incident_there_is_nothing_to_acknowledge(vigil: Vigil) -> None:
    with pytest.raises(LookupError, match="no incident"):
        vigil.acknowledge("ann")
    vigil.note("nobody reads this")
    assert vigil.local() is None


def test_reminders_are_noted_once_before_it_is_due_and_when_it_was_missed(
    vigil: Vigil, clock: StillClock
) -> None:
    opened(vigil)
    assert vigil.remind() == []
    clock.pass_by(QUARTER_S - 300)
    assert len(vigil.remind()) == 1
    assert vigil.remind() == []
    clock.pass_by(301)
    assert len(vigil.remind()) == 1
    local = vigil.local()
    assert local is not None
    notes = [record.text for record in local.history if record.step is Step.NOTE]
    assert notes == [
        "The initial response is due at 2026-11-21T12:15:00Z.",
        "The initial response was due at 2026-11-21T12:15:00Z, and nobody has given it.",
    ]


def test_recovery_and_relapse_are_noted_and_change_no_state(vigil: Vigil) -> None:
    opened(vigil)
    for standing in (WELL, WELL, FAILING):
        vigil.consider(standing, away=True)
    local = vigil.local()
    assert local is not None
    assert [record.step for record in local.history[1:]] == [Step.NOTE, Step.NOTE]
    assert local.incident.state is State.OPEN


def test_it_lets_go_when_the_server_has_it_in_hand_and_not_before(vigil: Vigil) -> None:
    local = opened(vigil)
    vigil.handed_in(local.reference, 7, State.ACKNOWLEDGED)
    kept = vigil.local()
    assert kept is not None
    assert kept.incident_id == 7
    vigil.handed_in("another", 7, State.RESOLVED)
    vigil.handed_in(local.reference, 7, State.RESOLVED)
    assert vigil.local() is not None  # it fails still, whatever anybody says
    vigil.consider(WELL, away=False)
    vigil.handed_in(local.reference, 7, State.RESOLVED)
    assert vigil.local() is None
    assert opened(vigil).reference != local.reference


def test_everything_is_there_after_a_new_start(
    vigil: Vigil, spool: Spool, clock: StillClock, tmp_path: Path
) -> None:
    opened(vigil)
    local = vigil.acknowledge("ann")
    spool.close()
    again = Spool.open(tmp_path / "spool.db")
    assert Vigil(again, prober="prober", clock=clock, schedule=Schedule()).local() == local
    again.close()


def test_a_history_does_not_go_back_with_the_hosts_clock(vigil: Vigil, clock: StillClock) -> None:
    opened(vigil)
    clock.set_wall(-3_600)
    local = vigil.acknowledge("ann")
    assert local.history[-1].at_us == NOW_US


def test_a_service_that_comes_and_goes_fills_no_history(vigil: Vigil) -> None:
    opened(vigil)
    for _ in range(MOST_RECORDS):
        vigil.consider(WELL, away=True)
        vigil.consider(FAILING, away=True)
    local = vigil.acknowledge("ann")
    assert len(local.history) == MOST_RECORDS + 1
