"""From an incident in a real store to a published report, and to what authorities are told."""

import pytest

from server.accounts.text import InputError
from server.incidents.components import Component
from server.incidents.desk import NewIncident
from server.incidents.instants import parse_instant
from server.incidents.ports import UnknownIncidentError
from server.incidents.severity import Situation
from server.incidents.states import Step
from server.ledger.entry import Kind
from server.reports.analysis import NEEDED, Standing
from server.reports.revisions import ReportStateError
from tests.server.reports.house import EVE, House

WRITTEN = dict.fromkeys(NEEDED, "The plug was out.")


async def test_a_draft_has_everything_that_is_known(here: House) -> None:
    shown = await here.analyses.draft(1, cause=EVE)
    current = shown.report.current
    assert current is not None
    facts = current.facts
    assert (facts.incident, facts.severity, facts.title) == (1, 1, "Half of it fails")
    assert [one.client for one in facts.impacts] == [0, 1, 2, 3]
    first = facts.impacts[1]
    assert (first.requests.good, first.requests.bad) == (10, 2)
    assert first.downtime_s == 930 / 2
    assert facts.impacts[2].requests.bad == 0
    assert [(one.clock, one.standing) for one in facts.clocks] == [
        ("initial response", Standing.MET)
    ]
    assert [one.month for one in facts.effects] == ["2026-11"]
    assert facts.effects[0].lost_s <= facts.effects[0].seconds.figures.downtime_s
    assert facts.unknown == ()


async def test_the_report_is_due_at_the_close_of_the_20th_business_day(here: House) -> None:
    shown = await here.analyses.show(1)
    # Resolved on Sunday, November 1, in California; Veterans Day and Thanksgiving are none.
    assert shown.due == parse_instant("2026-12-02T01:00:00Z")
    assert shown.standing is Standing.RUNNING
    assert [one.incident.incident_id for one in await here.analyses.owed()] == [1]


async def test_what_is_published_stops_the_clock_and_is_in_the_ledger(here: House) -> None:
    await here.analyses.draft(1, cause=EVE)
    await here.analyses.edit(1, WRITTEN, cause=EVE)
    shown = await here.analyses.publish(1, cause=EVE)
    assert shown.standing is Standing.MET
    incident = await here.incidents.show(1)
    assert (incident.history[-1].step, incident.history[-1].text) == (Step.REPORTED, "revision 1")
    last = [one for one in await here.ledger() if one.kind == Kind.REPORT.value]
    assert len(last) == 1
    assert last[0].payload is not None
    assert "Bob" not in str(last[0].payload.value)


async def test_a_late_report_is_missed_and_says_so(here: House) -> None:
    here.set_to("2026-12-02T01:00:01Z")
    assert (await here.analyses.show(1)).standing is Standing.MISSED
    await here.analyses.draft(1, cause=EVE)
    await here.analyses.edit(1, WRITTEN, cause=EVE)
    assert (await here.analyses.publish(1, cause=EVE)).standing is Standing.MISSED


async def test_a_publication_that_broke_off_is_ended_by_doing_it_again(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.analyses.draft(1, cause=EVE)
    await here.analyses.edit(1, WRITTEN, cause=EVE)

    async def break_off(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(here.incidents, "report_published", break_off)
        with pytest.raises(ConnectionError):
            await here.analyses.publish(1, cause=EVE)
    assert (await here.analyses.show(1)).standing is Standing.RUNNING
    shown = await here.analyses.publish(1, cause=EVE)
    assert shown.standing is Standing.MET
    assert [one.revision for one in shown.report.published] == [1]


async def test_a_reopened_incident_owes_a_new_report_after_its_new_resolution(here: House) -> None:
    await here.analyses.draft(1, cause=EVE)
    await here.analyses.edit(1, WRITTEN, cause=EVE)
    await here.analyses.publish(1, cause=EVE)
    await here.incidents.reopen(1, cause=EVE)
    assert (await here.analyses.show(1)).due is None
    with pytest.raises(ReportStateError, match="after the resolution"):
        await here.analyses.publish(1, cause=EVE)
    here.set_to("2026-11-10T12:00:00Z")
    await here.incidents.resolve(1, summary="Now it holds.", cause=EVE)
    shown = await here.analyses.show(1)
    assert shown.due is not None
    assert shown.due > parse_instant("2026-12-02T01:00:00Z")
    assert shown.standing is Standing.RUNNING
    await here.analyses.draft(1, cause=EVE)
    again = await here.analyses.publish(1, cause=EVE)
    assert [one.revision for one in again.report.published] == [1, 2]
    assert again.standing is Standing.MET


async def test_an_incident_of_another_component_says_that_nothing_is_measured(here: House) -> None:
    new = NewIncident(Component.API_KEYS, "Page is blank", Situation(upload_or_keys=True))
    one = await here.incidents.open(new, cause=EVE)
    current = (await here.analyses.draft(one.incident_id, cause=EVE)).report.current
    assert current is not None
    assert current.facts.impacts == ()
    assert any("measured of validation alone" in said for said in current.facts.unknown)


async def test_there_is_no_report_of_no_incident(here: House) -> None:
    for ask in (here.analyses.show(9), here.analyses.draft(9, cause=EVE)):
        with pytest.raises(UnknownIncidentError):
            await ask


async def test_regulatory_clocks_run_from_a_persons_word(here: House) -> None:
    assert (await here.analyses.regulatory(1)).clocks == []
    shown = await here.analyses.classify(1, "nis2", aware="2026-11-01T10:05:00Z", cause=EVE)
    dues = {clock.stage.name: clock.due for clock in shown.clocks}
    assert dues["early-warning"] == parse_instant("2026-11-02T10:05:00Z")
    early = shown.clocks[0]
    assert early.standing(shown.now_s) is Standing.MISSED
    when = "2026-11-02T10:05:00Z"
    sent = await here.analyses.note_sent(1, "nis2", "early-warning", when=when, cause=EVE)
    assert sent.clocks[0].standing(sent.now_s) is Standing.MET
    gone = await here.analyses.withdraw(1, "nis2", cause=EVE)
    assert gone.clocks == []
    assert len(gone.records) == 3


async def test_a_regime_that_is_off_is_refused_with_the_way_to_switch_it_on(here: House) -> None:
    here.analyses.regimes = ()
    with pytest.raises(InputError, match="regulatory = "):
        await here.analyses.classify(1, "dora", cause=EVE)


async def test_reminders_are_told_once_and_only_of_regimes_that_are_on(here: House) -> None:
    await here.analyses.classify(1, "nis2", aware="2026-11-01T10:05:00Z", cause=EVE)
    assert await here.analyses.remind() == 1  # the early warning was missed
    assert await here.analyses.remind() == 0
    here.set_to("2026-11-05T12:00:00Z")
    assert await here.analyses.remind() == 1
    here.analyses.regimes = ()
    here.set_to("2026-12-30T12:00:00Z")
    assert await here.analyses.remind() == 0
