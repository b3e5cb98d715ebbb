"""Hosts that altered what a key said on its way, in both stores: counted and told, no more."""

import pytest

from server.fleet.enrolment import Asked, digest_of
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HOST
from tests.server.storage.keepers import Keeper

# The one that keeps the fleet in memory is for tests of doors.
pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

KEY = "serial:10000001"
READER = "the test"


async def test_it_is_counted_and_told_each_time_and_nothing_is_kept_of_the_key(
    keeper: Keeper,
) -> None:
    store = await keeper.open()
    assert isinstance(store, SqliteStore | PostgresStore)
    await store.subscribe(READER)
    await store.add_enrolment_token(
        "laptop", digest_of("token"), lifetime_us=10**12, replaces=False, act=ACT
    )
    await store.enrol(Asked("token", HOST, "laptop", bytes(32), "linux", "0.1.0"))
    for how in ("altered", "another-key"):
        await store.note_altered(HOST, KEY, how)
    await store.note_altered("1e" * 16, KEY, "altered")  # nobody
    host = await store.fleet_host(HOST)
    assert host is not None
    assert host.altered == 2
    told = [one.fact for one in await store.unread_facts(READER, 100)]
    assert [(one.kind, one.subject, dict(one.detail)) for one in told] == [
        ("fleet.host-altered", HOST, {"key": KEY, "facts": "", "channel": how})
        for how in ("altered", "another-key")
    ]
    assert await store.fleet_key(KEY) is None
    await store.erase_host(HOST, act=ACT)
    await store.note_altered(HOST, KEY, "altered")  # it was in the middle of a dialogue
    erased = await store.fleet_host(HOST)
    assert erased is not None
    assert erased.altered == 0
    told = [one.fact for one in await store.unread_facts(READER, 100)]
    assert {(one.subject, len(one.detail)) for one in told} == {("", 0)}
