"""Usage in the store: each parcel added once, read in slots, pruned by age."""

import asyncio

import pytest

from server.leases import LeaseLostError
from server.usage.kinds import KINDS
from server.usage.ports import NOBODY, OVERFLOW, MinuteRow, Parcel, Slot
from tests.server.storage.keepers import Keeper, Store

T0 = 29_921_040
"""A minute: 2026-11-21T12:00:00Z, a whole hour."""

FAR = 1 << 40


def counts(**named: int) -> tuple[int, ...]:
    return tuple(named.get(kind, 0) for kind in KINDS)


def row(minute: int, client_id: int, **named: int) -> MinuteRow:
    return MinuteRow(T0 + minute, client_id, counts(**named))


def parcel(*rows: MinuteRow, sender: str = "one", number: int = 1) -> Parcel:
    return Parcel(sender, number, rows)


async def of_all(store: Store, step: int = 1) -> dict[int, tuple[int, ...]]:
    return {slot.start - T0: slot.counts for slot in await store.total_usage(0, FAR, step, ())}


async def test_what_is_added_adds_up_for_each_minute_and_client(store: Store) -> None:
    await store.add_usage(parcel(row(0, 1, ok=5, fault=1), row(0, 2, ok=7), row(1, 1, ok=1)))
    await store.add_usage(parcel(row(0, 1, ok=2, limited=4), sender="two"))
    await store.add_usage(parcel(row(0, 1, ok=1), number=2))
    assert await store.client_usage(1, T0, T0 + 60, 1) == [
        Slot(T0, counts(ok=8, fault=1, limited=4)),
        Slot(T0 + 1, counts(ok=1)),
    ]
    assert await of_all(store) == {0: counts(ok=15, fault=1, limited=4), 1: counts(ok=1)}


async def test_every_kind_keeps_its_place(store: Store) -> None:
    each = {kind: 3 + at for at, kind in enumerate(KINDS)}
    await store.add_usage(parcel(row(0, 1, **each)))
    assert await store.client_usage(1, T0, T0 + 1, 1) == [Slot(T0, tuple(each.values()))]


async def test_a_parcel_that_comes_again_is_not_added_again(keeper: Keeper, store: Store) -> None:
    first = parcel(row(0, 1, ok=5))
    for _ in range(3):
        await store.add_usage(first)
    second = parcel(row(0, 1, ok=2), number=2)
    other = await keeper.open()
    await other.add_usage(second)
    await other.add_usage(second)
    await other.add_usage(first)
    assert await of_all(store) == {0: counts(ok=7)}


async def test_one_parcel_that_comes_twice_at_once_is_added_once(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]
    for number in range(1, 6):
        same = parcel(row(0, 1, ok=1), row(0, 2, ok=1), number=number)
        await asyncio.gather(*(handle.add_usage(same) for handle in handles))
    assert await of_all(handles[0]) == {0: counts(ok=10)}


async def test_many_senders_add_to_the_same_rows_at_once(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]

    async def send(who: int) -> None:
        for number in range(1, 6):
            # Each in another order: nobody may wait for another in a circle.
            rows = [row(number % 2, 1 + (client + who) % 4, ok=1) for client in range(4)]
            await handles[who].add_usage(parcel(*rows, sender=str(who), number=number))

    await asyncio.gather(*map(send, range(4)))
    assert await of_all(handles[0]) == {0: counts(ok=32), 1: counts(ok=48)}


async def test_a_parcel_without_rows_tells_the_time_and_nothing_else(store: Store) -> None:
    before = await store.store_time_us()
    assert await store.add_usage(parcel()) >= before
    assert await store.add_usage(parcel(row(0, 1, ok=1))) >= before
    assert await of_all(store) == {0: counts(ok=1)}


async def test_slots_begin_at_whole_steps_and_the_range_is_half_open(store: Store) -> None:
    rows = [row(minute, 1, ok=1) for minute in (-1, 0, 59, 60, 61, 1439, 1440)]
    await store.add_usage(parcel(*rows, row(0, 2, ok=100)))
    for step, expected in (
        (1, [(0, 1), (59, 1), (60, 1), (61, 1), (1439, 1)]),
        (60, [(0, 2), (60, 2), (1380, 1)]),
        (1440, [(-720, 4), (720, 1)]),
    ):
        slots = await store.client_usage(1, T0, T0 + 1440, step)
        assert [(slot.start - T0, slot.counts[0]) for slot in slots] == expected
    assert await store.client_usage(1, T0 + 1, T0 + 59, 1) == []
    assert await store.client_usage(1, T0, T0, 1) == []
    total = await store.total_usage(T0, T0 + 1440, 60, ())
    assert [(slot.start - T0, slot.counts[0]) for slot in total] == [(0, 102), (60, 2), (1380, 1)]


async def test_totals_leave_out_whom_they_are_told_to_and_count_the_rest(store: Store) -> None:
    rows = [row(0, client, ok=client + 2) for client in (OVERFLOW, NOBODY, 1, 2)]
    await store.add_usage(parcel(*rows))
    for left_out, total in (((), 10), ((1,), 7), ((1, 2), 3), ((99,), 10)):
        slots = await store.total_usage(T0, T0 + 1, 1, left_out)
        assert [slot.counts[0] for slot in slots] == [total]


async def test_old_minutes_are_pruned_a_piece_at_a_time(keeper: Keeper, store: Store) -> None:
    many = [row(minute, client, ok=1) for minute in range(30) for client in range(1, 50)]
    for number in range(0, len(many), 490):
        await store.add_usage(parcel(*many[number : number + 490], number=number + 1))
    lease = await store.acquire_lease("job", "one", 60_000_000)
    pruned = []
    while count := await store.prune_usage(T0 + 29, lease):
        pruned.append(count)
    assert (sum(pruned), max(pruned) <= 1_000) == (29 * 49, True)
    assert await of_all(store) == {29: counts(ok=49)}
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.prune_usage(T0 + 30, lease)
    assert await of_all(store) == {29: counts(ok=49)}


async def test_senders_are_remembered_as_long_as_the_minutes_of_their_time(store: Store) -> None:
    now = await store.store_time_us() // 60_000_000
    last = Parcel("one", 1, (MinuteRow(now, 1, counts(ok=1)),))

    async def sent_again_after_pruning(before: int) -> list[int]:
        while await store.prune_usage(before):
            pass
        await store.add_usage(last)
        return [slot.counts[0] for slot in await store.total_usage(0, FAR, 1, ())]

    await store.add_usage(last)
    assert await sent_again_after_pruning(now - 1) == [1]
    assert await store.prune_usage(now + 2) == 1, "the minute; its sender is still known"
    await store.add_usage(last)
    assert await of_all(store) == {}
    assert await sent_again_after_pruning(now + 2) == [1], "forgotten: the next pruning has it"
    assert await sent_again_after_pruning(now + 2) == [1]
