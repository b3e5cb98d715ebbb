"""The book of maintenance: histories only grow, steps are decided one after the other."""

import asyncio
from collections.abc import Sequence

import pytest

from server.incidents.intervals import Span
from server.maintenance import decisions
from server.maintenance.decisions import Changes, OverlapError, Situation
from server.maintenance.plan import Component, Maintenance, Plan, Record, State, Step
from tests.server.acts import ACT
from tests.server.storage.keepers import Keeper, Store

HOUR = 3600
FAR_S = 4_000_000_000
"""Later than the clock of any keeper here: the server's is the present."""


def a_plan(after_h: int = 0, component: Component = Component.VALIDATION) -> Plan:
    start = FAR_S + after_h * HOUR
    return Plan(component, "Datenbank größer", Span(start, start + HOUR))


async def add(store: Store, plan: Plan, *, announce: bool = True) -> Maintenance:
    return await store.add_maintenance(decisions.schedule(plan, announce=announce), act=ACT)


async def step(store: Store, number: int, decision: decisions.Decision) -> Maintenance:
    found = await store.continue_maintenance(number, decision, act=ACT)
    assert found is not None
    return found


async def test_a_maintenance_is_read_as_it_was_recorded(store: Store) -> None:
    one = await add(store, a_plan())
    assert (one.maintenance_id, one.plan, one.state) == (1, a_plan(), State.ANNOUNCED)
    assert [record.step for record in one.history] == [Step.SCHEDULE, Step.ANNOUNCE]
    assert one.announced_us is not None
    assert abs(one.announced_us - await store.store_time_us()) < 60_000_000
    assert await store.maintenance(1) == one
    draft = await add(store, a_plan(5), announce=False)
    assert await store.list_maintenance(0, 9) == [one, draft]
    assert await store.list_maintenance(1, 9) == [draft]
    assert await store.list_maintenance(0, 1) == [one]


async def test_a_change_erases_nothing_of_what_was_announced(store: Store) -> None:
    one = await add(store, a_plan())
    moved = await step(store, 1, decisions.change(Changes(start=FAR_S + 60)))
    called_off = await step(store, 1, decisions.cancel)
    assert called_off.history[: len(one.history)] == one.history
    assert called_off.history[: len(moved.history)] == moved.history
    assert called_off.state is State.CANCELLED
    assert await store.maintenance(1) == called_off


async def test_only_what_was_announced_is_public(store: Store) -> None:
    one = await add(store, a_plan())
    await add(store, a_plan(5), announce=False)
    assert await store.public_maintenance(0) == [one]
    assert await store.public_maintenance(one.plan.span.end - 1) == [one]
    assert await store.public_maintenance(one.plan.span.end) == []
    told = await step(store, 2, decisions.announce)
    assert await store.public_maintenance(0) == [one, told]
    shorter = await step(store, 2, decisions.change(Changes(end=told.plan.span.end - 60)))
    # Whoever saw the old plan has to hear of the new one.
    assert await store.public_maintenance(told.plan.span.end - 1) == [shorter]


async def test_a_refused_step_leaves_no_trace(store: Store) -> None:
    await add(store, a_plan())
    end = await store.journal_end()
    with pytest.raises(OverlapError, match="maintenance 1 of validation"):
        await add(store, a_plan())
    with pytest.raises(decisions.MaintenanceStateError):
        await store.continue_maintenance(1, decisions.finish, act=ACT)
    assert len(await store.list_maintenance(0, 9)) == 1
    assert await store.journal_end() == end
    assert (await add(store, a_plan(9))).maintenance_id > 1


async def test_of_two_windows_at_once_one_is_refused(keeper: Keeper, store: Store) -> None:
    other = await keeper.open()
    found = await asyncio.gather(add(store, a_plan()), add(other, a_plan()), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Maintenance", "OverlapError"]


async def test_of_two_changes_at_once_both_are_in_the_history(keeper: Keeper, store: Store) -> None:
    await add(store, a_plan())
    other = await keeper.open()
    ends = [FAR_S + HOUR + 60, FAR_S + HOUR + 120]
    await asyncio.gather(
        *(
            step(each, 1, decisions.change(Changes(end=end)))
            for each, end in zip((store, other), ends, strict=True)
        )
    )
    found = await store.maintenance(1)
    assert found is not None
    assert sorted(record.plan.span.end for record in found.history[2:]) == ends


async def test_a_decision_sees_what_stands_beside_it_and_the_stores_time(store: Store) -> None:
    one = await add(store, a_plan())
    two = await add(store, a_plan(9, component=Component.UPLOAD))
    seen: list[Situation] = []

    def look(situation: Situation) -> Sequence[Record]:
        seen.append(situation)
        return decisions.cancel(situation)

    await step(store, 2, look)
    assert (seen[0].known, seen[0].others) == (two, [one])
    assert abs(seen[0].now_us - await store.store_time_us()) < 60_000_000


async def test_every_step_is_in_the_journal(store: Store) -> None:
    await add(store, a_plan(), announce=False)
    await step(store, 1, decisions.announce)
    first, second = await store.journal_entries(0, 9)
    assert (first.deed.subject.kind, first.deed.subject.id) == ("maintenance", "1")
    assert first.deed.before is None
    assert first.deed.after is not None
    assert second.deed.before == first.deed.after
    assert second.deed.after == {
        "component": "validation",
        "title": "Datenbank größer",
        "start": "2096-10-02T07:06:40Z",
        "end": "2096-10-02T08:06:40Z",
        "state": "announced",
    }


async def test_what_is_not_there_cannot_be_continued(store: Store) -> None:
    assert await store.maintenance(1) is None
    assert await store.continue_maintenance(1, decisions.cancel, act=ACT) is None
    assert await store.list_maintenance(0, 9) == []
    assert await store.public_maintenance(0) == []


async def test_what_everybody_may_know_is_told_to_who_reads_facts(store: Store) -> None:
    await store.subscribe("notices")
    await add(store, a_plan(), announce=False)
    await step(store, 1, decisions.change(Changes(title="Größer")))
    assert await store.unread_facts("notices", 9) == []
    await step(store, 1, decisions.announce)
    await step(store, 1, decisions.change(Changes(end=FAR_S + 60)))
    await step(store, 1, decisions.cancel)
    told = [one.fact for one in await store.unread_facts("notices", 9)]
    assert [(one.kind, one.subject) for one in told] == [
        ("maintenance.announced", "1"),
        ("maintenance.changed", "1"),
        ("maintenance.cancelled", "1"),
    ]
    assert told[1].detail == {
        "component": "validation",
        "title": "Größer",
        "start": "2096-10-02T07:06:40Z",
        "end": "2096-10-02T07:07:40Z",
        "state": "announced",
    }
