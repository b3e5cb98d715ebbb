"""What the fleet forgets by itself, in both stores: old things go, and nothing else does."""

from datetime import date, timedelta

import pytest

from server.fleet.enrolment import digest_of
from server.fleet.hosts import HostState
from server.fleet.retention import DAY_US, Gone, Kept, Limits, limits
from server.journal.acts import Act, Actor
from server.journal.ports import Selection
from server.leases import Lease, LeaseLostError
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper
from tests.server.storage.test_fleet import (
    FIRST,
    OTHER,
    SqlStore,
    allow,
    asked,
    enrolled,
    found,
    known,
    store,
    take,
    today,
)

__all__ = ["store"]

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

KEPT = Kept(keys_days=200, changes_days=100, tokens_days=30, silent_days=30, hosts_days=300)
TOLD = Act(Actor("system", "keystead"), "fleet.retention", "too old")


async def a_lease(store: SqlStore) -> Lease:
    lease = await store.acquire_lease("fleet-retention", "one", 10**12)
    assert lease is not None
    return lease


async def due_in(store: SqlStore, days: int, kept: Kept = KEPT) -> Limits:
    return limits(kept, await store.store_time_us() + days * DAY_US)


async def sweep(store: SqlStore, due: Limits, lease: Lease) -> None:
    after: str | None = ""
    while after is not None:
        after = await store.forget_sightings(due, after, lease)


async def told(store: SqlStore, lease: Lease) -> list[object]:
    await store.tell_retention(lease, act=TOLD)
    entries = await store.journal_entries(0, 100, Selection("fleet", None))
    return [entry.deed.after for entry in entries]


async def test_a_key_that_nobody_saw_for_long_is_forgotten(store: SqlStore) -> None:
    await enrolled(store)
    day = await today(store)
    old, new = a_key(serial=1, last_seen=day - timedelta(20)), a_key(serial=2, last_seen=day)
    await take(store, a_report(old, new, day=day))
    lease = await a_lease(store)
    await sweep(store, await due_in(store, 180), lease)
    assert len(await found(store)) == 2
    await sweep(store, await due_in(store, 181), lease)
    assert [one.key.serial for one in await found(store)] == [2]
    assert await told(store, lease) == [{"keys": 1}]
    assert await told(store, lease) == [{"keys": 1}], "nothing more went, nothing more is told"
    await store.subscribe("test", from_start=True)
    facts = [one.fact for one in await store.unread_facts("test", 10)]
    assert sorted((fact.kind, fact.subject) for fact in facts) == [
        ("fleet.forgotten", ""),
        ("fleet.key-first-seen", "serial:2"),
    ]


async def test_who_saw_a_key_once_is_forgotten_unless_its_word_is_what_is_known(
    store: SqlStore,
) -> None:
    third = "3c" * 16
    for number, host in enumerate((HOST, OTHER, third)):
        await enrolled(store, host, f"laptop-{number}")
    day = await today(store)
    await take(
        store,
        a_report(a_key(last_seen=day - timedelta(90)), day=day),  # its firmware is this one's word
        a_report(a_key(last_seen=day - timedelta(80)), host=OTHER, day=day),
        a_report(a_key(last_seen=day), host=third, day=day),
    )
    lease = await a_lease(store)
    await sweep(store, await due_in(store, 150), lease)
    (one,) = await found(store)
    assert one.key.facts["device.firmware"].host_id == HOST
    assert {seen.host_id for seen in one.sightings} == {HOST, third}
    assert await told(store, lease) == [{"keys_seen": 1}]


async def test_a_dispute_outlives_the_sighting_of_who_is_in_it(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    honest = a_key({**HEALTHY, "device.firmware": "5.4.3"}, last_seen=day - timedelta(90))
    await take(store, a_report(honest, day=day))
    await take(store, a_report(a_key(last_seen=day), host=OTHER, day=day))
    await sweep(store, await due_in(store, 150), await a_lease(store))
    (one,) = await found(store, rule="disputed")
    assert one.key.disputed == ("device.firmware",)


async def test_old_changes_go_and_the_fact_stays(store: SqlStore) -> None:
    await enrolled(store)
    for number in (1, 2, 3):
        key = a_key({**HEALTHY, "piv.pin.tries": number})
        await take(store, a_report(key, sequence=number))
    lease = await a_lease(store)
    assert await store.forget_changes(await due_in(store, 99), lease) == 0
    assert await store.forget_changes(await due_in(store, 101), lease) == 2
    (one,) = await found(store)
    assert one.key.facts["piv.pin.tries"].value == 3
    assert await store.key_changes(one.key.key_id, 100, 10) == []
    await take(store, a_report(a_key({**HEALTHY, "piv.pin.tries": 9}), sequence=4))
    (change,) = await store.key_changes(one.key.key_id, 100, 10)
    assert change.number == 3, "numbers go on"
    assert await told(store, lease) == [{"changes": 2}]


async def test_tokens_go_when_they_ended_long_ago_used_or_not(store: SqlStore) -> None:
    await enrolled(store)
    await allow(store, "unused", "laptop-18")
    lease = await a_lease(store)
    assert await store.forget_tokens(await due_in(store, 30), lease) == 0
    assert await store.forget_tokens(await due_in(store, 32), lease) == 2
    assert not await store.knows_token(digest_of("unused"))
    assert (await known(store)).state is HostState.ACTIVE


async def test_a_host_is_marked_silent_once_and_a_report_ends_it(store: SqlStore) -> None:
    await enrolled(store)
    await take(store, a_report())
    lease = await a_lease(store)
    assert await store.mark_silent(await due_in(store, 29), lease) == 0
    due = await due_in(store, 31)
    assert await store.mark_silent(due, lease) == 1
    assert (await known(store)).is_silent
    assert await store.mark_silent(due, lease) == 0
    assert [host.host_id for host in await store.silent_hosts(9)] == [HOST]
    await store.subscribe("test", from_start=True)
    (fact,) = [one.fact for one in await store.unread_facts("test", 10)]
    assert (fact.kind, fact.subject, fact.detail) == ("fleet.host-silent", HOST, {"days": 31})
    census = await store.fleet_census()
    assert (census.hosts, census.silent) == (1, 1)


async def test_a_silent_host_is_erased_a_week_after_it_was_marked(store: SqlStore) -> None:
    await enrolled(store)
    await take(store, a_report(a_key()))
    lease = await a_lease(store)
    late = await due_in(store, 301)  # a clock that is years ahead looks like this
    assert await store.mark_silent(late, lease) == 1
    assert await store.hosts_to_erase(late, 9) == []
    due = await due_in(store, 308)
    assert await store.hosts_to_erase(due, 9) == [HOST]
    assert await store.erase_silent_host(HOST, due, lease, act=ACT)
    assert (await known(store)).state is HostState.ERASED
    assert await found(store) == []
    assert not await store.erase_silent_host(HOST, due, lease, act=ACT)
    assert await told(store, lease) == [{"hosts": 1, "silent": 1}]


async def test_a_host_that_came_back_in_the_last_moment_is_not_erased(store: SqlStore) -> None:
    await enrolled(store)
    lease = await a_lease(store)
    await store.mark_silent(await due_in(store, 31), lease)
    now = await due_in(store, 0)
    assert not await store.erase_silent_host(HOST, now, lease, act=ACT)
    assert (await known(store)).state is HostState.ACTIVE


async def test_where_nobody_wants_hosts_erased_they_stay(store: SqlStore) -> None:
    await enrolled(store)
    lease = await a_lease(store)
    kept = KEPT._replace(hosts_days=None)
    await store.mark_silent(await due_in(store, 5_000, kept), lease)
    assert list(await store.hosts_to_erase(await due_in(store, 9_000, kept), 9)) == []


async def test_a_host_that_was_replaced_goes_when_its_time_is_over(store: SqlStore) -> None:
    await enrolled(store)
    await allow(store, FIRST, replaces=True)
    await store.enrol(asked(OTHER))
    assert await store.hosts_to_erase(await due_in(store, 299), 9) == []
    assert await store.hosts_to_erase(await due_in(store, 301), 9) == [HOST]


async def test_an_erasure_that_was_cut_off_is_finished(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    await take(store, a_report(a_key(serial=1), a_key(serial=2)), a_report(a_key(), host=OTHER))
    await store.note_altered(HOST, "serial:10000001", "altered")
    await store.subscribe("test", from_start=True)

    async def killed(_hosts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "_forget_all", killed)
        with pytest.raises(KeyboardInterrupt):
            await store.erase_host(HOST, act=ACT)
    assert (await known(store)).name == ""
    assert len(await found(store)) == 3
    await sweep(store, await due_in(store, 0), await a_lease(store))
    assert [one.key.serial for one in await found(store)] == [10_000_001]
    assert HOST not in str(await store.unread_facts("test", 100))


async def test_a_host_of_many_keys_is_forgotten_in_pieces(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.storage.books.fleet_forgetting.PIECE", 3)
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    keys = [a_key(serial=number) for number in range(1, 9)]
    await take(store, a_report(*keys), a_report(*keys[:4], host=OTHER))
    await store.erase_host(HOST, act=ACT)
    left = await found(store)
    assert [one.key.serial for one in left] == [1, 2, 3, 4]
    assert HOST not in str(left)


async def test_a_machine_that_slept_forgets_nothing(store: SqlStore, keeper: Keeper) -> None:
    await enrolled(store)
    await take(store, a_report(a_key()))
    lease = await store.acquire_lease("fleet-retention", "one", 60_000_000)
    assert lease is not None
    await keeper.hours_pass()
    assert await store.acquire_lease("fleet-retention", "two", 60_000_000) is not None
    due = await due_in(store, 9_000)
    with pytest.raises(LeaseLostError):
        await store.begin_retention(lease)
    with pytest.raises(LeaseLostError):
        await store.forget_sightings(due, "", lease)
    with pytest.raises(LeaseLostError):
        await store.forget_changes(due, lease)
    with pytest.raises(LeaseLostError):
        await store.forget_tokens(due, lease)
    with pytest.raises(LeaseLostError):
        await store.mark_silent(due, lease)
    assert len(await found(store)) == 1


async def test_what_would_go_is_told_and_stays(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    worse = {**HEALTHY, "piv.pin.tries": 1}
    await take(
        store,
        a_report(a_key(serial=1, last_seen=day - timedelta(50)), a_key(serial=2), day=day),
        a_report(a_key(worse, serial=2), sequence=2, day=day),
    )
    now_us = await store.store_time_us()
    soon = await store.fleet_due(limits(KEPT, now_us))
    assert (soon.keys, soon.changes, soon.tokens, soon.silent, soon.hosts) == (0, 0, 0, 0, 0)
    assert soon.seen_day == (day - timedelta(50)).isoformat()
    assert soon.changed_us is not None
    assert soon.expired_us is not None
    assert soon.heard_us is not None
    later = await store.fleet_due(limits(KEPT, now_us + 160 * DAY_US))
    assert (later.keys, later.changes, later.tokens, later.silent) == (1, 1, 2, 2)
    assert date.fromisoformat(later.seen_day or "") > day - timedelta(50)
    assert (later.changed_us, later.expired_us, later.heard_us) == (None, None, None)
    assert len(await found(store)) == 2


async def test_what_was_counted_waits_for_the_journal_when_a_run_is_cut_off(
    store: SqlStore,
) -> None:
    await enrolled(store)
    lease = await a_lease(store)
    before, now_us = await store.begin_retention(lease)
    assert (before.at_us, before.gone) == (None, Gone())
    await store.mark_silent(await due_in(store, 31), lease)
    again, _ = await store.begin_retention(lease)
    assert (again.at_us, again.gone) == (now_us, Gone(silent=1))
    assert again.believes(now_us + DAY_US)
    assert (await store.last_retention()).gone == Gone(silent=1)
    assert await told(store, lease) == [{"silent": 1}]
    assert (await store.last_retention()).gone == Gone()


async def test_an_erased_key_comes_back_when_it_is_seen_anew_and_not_before(
    store: SqlStore,
) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    gone, stays = a_key(serial=1, last_seen=day), a_key(serial=2, last_seen=day)
    await take(store, a_report(gone, stays, day=day), a_report(gone, host=OTHER, day=day))
    assert await store.erase_fleet_key("serial:1", act=ACT)
    assert not await store.erase_fleet_key("serial:1", act=ACT)
    assert [one.key.serial for one in await found(store)] == [2]
    await take(store, a_report(gone, stays, sequence=2, day=day))
    assert [one.key.serial for one in await found(store)] == [2]
    journal = str(await store.journal_entries(0, 100, Selection("fleet-key", None)))
    assert "'hosts': 2" in journal
    assert "serial:1" not in journal
    lease = await a_lease(store)
    await store.forget_tokens(await due_in(store, 180), lease)
    await take(store, a_report(gone, sequence=3, day=day))
    assert len(await found(store)) == 1
    await store.forget_tokens(await due_in(store, 181), lease)
    await take(store, a_report(gone, sequence=4, day=day))
    assert len(await found(store)) == 2


async def test_who_sees_an_erased_key_on_a_later_day_brings_it_back(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(store)
    day = await today(store)
    await take(store, a_report(a_key(serial=1, last_seen=day), day=day))
    yesterday = day - timedelta(1)
    monkeypatch.setattr(
        "server.storage.books.fleet_retention_book.day_of", lambda _now_us: yesterday
    )
    assert await store.erase_fleet_key("serial:1", act=ACT)
    await take(store, a_report(a_key(serial=1, last_seen=yesterday), sequence=2, day=day))
    assert await found(store) == []
    await take(store, a_report(a_key(serial=1, last_seen=day), sequence=3, day=day))
    assert len(await found(store)) == 1


async def test_who_brings_an_erased_key_back_brings_nobodys_older_word_with_it(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    yesterday = day - timedelta(1)
    old = a_key({**HEALTHY, "device.firmware": "5.4.3"}, serial=1, last_seen=yesterday)
    await take(store, a_report(old, host=OTHER, day=yesterday))
    monkeypatch.setattr(
        "server.storage.books.fleet_retention_book.day_of", lambda _now_us: yesterday
    )
    assert await store.erase_fleet_key("serial:1", act=ACT)
    new = a_key({**HEALTHY, "device.firmware": "5.7.1"}, serial=1, last_seen=day)
    await take(store, a_report(new, day=day))
    await take(store, a_report(old, host=OTHER, sequence=2, day=day))
    (one,) = await found(store)
    assert {seen.host_id for seen in one.sightings} == {HOST}
    assert OTHER not in str(one)


async def test_names_that_look_the_same_are_one(store: SqlStore) -> None:
    composed, decomposed = "b\u00fcro-1", "bu\u0308ro-1"
    await allow(store, "first", composed)
    await store.enrol(asked(HOST, decomposed, "first"))
    assert (await known(store)).name == composed
    await take(store, a_report(a_key()))
    assert len(await found(store, host_name=decomposed)) == 1
    await allow(store, "second", decomposed.upper(), replaces=True)
    await store.enrol(asked(OTHER, composed, "second"))
    assert (await known(store)).state is HostState.REPLACED


async def test_what_a_host_makes_up_is_not_in_the_journal(store: SqlStore) -> None:
    await allow(store)
    await store.enrol(asked()._replace(system="Ann's own"))
    entries = str(await store.journal_entries(0, 100, Selection("host", None)))
    assert "Ann" not in entries
    assert "another" in entries
