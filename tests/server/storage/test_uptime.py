"""Days are rolled up once, with their entry and without loss; what comes late corrects them."""

from collections.abc import Sequence
from typing import cast

import pytest

from server.leases import Lease
from server.ledger.entry import Entry
from server.uptime.keeper import UptimeKeeper
from server.uptime.ports import UptimeBook
from server.uptime.rollup import Counted, ProbeMinute
from server.uptime.segment import ALL, DAY_MINUTES, PROBES, Segment, day_name, month_of, root_of
from server.usage.kinds import AT, FAULT, KINDS, LIMITED
from server.usage.ports import NOBODY, MinuteRow, Parcel
from tests.server.storage.keepers import Store

PROBER = 9


def row(minute: int, client: int, good: int, bad: int = 0, excluded: int = 0) -> MinuteRow:
    counts = [0] * len(KINDS)
    counts[0], counts[AT[FAULT]], counts[AT[LIMITED]] = good, bad, excluded
    return MinuteRow(minute, client, tuple(counts))


class Clerk:
    """Brings counts to a store, some days ago by its own clock, and rolls them up."""

    def __init__(self, store: Store, today: int, lease: Lease) -> None:
        self.store, self.today, self.lease = store, today, lease
        self._number = 0

    async def count(self, *rows: MinuteRow) -> None:
        self._number += 1
        await self.store.add_usage(Parcel("clerk", self._number, tuple(sorted(rows))))

    async def work(self, kept_days: int = 400) -> None:
        keeper = UptimeKeeper(self.store, min_requests=2, left_out=[PROBER], kept_days=kept_days)
        await keeper.work(self.lease)

    async def segments(self, day: int) -> Sequence[Segment]:
        return await self.store.segments(day, day + 1)

    async def entries(self, kind: str) -> list[Entry]:
        return [one for one in await self.store.ledger_entries(0, 999) if one.kind == kind]


@pytest.fixture
async def clerk(store: Store) -> Clerk:
    lease = await store.acquire_lease("uptime-rollup", "one", 10**12)
    assert lease is not None
    today = (await store.store_time_us() // 60_000_000 - 15) // DAY_MINUTES
    return Clerk(store, today, lease)


async def test_a_day_becomes_a_segment_of_each_client_and_of_all(clerk: Clerk) -> None:
    day = clerk.today - 1
    first = day * DAY_MINUTES
    await clerk.count(
        row(first, 1, 5),
        row(first, 2, 1, 1, 4),
        row(first + 1, 1, 1),
        row(first + 2, NOBODY, 0, 3),
        row(first + 3, PROBER, 7),
    )
    await clerk.store.add_probes([ProbeMinute(first + 1, 1, 0), ProbeMinute(first + 2, 0, 2)])
    await clerk.store.add_probes([ProbeMinute(first + 1, 1, 1)])
    assert await clerk.segments(day) == []
    await clerk.work()
    found = {one.client_id: one for one in await clerk.segments(day)}
    assert sorted(found) == [PROBES, ALL, 1, 2, PROBER]
    assert found[1].days[0] == (6, 0, 0, 2)
    assert (found[1].seen, found[1].exceptions) == (0b1, ())
    assert (found[2].seen, found[2].exceptions) == (0b1, ((first, 1, 1),))
    assert found[ALL].days[0] == (7, 4, 4, 2)
    assert (found[ALL].seen, found[ALL].exceptions) == (0b101, ((first, 6, 1), (first + 2, 0, 3)))
    assert found[PROBES].exceptions == ((first + 1, 2, 1), (first + 2, 0, 2))
    (entry,) = await clerk.entries("minutes")
    assert entry.payload is not None
    assert entry.subject == day_name(day)
    apart = [one for one in found.values() if one.client_id != PROBES]
    assert entry.payload.value["root"] == root_of(apart).hex()
    (probes,) = await clerk.entries("probes")
    assert probes.payload is not None
    assert probes.payload.value["probes"] == found[PROBES].to_json()


async def test_every_day_is_closed_once_also_one_without_anything(clerk: Clerk) -> None:
    await clerk.count(row((clerk.today - 3) * DAY_MINUTES, 1, 5))
    await clerk.work()
    await clerk.work()
    days = [entry.subject for entry in await clerk.entries("minutes")]
    assert days == [day_name(clerk.today - ago) for ago in (3, 2, 1)]
    last = await clerk.store.last_closed()
    assert last is not None
    assert (last.day, last.segments, last.requests) == (clerk.today - 1, 0, 0)


async def test_today_is_not_closed(clerk: Clerk) -> None:
    await clerk.count(row(clerk.today * DAY_MINUTES, 1, 5))
    await clerk.work()
    assert await clerk.store.last_closed() is None


async def test_a_clock_that_stood_at_1970_closes_no_twenty_thousand_days(clerk: Clerk) -> None:
    await clerk.count(row(5, 1, 5))
    await clerk.work(kept_days=3)
    assert len(await clerk.entries("minutes")) == 3


async def test_counts_that_come_late_correct_their_day_with_an_amendment(clerk: Clerk) -> None:
    before, day = clerk.today - 2, clerk.today - 1
    first = before * DAY_MINUTES
    await clerk.count(row(first, 1, 5))
    await UptimeKeeper(
        early(clerk.store, before), min_requests=2, left_out=[PROBER], kept_days=400
    ).work(clerk.lease)
    last = await clerk.store.last_closed()
    assert last is not None
    assert last.day == before
    await clerk.count(row(first + 7, 1, 1, 2))
    await clerk.store.add_probes([ProbeMinute(first, 0, 1)])
    await clerk.work()
    (own,) = [one for one in await clerk.segments(before) if one.client_id == 1]
    assert own.exceptions == ((first + 7, 1, 2),)
    late, probes = await clerk.entries("amendment")
    assert late.payload is not None
    assert late.payload.value["before"] == last.root.hex()
    closed = await clerk.store.closed(before)
    assert closed is not None
    assert late.payload.value["root"] == closed.root.hex()
    assert probes.payload is not None
    assert "probes" in probes.payload.value
    await clerk.work()
    assert len(await clerk.entries("amendment")) == 2
    assert day == clerk.today - 1


class _Early:
    """A store's book on the morning after a day, for who rolled that up then."""

    def __init__(self, store: Store, day: int) -> None:
        self._store, self._day = store, day

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def store_time_us(self) -> int:
        return ((self._day + 1) * DAY_MINUTES + 20) * 60_000_000


def early(store: Store, day: int) -> UptimeBook:
    return cast("UptimeBook", _Early(store, day))


async def test_a_month_is_packed_without_loss(clerk: Clerk) -> None:
    first, days = month_of(month_of(clerk.today - 5)[0] - 1)
    for at in (0, 4, days - 1):
        await clerk.count(
            row((first + at) * DAY_MINUTES, 1, 5), row((first + at) * DAY_MINUTES + 60, 1, 2, at)
        )
        await clerk.store.add_probes([ProbeMinute((first + at) * DAY_MINUTES, 1, 1)])
    apart = early(clerk.store, first + days - 1)
    await UptimeKeeper(apart, min_requests=2, left_out=[], kept_days=400).work(clerk.lease)
    before = {day: await clerk.segments(day) for day in range(first, first + days)}
    await clerk.work()
    for day, known in before.items():
        found = await clerk.segments(day)
        assert all(len(one.days) == days for one in found)
        assert [one.day(day) for one in found if one.day(day)] == list(known)
        closed = await clerk.store.closed(day)
        assert closed is not None
        assert closed.root == root_of(one for one in known if one.client_id != PROBES)
    of_client = await clerk.store.segments(first + 3, first + 5, 1)
    assert [(one.client_id, one.first_day) for one in of_client] == [(1, first)]


async def test_old_segments_are_removed_and_their_entries_stay(clerk: Clerk) -> None:
    day = clerk.today - 2
    await clerk.count(row(day * DAY_MINUTES, 1, 5))
    await clerk.work()
    assert await clerk.store.prune_segments(day, clerk.lease) == 0
    assert await clerk.store.prune_segments(day + 1) == 2
    assert await clerk.segments(day) == []
    assert len(await clerk.entries("minutes")) == 2


async def test_one_clients_minutes_and_all_together_are_read_as_they_were_counted(
    clerk: Clerk,
) -> None:
    first = clerk.today * DAY_MINUTES
    await clerk.count(row(first, 1, 5), row(first, 2, 1, 1), row(first + 2, PROBER, 7, 0, 2))
    one = Counted(first, 1, 5, 0, 0)
    assert await clerk.store.counted_for(1, first, first + 9) == [one]
    assert await clerk.store.counted_for(1, first, first) == []
    assert await clerk.store.counted_together(first, first + 9, [PROBER]) == [
        Counted(first, ALL, 6, 1, 0)
    ]
    assert len(await clerk.store.counted(first, first + 2)) == 2
    assert await clerk.store.requests(first, first + 3) == 16
    assert await clerk.store.first_minute() == first
