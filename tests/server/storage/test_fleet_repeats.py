"""Batches of reports in both stores: the same as one after the other, whatever is in them."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.report import Report
from server.fleet.enrolment import Asked, digest_of
from server.fleet.ports import Search
from server.fleet.receipt import Receipt
from server.storage.books.fleet_rows import day_of
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, a_key, a_report
from tests.server.storage.keepers import Keeper

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

HOSTS = ("0a" * 16, "0b" * 16, "0c" * 16)
DAY_US = 86_400_000_000
SqlStore = SqliteStore | PostgresStore


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    for number, host_id in enumerate(HOSTS):
        token = f"token-{number}"
        await opened.add_enrolment_token(
            f"laptop-{number}", digest_of(token), lifetime_us=DAY_US, replaces=False, act=ACT
        )
        name, key = f"laptop-{number}", bytes.fromhex(host_id) * 2
        await opened.enrol(Asked(token, host_id, name, key, "linux", "0.1.0"))
    return opened


class Sent(NamedTuple):
    """A report: whose, how much further its number is than the last one of all, what it says."""

    host: int
    step: int
    key: int
    tries: int
    copied: bool


sendings = st.lists(
    st.builds(
        Sent,
        st.integers(0, 2),
        st.integers(-1, 2),
        st.integers(0, 1),
        st.integers(2, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


def reports_of(sent: Sequence[Sent], serial: int, first: int, day: date) -> list[Report]:
    """Return reports; some repeat another one, some have its number and say something else."""
    made: list[Report] = []
    sequence = first
    for number, one in enumerate(sent):
        if one.copied and made:
            made.append(made[-1])
            continue
        sequence = max(1, sequence + one.step)
        key = a_key({**HEALTHY, "piv.pin.tries": one.tries}, serial=serial + one.key, last_seen=day)
        report_id = f"{first:016x}{number:016x}"
        host = HOSTS[one.host]
        made.append(a_report(key, sequence=sequence, host=host, day=day, report_id=report_id))
    return made


async def _state(store: SqlStore, serials: Sequence[int]) -> list[Any]:
    found: list[Any] = []
    for place, serial in enumerate(serials):
        for one in await store.fleet_keys(Search(serial=serial), "", 10):
            key = one.key._replace(key_id="", serial=None)
            changes = await store.key_changes(one.key.key_id, 1000, 1000)
            noted = [change[:1] + change[2:] for change in changes]
            found.append((place, key, one.sightings, noted))
    return found


_SERIAL = iter(range(1_000, 1_000_000, 10))
_FIRST = iter(range(1, 1_000_000, 1_000))


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(sent=sendings)
def test_a_batch_leaves_what_its_reports_leave_one_after_the_other(
    keeper: Keeper, store: SqlStore, sent: list[Sent]
) -> None:
    del keeper
    loop = asyncio.get_event_loop_policy().get_event_loop()
    loop.run_until_complete(_compare(store, sent))


async def _compare(store: SqlStore, sent: list[Sent]) -> None:
    day = day_of(await store.store_time_us())
    at_once, one_by_one = next(_SERIAL), next(_SERIAL)
    together = list(await store.take_reports(reports_of(sent, at_once, next(_FIRST), day)))
    apart: list[Receipt] = []
    for report in reports_of(sent, one_by_one, next(_FIRST), day):
        apart += await store.take_reports([report])
    assert together == apart
    first = await _state(store, (at_once, at_once + 1))
    assert first == await _state(store, (one_by_one, one_by_one + 1))
