"""Proofs in both stores: kept with their level, once, and whoever contradicts them counted."""

from datetime import date

import pytest

from agent.report import Value
from server.fleet.absorbing import KnownKey
from server.fleet.enrolment import Asked, digest_of
from server.fleet.health import Level
from server.fleet.ports import Search
from server.fleet.proof import Proof
from server.fleet.trust import Trust
from server.storage.books.fleet_rows import day_of
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper

# The one that keeps the fleet in memory is for tests of doors.
pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

OTHER = "1e" * 16
KEY = "serial:10000001"
READER = "the test"
FIRMWARE = "device.firmware"
OLD: dict[str, Value] = HEALTHY | {FIRMWARE: "5.4.3"}
SqlStore = SqliteStore | PostgresStore


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    await opened.subscribe(READER)
    for host_id, name in ((HOST, "laptop"), (OTHER, "other")):
        await opened.add_enrolment_token(
            name, digest_of(name), lifetime_us=10**12, replaces=False, act=ACT
        )
        asked = Asked(name, host_id, name, bytes.fromhex(host_id) * 2, "linux", "0.1.0")
        await opened.enrol(asked)
    return opened


async def today(store: SqlStore) -> date:
    return day_of(await store.store_time_us())


async def report(
    store: SqlStore, facts: dict[str, Value], host: str = HOST, sequence: int = 1
) -> None:
    day = await today(store)
    key = a_key(facts, last_seen=day)
    await store.take_reports([a_report(key, host=host, sequence=sequence, day=day)])


async def proof(store: SqlStore, firmware: str = "5.7.4", host: str = HOST) -> Proof:
    return Proof(KEY, host, await today(store), Trust.KEY_SIGNED, {FIRMWARE: firmware})


async def known(store: SqlStore) -> KnownKey:
    found = await store.fleet_key(KEY)
    assert found is not None
    return found.key


async def altered(store: SqlStore) -> dict[str, int]:
    return {host.host_id: host.altered for host in await store.list_hosts("", 10)}


async def told(store: SqlStore) -> list[tuple[str, str]]:
    facts = [one.fact for one in await store.unread_facts(READER, 100)]
    return [
        (one.subject, str(one.detail["facts"])) for one in facts if one.kind == "fleet.host-altered"
    ]


async def test_a_proof_is_kept_with_its_level_and_found_again(store: SqlStore) -> None:
    await report(store, HEALTHY)
    proven = await store.prove(await proof(store))
    assert proven is not None
    key = await known(store)
    assert key == proven.key
    assert key.facts[FIRMWARE].trust is Trust.KEY_SIGNED
    assert key.facts["piv.pin.default"].trust is Trust.HOST_SIGNED
    assert await store.prove(await proof(store)) == proven._replace(changes=(), altered={})
    assert await altered(store) == {HOST: 0, OTHER: 0}


async def test_a_proof_settles_a_dispute_and_whoever_lied_is_counted_and_told(
    store: SqlStore,
) -> None:
    await report(store, OLD, OTHER)
    await report(store, HEALTHY)
    assert (await known(store)).disputed == (FIRMWARE,)
    await store.prove(await proof(store))
    assert (await known(store)).disputed == ()
    assert await altered(store) == {HOST: 0, OTHER: 1}
    assert await told(store) == [(OTHER, FIRMWARE)]
    (found,) = await store.fleet_keys(Search(rule="altered"), "", 10)
    assert found.key.key_id == KEY
    assert not await store.fleet_keys(Search(rule="disputed"), "", 10)
    (change,) = await store.key_changes(KEY, 10**6, 10)
    assert (change.fact, change.before, change.after) == (FIRMWARE, "5.4.3", "5.7.4")
    assert await store.fleet_keys(Search(firmware=(5, 7, 4)), "", 10)


async def test_a_report_that_contradicts_a_proof_is_counted_once(store: SqlStore) -> None:
    await report(store, HEALTHY)
    await store.prove(await proof(store))
    for sequence in (1, 2):
        facts = OLD | {"piv.pin.tries": sequence}
        await report(store, facts, OTHER, sequence)
    assert (await known(store)).facts[FIRMWARE].value == "5.7.4"
    assert await altered(store) == {HOST: 0, OTHER: 1}
    assert await told(store) == [(OTHER, FIRMWARE)]


async def test_nobody_proves_a_key_that_he_has_not_reported(store: SqlStore) -> None:
    assert await store.prove(await proof(store)) is None
    await report(store, HEALTHY)
    assert await store.prove(await proof(store, host=OTHER)) is None
    assert await store.prove(await proof(store, host="2d" * 16)) is None
    assert (await known(store)).facts[FIRMWARE].trust is Trust.HOST_SIGNED


async def test_a_host_that_was_forgotten_proves_nothing_and_leaves_what_was_proved(
    store: SqlStore,
) -> None:
    await report(store, HEALTHY)
    await report(store, HEALTHY, OTHER)
    await store.prove(await proof(store))
    await store.erase_host(HOST, act=ACT)
    fact = (await known(store)).facts[FIRMWARE]
    assert (fact.value, fact.host_id, fact.trust) == ("5.7.4", "", Trust.KEY_SIGNED)
    assert await store.prove(await proof(store)) is None
    assert (await altered(store))[HOST] == 0


async def test_health_is_judged_by_what_was_proved(store: SqlStore) -> None:
    await report(store, HEALTHY)
    shown = Proof(KEY, HOST, await today(store), Trust.KEY_CHANNEL, {"piv.pin.default": True})
    await store.prove(shown)
    (found,) = await store.fleet_keys(Search(level=Level.DANGER), "", 10)
    assert found.key.facts["piv.pin.default"].value is True
