"""S17 in both stores: a token used twice, expired, for another host; a host id that is known."""

import asyncio

import pytest

from server.fleet.enrolment import Admission, Asked, BadTokenError, HostEnrolledError, digest_of
from server.fleet.hosts import Host, HostState
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.storage.keepers import Keeper

# Nothing keeps the fleet in memory.
pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

DAY_US = 86_400_000_000
IDS = [f"{number:02x}" * 16 for number in range(1, 9)]
SqlStore = SqliteStore | PostgresStore


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    return opened


def asked(token: str, host_id: str = IDS[0], name: str = "laptop", key: int = 1) -> Asked:
    return Asked(token, host_id, name, bytes([key]) * 32, "linux", "0.1.0")


async def allow(
    store: SqlStore,
    token: str,
    name: str = "laptop",
    *,
    replaces: bool = False,
    lifetime_us: int = DAY_US,
) -> None:
    await store.add_enrolment_token(
        name, digest_of(token), lifetime_us=lifetime_us, replaces=replaces, act=ACT
    )


async def refused(store: SqlStore, *attempts: Asked) -> None:
    """Hold that these are refused, all in one way, and that nothing is changed by it."""
    before = await store.list_hosts("", 100)
    for attempt in attempts:
        with pytest.raises(BadTokenError) as told:
            await store.enrol(attempt)
        assert str(told.value) == str(BadTokenError())
    assert await store.list_hosts("", 100) == before


async def host(store: SqlStore, host_id: str) -> Host:
    found = await store.fleet_host(host_id)
    assert found is not None
    return found


async def test_s17_a_token_that_was_used_lets_nobody_else_in(store: SqlStore) -> None:
    await allow(store, "once")
    assert await store.enrol(asked("once")) == Admission(again=False)
    await refused(store, asked("once", IDS[1]), asked("once", key=2), asked("once", IDS[1], key=2))
    assert await store.enrol(asked("once")) == Admission(again=True)


async def test_s17_of_many_hosts_that_use_one_token_at_once_one_gets_in(store: SqlStore) -> None:
    await allow(store, "once")
    attempts = (store.enrol(asked("once", one, key=at)) for at, one in enumerate(IDS))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert [one for one in outcomes if not isinstance(one, BadTokenError)] == [
        Admission(again=False)
    ]
    assert len(await store.list_hosts("", 100)) == 1


async def test_s17_a_token_that_has_expired_lets_nobody_in(store: SqlStore) -> None:
    await allow(store, "late", lifetime_us=0)
    await refused(store, asked("late"))


async def test_s17_a_token_is_for_the_host_that_it_names_alone(store: SqlStore) -> None:
    await allow(store, "named")
    await refused(store, asked("named", name="laptop-2"), asked("named", name=""))
    assert await store.enrol(asked("named")) == Admission(again=False)


async def test_s17_a_host_id_that_is_known_is_nobody_elses(store: SqlStore) -> None:
    await allow(store, "first")
    await store.enrol(asked("first"))
    stands = await host(store, IDS[0])
    await allow(store, "other", "laptop-2")
    await allow(store, "again", replaces=True)
    await refused(
        store,
        asked("other", IDS[0], "laptop-2"),
        asked("other", IDS[0], "laptop-2", key=2),
        asked("again", IDS[0]),
        asked("again", IDS[0], key=2),
    )
    assert await host(store, IDS[0]) == stands


async def test_s17_an_id_that_was_erased_or_replaced_does_not_come_back(store: SqlStore) -> None:
    await allow(store, "first")
    await store.enrol(asked("first"))
    await allow(store, "second", replaces=True)
    await store.enrol(asked("second", IDS[1], key=2))
    await refused(store, asked("first"))
    await store.erase_host(IDS[1], act=ACT)
    await allow(store, "third")
    await refused(store, asked("third", IDS[0]), asked("third", IDS[1]), asked("second", IDS[1]))
    assert await store.enrol(asked("third", IDS[2], key=3)) == Admission(again=False)


async def test_s17_a_host_is_enrolled_anew_only_when_an_operator_said_so(store: SqlStore) -> None:
    await allow(store, "first")
    await store.enrol(asked("first"))
    with pytest.raises(HostEnrolledError, match="--replace"):
        await allow(store, "second")
    await allow(store, "approved", replaces=True)
    admission = await store.enrol(asked("approved", IDS[1], key=2))
    assert [one.host_id for one in admission.replaced] == [IDS[0]]
    assert (await host(store, IDS[0])).state is HostState.REPLACED
    assert (await host(store, IDS[1])).state is HostState.ACTIVE
