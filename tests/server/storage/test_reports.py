"""The book of reports: what was published stays, and is in the ledger."""

import asyncio

import pytest

from server.incidents.intervals import Span
from server.incidents.reminders import Moment
from server.ledger.entry import Kind
from server.reports import regulatory_steps, revisions
from server.reports.analysis import NEEDED
from server.reports.regulatory import Regime, RegulatoryReminder, RegulatoryStep
from server.reports.regulatory_steps import RegulatoryStateError
from server.reports.revisions import Report, ReportDecision, ReportStateError
from tests.server.acts import ACT
from tests.server.memory_store import MemoryStore
from tests.server.reports.analyses import facts
from tests.server.storage.keepers import Keeper, Store

WRITTEN = dict.fromkeys(NEEDED, "Wir schrieben: größer.")
READER = "a job"


async def do(store: Store, *decisions: ReportDecision) -> Report:
    report = await store.incident_report(1)
    for decision in decisions:
        report = await store.continue_report(1, decision, act=ACT)
    return report


async def publish(store: Store) -> Report:
    return await do(store, revisions.draft(facts()), revisions.edit(WRITTEN), revisions.publish)


async def test_a_report_is_read_as_it_was_recorded(store: Store) -> None:
    assert (await store.incident_report(1)).history == ()
    report = await publish(store)
    assert await store.incident_report(1) == report
    assert (await store.incident_report(2)).history == ()
    assert {one.by for one in report.history} == {str(ACT.actor)}
    assert abs(report.history[0].at_us - await store.store_time_us()) < 60_000_000


async def test_what_is_refused_leaves_nothing_behind(store: Store) -> None:
    before = await do(store, revisions.draft(facts()))
    with pytest.raises(ReportStateError):
        await do(store, revisions.publish)
    assert await store.incident_report(1) == before


async def test_a_publication_is_told_to_jobs_and_nothing_else_is(store: Store) -> None:
    await store.subscribe(READER)
    await publish(store)
    (fact,) = await store.unread_facts(READER, 9)
    assert (fact.fact.kind, fact.fact.subject) == ("incident.report-published", "1")
    assert fact.fact.detail["revision"] == 1


async def test_what_was_published_is_in_the_ledger_word_for_word(store: Store) -> None:
    if isinstance(store, MemoryStore):
        return  # it keeps no ledger
    report = await publish(store)
    (entry,) = await store.ledger_entries(0, 9)
    assert (entry.kind, entry.subject) == (Kind.REPORT.value, "1")
    assert entry.payload is not None
    assert entry.payload.value["analysis"] == report.history[-1].analysis.state()
    assert entry.is_whole()


async def test_each_step_is_in_the_journal_by_its_digest(store: Store) -> None:
    await publish(store)
    entries = await store.latest_entries(9)
    assert [entry.deed.subject for entry in entries] == [("incident-report", "1")] * 3
    after = entries[-1].deed.after
    assert after is not None
    assert (after["step"], after["revision"]) == ("published", 1)


async def test_of_two_who_publish_at_once_one_is_first(keeper: Keeper) -> None:
    one, other = await keeper.open(), await keeper.open()
    await do(one, revisions.draft(facts()), revisions.edit(WRITTEN))
    ended = await asyncio.gather(
        do(one, revisions.publish), do(other, revisions.publish), return_exceptions=True
    )
    assert len([end for end in ended if isinstance(end, ReportStateError)]) == 1
    assert [record.revision for record in (await one.incident_report(1)).published] == [1]


async def test_what_is_told_to_authorities_is_kept_with_its_times(store: Store) -> None:
    reported_us = await store.store_time_us() - 3_600_000_000
    classified = regulatory_steps.classify(Regime.NIS2, None, "many users")
    await store.continue_regulatory(1, reported_us, classified, act=ACT)
    sent = regulatory_steps.note_sent(Regime.NIS2, "early-warning", None, "case 12")
    found = await store.continue_regulatory(1, reported_us, sent, act=ACT)
    assert list(await store.regulatory_records(1)) == list(found)
    assert [one.step for one in found] == [RegulatoryStep.CLASSIFIED, RegulatoryStep.SENT]
    assert found[0].aware_s == reported_us // 1_000_000
    assert found[1].text == "case 12"
    with pytest.raises(RegulatoryStateError):
        await store.continue_regulatory(1, reported_us, classified, act=ACT)
    assert Span(found[0].when_s, found[1].when_s).seconds < 60


async def test_a_reminder_is_told_once_and_another_due_instant_again(store: Store) -> None:
    await store.subscribe(READER)
    soon = RegulatoryReminder(1, Regime.NIS2, "early-warning", 1_800_000_000, Moment.SOON)
    assert await store.remind_regulatory([soon]) == 1
    assert await store.remind_regulatory([soon, soon]) == 0
    later = soon._replace(due=1_800_000_060)
    assert await store.remind_regulatory([soon, later, soon._replace(moment=Moment.MISSED)]) == 2
    facts = [fact.fact for fact in await store.unread_facts(READER, 9)]
    assert [(one.kind, one.detail["due_s"]) for one in facts] == [
        ("regulatory.clock-soon", 1_800_000_000),
        ("regulatory.clock-missed", 1_800_000_000),
        ("regulatory.clock-soon", 1_800_000_060),
    ]


async def test_everything_written_down_is_found_by_incident(store: Store) -> None:
    for number in (2, 1):
        decision = regulatory_steps.classify(Regime.DORA, None, "")
        await store.continue_regulatory(number, 0, decision, act=ACT)
    found = await store.all_regulatory()
    assert list(found) == [1, 2]
    assert list(found[1]) == list(await store.regulatory_records(1))
