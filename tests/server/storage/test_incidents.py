"""The book of incidents: histories only grow, with their facts, due instants and entries."""

import asyncio
import json
from fractions import Fraction

import pytest

from server.facts import Fact
from server.incidents import decisions
from server.incidents.clocks import Clock
from server.incidents.decisions import Decision, Given, IncidentStateError
from server.incidents.intervals import Span
from server.incidents.ports import Ways
from server.incidents.record import (
    Affected,
    Amendment,
    Author,
    AuthorKind,
    Component,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
    Severity,
    Step,
    Update,
)
from server.incidents.record_json import read_record
from server.incidents.reminders import Moment, Reminder
from server.incidents.schedule import Schedule
from server.leases import LeaseLostError
from tests.server.acts import ACT
from tests.server.storage.keepers import Keeper, Store

EVE = Author(AuthorKind.OPERATOR, "eve")
SYSTEM = Author(AuthorKind.SYSTEM, "keystead")
WAYS = Ways(Schedule(), ACT)


async def an_opening(store: Store, *, public: bool = True, before_s: int = 60) -> Opening:
    now_us = await store.store_time_us()
    return Opening(
        Component.VALIDATION,
        "Niemand bekommt Antwort",
        Origin.PERSON,
        Severity.SEV_1,
        "The validation service is unavailable.",
        now_us - before_s * 1_000_000,
        7,
        public,
    )


async def begin(store: Store, *, public: bool = True, before_s: int = 60) -> Incident:
    opening = await an_opening(store, public=public, before_s=before_s)
    made = await store.add_incident(decisions.open_incident(opening, EVE), WAYS)
    assert made is not None
    return made


async def step(store: Store, number: int, decision: Decision) -> Incident:
    found = await store.continue_incident(number, decision, WAYS)
    assert found is not None
    return found


async def acknowledge(store: Store, number: int) -> Incident:
    return await step(store, number, decisions.take(Given(Step.ACKNOWLEDGED, EVE)))


async def facts(store: Store) -> list[Fact]:
    return [one for one in await store.unread_facts("test", 100) if "incident" in one.fact.kind]


async def fill_incidents(store: Store) -> None:
    """Leave something in every table of incidents."""
    one = await begin(store)
    await acknowledge(store, one.incident_id)
    reminder = Reminder(one.incident_id, Clock.INITIAL_RESPONSE, 1, 901, Moment.SOON)
    assert await store.remind([reminder]) == 1


async def test_an_incident_is_read_as_it_was_recorded(store: Store) -> None:
    begun = await begin(store, before_s=60)
    assert begun.incident_id == 1
    now_s = await store.store_time_us() // 1_000_000
    losses = [Loss(now_s - 50, None, Fraction(1, 3)), Loss(now_s - 60, now_s - 55, Fraction(1))]
    told = Given(Step.UPDATE, EVE, "Wir sind dran.\nBald mehr.", Update(public=True))
    await step(store, 1, decisions.tell(told))
    await step(store, 1, decisions.assign(Severity.SEV_2, EVE, "größtenteils da"))
    await step(store, 1, decisions.confirm(losses, EVE, ""))
    await step(store, 1, decisions.affect([9, 4], EVE, "only these"))
    amendment = Amendment(now_s - 60, now_s - 58, Fraction(0))
    one = await step(store, 1, decisions.amend(amendment, EVE, "counted twice"))
    assert await store.incident(1) == one
    assert one.history[0] == begun.history[0]
    assert (one.severity, one.clients, one.amendments) == (Severity.SEV_2, (4, 9), (amendment,))
    assert one.losses == tuple(sorted(losses, key=lambda loss: loss.start))
    another = await begin(store)
    assert await store.list_incidents(0, 9) == [one, another]
    assert await store.list_incidents(1, 9) == [another]
    assert await store.list_incidents(0, 1) == [one]


async def test_what_is_settled_is_not_among_what_is_unsettled(store: Store) -> None:
    await begin(store)
    await acknowledge(store, 1)
    open_one = await begin(store)
    await step(store, 1, decisions.assign(Severity.SEV_3, EVE, "few"))
    resolved = await step(store, 1, decisions.resolve(EVE, "done"))
    assert await store.list_incidents(0, 9, unsettled=True) == [open_one]
    assert await store.resolved_incidents(resolved.history[-1].at_us) == [resolved]
    assert await store.resolved_incidents(resolved.history[-1].at_us + 1) == []


async def test_the_public_is_told_of_what_is_unsettled_or_was_changed_lately(store: Store) -> None:
    one = await begin(store)
    await begin(store, public=False)
    later = 2**60
    assert await store.public_incidents(later) == [one]
    dismissed = await step(store, 1, decisions.take(Given(Step.DISMISSED, EVE, "none")))
    changed_us = dismissed.history[-1].at_us
    assert await store.public_incidents(later) == []
    assert await store.public_incidents(changed_us) == [dismissed]
    told = Given(Step.UPDATE, EVE, "It was seen outside.", Update(public=True))
    shown = await step(store, 2, decisions.tell(told))
    assert await store.public_incidents(later) == [shown]


async def test_incidents_are_found_by_the_seconds_that_they_say_something_of(store: Store) -> None:
    one = await begin(store, before_s=3600)
    now_s = await store.store_time_us() // 1_000_000
    await acknowledge(store, 1)
    assert await store.incidents_affecting(Span(0, now_s)) == []
    open_loss = [Loss(now_s - 600, None, Fraction(1))]
    one = await step(store, 1, decisions.confirm(open_loss, EVE, ""))
    assert await store.incidents_affecting(Span(now_s + 9, now_s + 99)) == [one]
    closed = [Loss(now_s - 600, now_s - 300, Fraction(1))]
    one = await step(store, 1, decisions.confirm(closed, EVE, ""))
    assert await store.incidents_affecting(Span(now_s - 301, now_s)) == [one]
    assert await store.incidents_affecting(Span(now_s - 300, now_s)) == []
    assert await store.incidents_affecting(Span(now_s - 900, now_s - 600)) == []
    amendment = Amendment(now_s - 900, now_s - 890, Fraction(0))
    one = await step(store, 1, decisions.amend(amendment, EVE, "why"))
    assert await store.incidents_affecting(Span(now_s - 891, now_s - 800)) == [one]


async def test_a_step_writes_its_fact_its_entry_and_the_journal_or_leaves_no_trace(
    store: Store,
) -> None:
    await store.subscribe("test")
    await begin(store)
    private = Given(Step.UPDATE, EVE, "called them", Update(public=False))
    await step(store, 1, decisions.take(Given(Step.ACKNOWLEDGED, EVE, "on it"), private))
    await step(store, 1, decisions.take(Given(Step.NOTE, EVE, "the password is in the safe")))
    ends = (await store.journal_end(), await store.ledger_end(), await facts(store))
    with pytest.raises(IncidentStateError):
        await acknowledge(store, 1)
    assert ends == (await store.journal_end(), await store.ledger_end(), await facts(store))
    found = [one.fact for one in await facts(store)]
    assert [(one.kind, one.subject) for one in found] == [
        ("incident.opened", "1"),
        ("incident.acknowledged", "1"),
        ("incident.updated", "1"),
    ]
    assert found[0].detail["state"] == "open"
    assert found[1].detail["state"] == "acknowledged"
    assert found[1].detail["public"] is True
    # Whoever reads facts sends them out: what is not for everybody is not in them.
    assert "called them" not in str(found)
    assert found[2].detail["told_to_all"] is False
    one = await store.incident(1)
    assert one is not None
    entries = await store.ledger_entries(0, 9)
    assert [(entry.kind, entry.subject) for entry in entries] == [("incident", "1")] * 4
    payloads = [dict(entry.payload.value) for entry in entries if entry.payload]
    assert [payload["number"] for payload in payloads] == [1, 2, 3, 4]
    records = [json.loads(json.dumps(payload["record"])) for payload in payloads]
    assert tuple(map(read_record, records)) == one.history
    first, second, _ = await store.journal_entries(0, 9)
    assert (first.deed.subject.kind, first.deed.before) == ("incident", None)
    assert second.deed.before == first.deed.after


async def test_an_amendment_is_an_amendment_in_the_ledger(store: Store) -> None:
    await begin(store)
    await acknowledge(store, 1)
    now_s = await store.store_time_us() // 1_000_000
    amendment = Amendment(now_s - 9, now_s - 3, Fraction(1, 2))
    await step(store, 1, decisions.amend(amendment, EVE, "why"))
    kinds = [entry.kind for entry in await store.ledger_entries(0, 9)]
    assert kinds == ["incident", "incident", "amendment"]


async def test_due_instants_are_noted_with_their_calendar_and_never_computed_anew(
    store: Store,
) -> None:
    one = await begin(store)
    notes = (await store.due_notes([1]))[1]
    start = one.reported_us // 1_000_000
    assert {(note.clock, note.start, note.due) for note in notes} == {
        (Clock.INITIAL_RESPONSE, start, start + 900),
        (Clock.UPDATE, start, start + 3600),
    }
    assert {note.calendar for note in notes} == {"inc us-federal elapsed"}
    assert all(len(note.fingerprint) == 16 for note in notes)
    await acknowledge(store, 1)
    assert set((await store.due_notes([1]))[1]) == set(notes)
    assert await store.due_notes([2]) == {}


async def test_each_reminder_is_told_once_as_a_fact(store: Store) -> None:
    await begin(store)
    await store.subscribe("test")
    soon = Reminder(1, Clock.INITIAL_RESPONSE, 100, 1000, Moment.SOON)
    missed = soon._replace(moment=Moment.MISSED)
    assert await store.remind([soon]) == 1
    assert await store.remind([missed, soon, soon._replace(due=900)]) == 2
    assert await store.remind([missed, soon]) == 0
    assert await store.remind([soon._replace(incident_id=9)]) == 0
    found = [one.fact for one in await facts(store)]
    assert [(one.kind, one.detail["due_s"]) for one in found] == [
        ("incident.clock-soon", 1000),
        ("incident.clock-soon", 900),
        ("incident.clock-missed", 1000),
    ]
    assert found[0].detail["clock"] == "initial_response"


async def test_nothing_is_written_under_a_lease_that_was_lost(keeper: Keeper, store: Store) -> None:
    lease = await store.acquire_lease("incidents", "one", 60_000_000)
    assert lease is not None
    await begin(store)
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.remind([Reminder(1, Clock.UPDATE, 1, 2, Moment.SOON)], lease)
    opening = await an_opening(store)
    decision = decisions.open_by_rule(opening, SYSTEM, "seen")
    number = len(await store.list_incidents(0, 9))
    with pytest.raises(LeaseLostError):
        await store.add_incident(decision, WAYS._replace(lease=lease))
    assert len(await store.list_incidents(0, 9)) == number


async def test_of_two_machines_that_see_the_same_one_opens_it(keeper: Keeper, store: Store) -> None:
    other = await keeper.open()
    opening = (await an_opening(store))._replace(origin=Origin.BURN_RATE)
    decision = decisions.open_by_rule(opening, SYSTEM, "10 of 10 failed")
    made = await asyncio.gather(*(each.add_incident(decision, WAYS) for each in (store, other)))
    assert sum(one is not None for one in made) == 1
    assert len(await store.list_incidents(0, 9)) == 1
    # No number was spent on what was not opened.
    assert (await begin(store)).incident_id == 2


async def test_of_two_steps_at_once_one_is_refused(keeper: Keeper, store: Store) -> None:
    await begin(store)
    other = await keeper.open()
    found = await asyncio.gather(
        acknowledge(store, 1), acknowledge(other, 1), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in found) == ["Incident", "IncidentStateError"]


async def test_what_is_handed_in_again_is_there_once_with_its_true_times(store: Store) -> None:
    opening = (await an_opening(store, before_s=7200))._replace(origin=Origin.PROBE, customer=None)
    prober = Author(AuthorKind.PROBER, "oslo")
    begun_us = opening.reported_us
    records = (
        Record(Step.OPENED, begun_us, prober, "", opening),
        Record(Step.ACKNOWLEDGED, begun_us + 600_000_000, EVE),
    )
    reference = "0123456789abcdef"
    first = await store.take_incident_over(reference, decisions.take_over(records[:1]), WAYS)
    for _ in range(2):
        again = await store.take_incident_over(reference, decisions.take_over(records), WAYS)
    assert again.incident_id == first.incident_id == 1
    assert again.history == records
    assert await store.incident(1) == again
    other = await store.take_incident_over("fedcba9876543210", decisions.take_over(records), WAYS)
    assert other.incident_id == 2


async def test_what_is_not_there_cannot_be_continued(store: Store) -> None:
    assert await store.incident(1) is None
    decision = decisions.take(Given(Step.AFFECTED, EVE, "", Affected(())))
    assert await store.continue_incident(1, decision, WAYS) is None
    assert await store.list_incidents(0, 9) == []
    assert await store.incidents_affecting(Span(0, 2**40)) == []
