"""The fleet in both stores: enrolment, reports taken once, keys found, hosts forgotten."""

import asyncio
from datetime import date, timedelta

import pytest

from agent.report import Identity, Report, Value, serial_hash
from server.fleet.absorbing import key_id_of
from server.fleet.enrolment import Admission, Asked, BadTokenError, HostEnrolledError, digest_of
from server.fleet.health import Level
from server.fleet.hosts import Host, HostState
from server.fleet.policy import SERIAL_KEY
from server.fleet.ports import FleetKey, Search
from server.fleet.receipt import Receipt
from server.journal.ports import ALL
from server.storage.books.fleet_rows import day_of
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper

# Nothing keeps the fleet in memory.
pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

OTHER = "1e" * 16
FIRST = "first"
DAY_US = 86_400_000_000
SqlStore = SqliteStore | PostgresStore


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    return opened


def asked(host_id: str = HOST, name: str = "laptop-17", token: str = FIRST) -> Asked:
    return Asked(token, host_id, name, bytes.fromhex(host_id) * 2, "linux", "0.1.0")


async def allow(
    store: SqlStore, token: str = FIRST, name: str = "laptop-17", *, replaces: bool = False
) -> None:
    await store.add_enrolment_token(
        name, digest_of(token), lifetime_us=DAY_US, replaces=replaces, act=ACT
    )


async def enrolled(store: SqlStore, host_id: str = HOST, name: str = "laptop-17") -> None:
    await allow(store, host_id, name)
    await store.enrol(asked(host_id, name, host_id))


async def known(store: SqlStore, host_id: str = HOST) -> Host:
    host = await store.fleet_host(host_id)
    assert host is not None
    return host


async def today(store: SqlStore) -> date:
    return day_of(await store.store_time_us())


async def found(store: SqlStore, **search: object) -> list[FleetKey]:
    return list(await store.fleet_keys(Search(**search), "", 100))  # type: ignore[arg-type] # names


async def take(store: SqlStore, *reports: Report) -> list[Receipt]:
    return list(await store.take_reports(reports))


async def fill_fleet(store: SqlStore) -> None:
    """Have something in every table of the fleet."""
    await enrolled(store)
    await take(store, a_report(a_key()))
    await take(store, a_report(a_key({**HEALTHY, "piv.pin.tries": 1}), sequence=2))


async def test_a_host_enters_once_and_asks_again_in_vain_of_others(store: SqlStore) -> None:
    await allow(store)
    assert await store.enrol(asked()) == Admission(again=False)
    assert await store.enrol(asked()) == Admission(again=True)
    with pytest.raises(BadTokenError):
        await store.enrol(asked(OTHER))
    host = await known(store)
    assert (host.name, host.state, host.sequence) == ("laptop-17", HostState.ACTIVE, 0)
    assert await store.fleet_host(OTHER) is None


async def test_of_two_hosts_with_one_token_one_enters(store: SqlStore) -> None:
    await allow(store)
    outcomes = await asyncio.gather(
        store.enrol(asked(HOST)), store.enrol(asked(OTHER)), return_exceptions=True
    )
    assert [type(one) for one in sorted(outcomes, key=str)].count(BadTokenError) == 1
    assert len(await store.list_hosts("", 10)) == 1


async def test_a_place_is_taken_over_with_a_token_that_says_so(store: SqlStore) -> None:
    await enrolled(store)
    with pytest.raises(HostEnrolledError):
        await allow(store, "second")
    await allow(store, "second", "LAPTOP-17", replaces=True)
    admission = await store.enrol(asked(OTHER, token="second"))
    assert [host.host_id for host in admission.replaced] == [HOST]
    assert (await known(store)).state is HostState.REPLACED
    assert await take(store, a_report()) == [Receipt.UNKNOWN_HOST]


async def test_a_report_is_taken_once_and_its_copies_are_noticed(store: SqlStore) -> None:
    await enrolled(store)
    first, second = a_report(a_key()), a_report(a_key(), sequence=4, dropped=1)
    clash = a_report(a_key(), sequence=4, report_id="ab" * 16)
    receipts = await take(store, first, first, second, clash, a_report(host=OTHER))
    assert receipts == [
        Receipt.NEW,
        Receipt.AGAIN,
        Receipt.NEW,
        Receipt.CLASH,
        Receipt.UNKNOWN_HOST,
    ]
    assert await take(store, second, first) == [Receipt.AGAIN, Receipt.CLASH]
    host = await known(store)
    assert (host.sequence, host.dropped, host.missing, host.clashes) == (4, 1, 1, 2)
    assert host.reported_us is not None
    await store.subscribe("test", from_start=True)
    told = [one.fact.kind for one in await store.unread_facts("test", 10)]
    assert sorted(told) == ["fleet.host-clash", "fleet.host-clash", "fleet.key-first-seen"]


async def test_what_changes_at_a_key_is_noted_with_who_noticed(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    worse = a_key({**HEALTHY, "piv.pin.tries": 1}, last_seen=day)
    await take(
        store,
        a_report(a_key(last_seen=day - timedelta(9)), day=day),
        a_report(a_key(last_seen=day), sequence=2, day=day),
        a_report(worse, host=OTHER, day=day),
    )
    (one,) = await found(store)
    assert one.key.facts["piv.pin.tries"].value == 1
    assert (one.key.first_seen, one.key.last_seen) == (day - timedelta(9), day)
    assert {seen.host_name for seen in one.sightings} == {"laptop-17", "laptop-18"}
    changes = await store.key_changes(one.key.key_id, 100, 10)
    assert [(change.fact, change.before, change.after) for change in changes] == [
        ("piv.pin.tries", 3, 1)
    ]
    assert changes[0].host_id == OTHER
    await take(store, a_report(worse, sequence=3, day=day))
    assert len(await store.key_changes(one.key.key_id, 100, 10)) == 1


async def test_words_and_truth_values_come_back_as_they_were_reported(store: SqlStore) -> None:
    await enrolled(store)
    facts: dict[str, Value] = {
        "device.usb.enabled": ("fido2", "otp"),
        "fido.pin_set": True,
        "fido.pin_tries": 1,
    }
    await take(store, a_report(a_key(facts, {"piv": "in-use"})))
    (one,) = await found(store)
    assert {name: fact.value for name, fact in one.key.facts.items()} == facts
    assert one.key.facts["fido.pin_set"].value is True
    assert one.key.unreadable == {"piv": "in-use"}


async def test_keys_are_found_by_number_host_firmware_and_health(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    old = {**HEALTHY, "device.firmware": "5.4.3", "piv.pin.default": True}
    ten = {**HEALTHY, "device.firmware": "5.10.0"}
    await take(
        store,
        a_report(a_key(serial=1), a_key(old, serial=2)),
        a_report(a_key(ten, serial=3), a_key(old, serial=2), host=OTHER),
    )

    async def serials(**search: object) -> list[int | None]:
        return [one.key.serial for one in await found(store, **search)]

    assert await serials() == [1, 2, 3]
    assert await serials(serial=2) == [2]
    assert await serials(host_name="LAPTOP-18") == [2, 3]
    assert await serials(firmware=(5, 4)) == [2]
    assert await serials(firmware=(5,)) == [1, 2, 3]
    assert await serials(firmware=(5, 1)) == []
    assert await serials(firmware=(5, 10, 0)) == [3]
    assert await serials(rule="piv-pin-default") == [2]
    assert await serials(level=Level.DANGER) == [2]
    assert await serials(level=Level.WARNING) == []
    assert await serials(firmware=(5, 4), host_name="laptop-17", serial=1) == []
    page = await store.fleet_keys(Search(), "serial:1", 1)
    assert [one.key.serial for one in page] == [2]


async def test_a_fault_that_is_mended_is_found_no_more(store: SqlStore) -> None:
    await enrolled(store)
    await take(store, a_report(a_key({**HEALTHY, "piv.pin.default": True})))
    await take(store, a_report(a_key(), sequence=2))
    assert await found(store, rule="piv-pin-default") == []
    assert await found(store, level=Level.DANGER) == []


async def test_a_forgotten_host_leaves_nothing_but_its_number(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    shared, own = a_key(serial=1), a_key(serial=2)
    changed = a_key({**HEALTHY, "piv.pin.tries": 2}, serial=1)
    await take(store, a_report(shared, own), a_report(changed, host=OTHER))
    await take(store, a_report(shared, sequence=2))
    assert await store.erase_host(HOST, act=ACT) is not None
    erased = await known(store)
    assert (erased.state, erased.name, erased.public_key) == (HostState.ERASED, "", b"")
    (left,) = await found(store)
    assert left.key.serial == 1
    assert [seen.host_name for seen in left.sightings] == ["laptop-18"]
    changes = await store.key_changes(left.key.key_id, 100, 10)
    assert {change.host_id for change in changes} == {"", OTHER}
    assert await take(store, a_report(own, sequence=3)) == [Receipt.ERASED]
    with pytest.raises(BadTokenError):
        await store.enrol(asked(token=HOST))
    assert await store.erase_host("ab" * 16, act=ACT) is None
    entries = await store.journal_entries(0, 100, ALL)
    assert "laptop-17" not in str(entries)


async def test_what_a_forgotten_host_said_of_others_keys_names_it_nowhere(
    store: SqlStore,
) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    lie = a_key({**HEALTHY, "device.firmware": "5.4.3"}, last_seen=day)
    await take(store, a_report(a_key(last_seen=day), day=day), a_report(lie, host=OTHER, day=day))
    (disputed,) = await found(store, rule="disputed")
    assert disputed.key.disputed == ("device.firmware",)
    await store.subscribe("test", from_start=True)
    told = [one.fact for one in await store.unread_facts("test", 10)]
    assert [fact.detail for fact in told if fact.kind == "fleet.key-disputed"] == [
        {"facts": "device.firmware", "host": OTHER}
    ]
    await store.erase_host(OTHER, act=ACT)
    assert await found(store, rule="disputed") == []
    (settled,) = await found(store, firmware=(5, 7))
    assert OTHER not in str(settled)
    await store.erase_host(HOST, act=ACT)
    assert await found(store) == []


async def test_an_erased_host_is_erased_with_its_earlier_enrolments_and_its_tokens(
    store: SqlStore,
) -> None:
    await enrolled(store)
    await take(store, a_report(a_key()))
    await allow(store, "second", replaces=True)
    await store.enrol(asked(OTHER, token="second"))
    await take(store, a_report(a_key(), host=OTHER))
    await allow(store, "third", "Laptop-17", replaces=True)
    await store.erase_host(OTHER, act=ACT)
    assert await found(store) == []
    for host_id in (HOST, OTHER):
        left = await known(store, host_id)
        nothing = Host(host_id, "", b"", HostState.ERASED, "", "", left.enrolled_us)
        assert left == nothing
    with pytest.raises(BadTokenError):
        await store.enrol(asked("2d" * 16, token="third"))


async def test_a_new_token_ends_those_for_the_name_that_nobody_used(store: SqlStore) -> None:
    await allow(store, "lost")
    await allow(store, "other", "laptop-18")
    await allow(store, "second", "LAPTOP-17")
    with pytest.raises(BadTokenError):
        await store.enrol(asked(token="lost"))
    assert [await store.knows_token(digest_of(one)) for one in ("lost", "other", "second")] == [
        False,
        True,
        True,
    ]
    await store.enrol(asked(token="second"))


async def test_a_host_cannot_fill_the_store_with_keys_that_it_makes_up(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fleet.intake.MAX_KEYS_OF_HOST", 3)
    await enrolled(store)
    two = (a_key(serial=1), a_key(serial=2))
    more = (a_key(serial=3), a_key(serial=4))
    first, second = a_report(*two), a_report(*more, sequence=2)
    assert await take(store, first, second) == [Receipt.NEW, Receipt.FULL]
    assert await take(store, second) == [Receipt.FULL]
    assert len(await found(store)) == 2
    assert (await known(store)).sequence == 1
    assert await take(store, a_report(*two, sequence=2)) == [Receipt.NEW]


async def test_changes_of_a_key_are_kept_up_to_a_number_the_newest_ones(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.storage.books.fleet_report_book.MAX_CHANGES", 3)
    await enrolled(store)
    for number in range(1, 7):
        key = a_key({**HEALTHY, "piv.pin.tries": number})
        await take(store, a_report(key, sequence=number))
    (one,) = await found(store)
    changes = await store.key_changes(one.key.key_id, 100, 10)
    assert [change.number for change in changes] == [5, 4, 3]


async def test_a_key_that_is_named_by_a_hash_is_found_by_its_number(store: SqlStore) -> None:
    await enrolled(store)
    organisation = bytes(range(32))
    await store.settle_meta(SERIAL_KEY, organisation.hex())
    named = Identity(serial_hash=serial_hash(organisation, 1234567))
    await take(store, a_report(a_key()._replace(identity=named), a_key(serial=2)))
    (one,) = await found(store, serial=1234567)
    assert one.key.key_id == key_id_of(named, HOST)
    assert [key.key.serial for key in await found(store, serial=2)] == [2]
    assert await found(store, serial=3) == []


async def test_keys_without_a_number_belong_to_their_host(store: SqlStore) -> None:
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    nameless = a_key()._replace(identity=Identity(kind="ab" * 32))
    await take(store, a_report(nameless), a_report(nameless, host=OTHER))
    ids = {key_id_of(nameless.identity, host) for host in (HOST, OTHER)}
    assert {one.key.key_id for one in await found(store)} == ids
    one = await store.fleet_key(min(ids))
    assert one is not None
    assert one.key.serial is None
