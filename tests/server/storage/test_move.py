"""A move takes every table along, as it is, and what was forbidden before stays forbidden."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from server.accounts.access import Role
from server.counter_journal.hot_stores import FencedHotStore, FenceWatch
from server.counter_journal.ports import Place
from server.journal.acts import Deed, Subject
from server.maintenance.decisions import schedule
from server.moving.desk import MovingDesk
from server.otp.ports import FencedError, Kind
from server.probing.finding import Outcome
from server.storage.move import move
from server.storage.schema import metadata
from server.uptime.keeper import UptimeKeeper
from server.uptime.rollup import ProbeMinute
from server.uptime.segment import DAY_MINUTES
from server.usage.kinds import KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.acts import ACT, CAUSE
from tests.server.counter_journal.nodes import fence
from tests.server.journal.chains import a_chain, signed
from tests.server.moving_bench import bench
from tests.server.moving_files import ReferenceClient, ReferenceKey, key_file
from tests.server.storage.entries import OTHER, POLICY, a_client, decide, otp
from tests.server.storage.facts import a_fact
from tests.server.storage.keepers import PostgresKeeper, SqliteKeeper, SqlKeeper
from tests.server.storage.test_advisories import fill_advisories
from tests.server.storage.test_customer_book import CARD, TERMS
from tests.server.storage.test_deliveries import notice
from tests.server.storage.test_fleet import fill_fleet
from tests.server.storage.test_incidents import fill_incidents
from tests.server.storage.test_maintenance import a_plan
from tests.server.storage.test_minting_book import new as new_minted
from tests.server.storage.test_moving import VAULT, move_in
from tests.server.storage.test_operator_book import DIGEST, LATER_US
from tests.server.storage.test_probes import ONE, Findings
from tests.server.storage.test_reports import fill_reports

FENCE = fence(machine_0=1).encode()
KEY = ReferenceKey("cccccccccccb", session=4, use=4)


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[SqliteKeeper]:
    """Return an embedded store that has something in every table, and a fence."""
    keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await keeper.open()
    await store.add_customer(TERMS, act=ACT)
    await store.add_acceptance(1, "2026-01", "Ann", act=ACT)
    await store.add_contact(1, CARD, act=ACT)
    await store.add_operator("ann", Role.SUPPORT, 1, digest=DIGEST, expires_us=LATER_US, act=ACT)
    client = await a_client(store)
    await store.assign_client(client, 1, act=ACT)
    desk = MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    waiting = ReferenceKey(session=9, use=9).counter_line(active=0)
    await move_in(
        desk,
        keys=key_file([KEY, ReferenceKey()]),
        counters=KEY.counter_line() + waiting,
        clients=ReferenceClient.new(41)._replace(notes="web shop").line,
    )
    assert await decide(store, otp(client, 5, 1, client_version=2)) == [Kind.OK]
    await store.add_maintenance(schedule(a_plan(), announce=True), act=ACT)
    await fill_incidents(store)
    await keeper.append_facts([a_fact(1)])
    await store.subscribe("job", from_start=True)
    assert await store.acquire_lease("job", "one", 60_000_000) is not None
    await store.add_checkpoint(signed(a_chain(1)))
    await store.add_ledger_checkpoint(signed(a_chain(1)))
    await store.note_journal_node("machine-0", Place(5))
    backup: dict[str, object] = {"id": "b", "made": "now", "nodes": {"machine-0": 5}}
    await store.note_backup(backup, Deed(ACT, Subject("backup", "b"), None, None))
    answered = MinuteRow(store_minute(keeper), client, (1,) * len(KINDS))
    await store.add_usage(Parcel("sender", 1, (answered,)))
    await store.add_probes([ProbeMinute(store_minute(keeper) - 2 * DAY_MINUTES, 1, 0)])
    held = await store.acquire_lease("uptime-rollup", "one", 10**12)
    assert held is not None
    await UptimeKeeper(store, min_requests=1, left_out=[], kept_days=9).work(held)
    await fill_reports(store)
    await store.add_minted(*new_minted(OTHER), act=ACT)
    await fill_fleet(store)
    await fill_advisories(store)
    found = Findings(await store.store_time_us())
    jump = found(2, -2, Outcome.UNKNOWN, minutes=1, why="the clock jumped")
    await store.add_findings(ONE, [found(1, -3), jump])
    await store.plan_notices([notice()])
    await keeper.install_meta("fence", FENCE)
    yield keeper
    await keeper.close()


def store_minute(keeper: SqliteKeeper) -> int:
    return keeper.clock.now_us() // 60_000_000


async def rows(keeper: SqlKeeper) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, as either engine means them."""
    found = {}
    async with keeper.engine.connect() as connection:
        for table in metadata.sorted_tables:
            ordered = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [dict(one._mapping) for one in await connection.execute(ordered)]
    for key in found["otp_key"]:
        key["version"] = 1 if key["version"] < 0 else key["version"]
        key["nonce"] = key["nonce"].strip("-")
    for kept in found["kept_counter"]:
        kept["import_number"] = 0
    return found


async def moved(source: SqliteKeeper, url: str) -> PostgresKeeper:
    await source.close()
    await move(source.path, url, lambda _: None, cause=CAUSE)
    target = PostgresKeeper(url, POLICY)
    await target.open()
    return target


async def test_every_table_goes_along(source: SqliteKeeper, postgres_url: str) -> None:
    before = await rows(source)
    assert not [name for name, content in before.items() if not content]
    target = await moved(source, postgres_url)
    after = await rows(target)
    await target.close()
    *entries, last = after.pop("journal")
    assert entries == before.pop("journal")
    assert last["action"] == "store.move"
    for ends in (before, after):
        del ends["journal_head"]
    assert after == before


async def test_a_fenced_store_is_fenced_where_it_went(
    source: SqliteKeeper, postgres_url: str
) -> None:
    target = await moved(source, postgres_url)
    store = await target.open()
    assert await store.standing_fence() == FENCE
    assert await store.journal_nodes() == {"machine-0": Place(5)}
    assert await store.kept_backups() == [{"machine-0": Place(5)}]
    watch = FenceWatch(store, target.clock)
    await watch.start()
    with pytest.raises(FencedError):
        await FencedHotStore(store, watch).spend_and_advance([otp(1, 9, 9)])
    await target.close()


async def test_numbers_go_on_where_they_were(source: SqliteKeeper, postgres_url: str) -> None:
    target = await moved(source, postgres_url)
    store = await target.open()
    assert await store.reserve_client_id() == 42
    assert (await store.add_customer(TERMS, act=ACT)).customer_id == 2
    await target.append_facts([a_fact(2)])
    facts = await store.unread_facts("job", 99)
    assert [fact.position for fact in facts] == list(range(1, len(facts) + 1))
    assert facts[-1].fact == a_fact(2)
    assert await decide(store, otp(1, 5, 1, nonce="another-nonce-xx", client_version=2)) == [
        Kind.REPLAYED_OTP
    ]
    assert await decide(store, otp(1, 5, 2, client_version=2)) == [Kind.OK]
    await target.close()
