"""What becomes public: nothing of a draft, nothing said among operators, and nobody's name."""

from dataclasses import replace

from server.incidents.record import Record, Severity, State, Step, Update
from server.maintenance import decisions
from server.maintenance.decisions import Changes
from server.status.compose import public_incident, public_incidents, public_work, public_works
from server.status.wire import write_snapshot
from tests.server.incidents.histories import EVE, OPENED_US, incident, opening
from tests.server.maintenance.histories import T0, a_plan, announced, changed, do
from tests.server.status.samples import quiet

US = 1_000_000


def test_everybody_reads_states_and_what_was_told_to_all() -> None:
    known = incident(
        Record(Step.NOTE, OPENED_US + US, EVE, "the disk of db-7 is full"),
        (Step.ACKNOWLEDGED, 60, EVE),
        Record(Step.UPDATE, OPENED_US + 90 * US, EVE, "We make room.", Update(public=True)),
        Record(Step.UPDATE, OPENED_US + 95 * US, EVE, "Client 7 waits.", Update(public=False)),
        (Step.RESOLVED, 600, EVE),
        first=opening(customer=4711),
    )
    public = public_incident(known)
    assert public is not None
    assert [(one.at_us - OPENED_US, one.state, one.text) for one in public.updates] == [
        (0, State.OPEN, ""),
        (60 * US, State.ACKNOWLEDGED, ""),
        (90 * US, State.ACKNOWLEDGED, "We make room."),
        (600 * US, State.RESOLVED, ""),
    ]
    assert (public.reference, public.severity, public.resolved_us) == (
        "1",
        Severity.SEV_1,
        OPENED_US + 600 * US,
    )
    sent = write_snapshot(replace(quiet(), incidents=(public,)))
    for secret in (b"db-7", b'"eve"', b"4711", b"Client 7"):
        assert secret not in sent


def test_an_incident_among_operators_is_nobodys() -> None:
    assert public_incident(incident(first=opening(public=False))) is None
    assert public_incidents([incident(first=opening(public=False))]) == ()


def test_the_newest_incident_comes_first() -> None:
    first = incident()._replace(incident_id=1)
    opened = first.history[0]
    detail = first.opening._replace(reported_us=OPENED_US + 1)
    later = first._replace(incident_id=2, history=(opened._replace(detail=detail),))
    assert [one.reference for one in public_incidents([first, later])] == ["2", "1"]


def test_maintenance_begins_with_its_announcement() -> None:
    draft = do(None, decisions.schedule(a_plan(), announce=False), T0)
    assert public_work(draft) is None
    renamed = do(draft, decisions.change(Changes(title="Secret project")), T0 + 1)
    final = do(renamed, decisions.change(Changes(title="New switches")), T0 + 2)
    told = do(final, decisions.announce, T0 + 3)
    moved = changed(told, T0 + 4, end=a_plan().span.end + 600)
    work = public_work(moved)
    assert work is not None
    assert [(step.step, step.title, step.at_us) for step in work.steps] == [
        ("announced", "New switches", (T0 + 3) * US),
        ("changed", "New switches", (T0 + 4) * US),
    ]
    assert work.span == moved.plan.span
    assert work.steps[0].span == a_plan().span


def test_the_newest_window_comes_first_and_drafts_are_left_out() -> None:
    draft = do(None, decisions.schedule(a_plan(), announce=False), T0, number=3)
    early, late = announced(number=1), announced(a_plan(T0 + 9000, T0 + 9999), number=2)
    assert [one.maintenance_id for one in public_works([early, draft, late])] == [2, 1]
