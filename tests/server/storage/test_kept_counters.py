"""Counters of keys that nobody has: kept as part of an import, and never passed by their key."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from server.counter_journal.records import Accepted
from server.moving.desk import MovingDesk
from server.moving.ports import AbandonedError, ConflictError, File
from server.otp.ports import Kind
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.acts import ACT, CAUSE
from tests.server.moving_bench import bench
from tests.server.moving_files import ReferenceClient, ReferenceKey, counter_file, key_file
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY, a_client, decide, new_key, otp
from tests.server.storage.keepers import Store
from tests.server.storage.test_moving import VAULT, counters_of, move_in

TOO_MANY_AT_ONCE = 5_000
"""More counters than one transaction raises, on either engine."""


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> MovingDesk:
    return MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))


async def _nobody_asks(_: int) -> None:
    pass


@pytest.mark.parametrize("stop_at", [1, 2])
async def test_an_import_that_is_given_up_leaves_kept_counters_alone(
    store: Store, desk: MovingDesk, stop_at: int
) -> None:
    kept, known = ReferenceKey(session=9, use=9), ReferenceKey()
    await move_in(desk, keys=key_file([known]), counters=counter_file([kept]))
    before = await store.kept_out(None, 10)
    kept.session = 11

    async def give_up(done: int) -> None:
        if done >= stop_at:
            raise AbandonedError

    async with desk.importing() as importing:
        text = kept.counter_line(active=0) + known.counter_line()
        await importing.read(File.COUNTERS, text.encode())
        await importing.check()
        with pytest.raises(AbandonedError):
            await importing.activate(give_up, cause=CAUSE)
    assert await store.kept_out(None, 10) == before


async def test_many_kept_counters_become_the_maximum_and_switch_off_at_the_end(
    store: Store, desk: MovingDesk
) -> None:
    keys = [ReferenceKey(session=9, use=9) for _ in range(TOO_MANY_AT_ONCE)]
    await move_in(desk, counters=counter_file(keys))
    for key in keys:
        key.session = 11
    await move_in(desk, counters="".join(key.counter_line(active=0) for key in keys))
    kept = await store.kept_out(None, 10_000)
    assert {(each.session, each.active) for each in kept} == {(11, False)}
    assert len(kept) == TOO_MANY_AT_ONCE
    await move_in(desk, keys=key_file(keys[:1]))
    assert await counters_of(store, keys[0]) == (11, 9)


async def test_a_key_that_comes_between_check_and_end_does_not_pass_its_counters(
    store: Store, desk: MovingDesk
) -> None:
    key = ReferenceKey(session=9, use=9)
    async with desk.importing() as importing:
        await importing.read(File.COUNTERS, counter_file([key]).encode())
        await importing.check()
        await store.add_keys([new_key(key.public_id)], act=ACT)
        with pytest.raises(ConflictError):
            await importing.activate(_nobody_asks, cause=CAUSE)
    assert await store.kept_counters([key.public_id]) == {}
    await move_in(desk, counters=counter_file([key]))
    assert await counters_of(store, key) == (9, 9)


@pytest.mark.parametrize("by_import", [True, False])
async def test_what_a_counter_journal_says_of_keys_that_are_gone_waits_for_them(
    store: Store, desk: MovingDesk, *, by_import: bool
) -> None:
    """A backup is older than an import: the keys come again, and with them no used OTP."""
    key = ReferenceKey(session=5, use=0)
    for counted in ((7, 2), (8, 1), (8, 0)):
        told = await store.raise_counters([Accepted(key.public_id, *counted, 1, 1_000_000)])
        assert told == (0, frozenset({key.public_id}))
    if by_import:
        await move_in(desk, keys=key_file([key]), counters=counter_file([key]))
    else:
        await store.add_keys([new_key(key.public_id)], act=ACT)
    client = await a_client(store)
    used, fresh = (otp(client, 8, use, public_id=key.public_id) for use in (1, 2))
    assert await decide(store, used) == [Kind.REPLAYED_OTP]
    assert await decide(store, fresh) == [Kind.OK]


async def test_a_replay_beside_an_import_reaches_the_keys_that_it_brings(
    store: Store, desk: MovingDesk
) -> None:
    keys = [ReferenceKey() for _ in range(1_100)]
    replays: list[asyncio.Task[object]] = []

    async def replay(done: int) -> None:
        if done and not replays:
            accepted = [Accepted(key.public_id, 9, 9, 1, 1_000_000) for key in keys]
            replays.append(asyncio.create_task(store.raise_counters(accepted)))
            await asyncio.sleep(0.01)

    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.read(File.COUNTERS, counter_file(keys).encode())
        await importing.check()
        await importing.activate(replay, cause=CAUSE)
    await asyncio.gather(*replays)
    counters = await store.counters_out(None, 10_000)
    assert {(each.session, each.use) for each in counters} == {(9, 9)}


@pytest.fixture
async def small_log(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Return an embedded store that checkpoints after a few hundred pages."""
    made = await open_sqlite(
        tmp_path / "small.db",
        clock=StillClock(),
        default_policy=POLICY,
        create=True,
        checkpoint_pages=400,
    )
    yield made
    await made.close()


async def test_the_end_of_an_import_is_moved_out_of_the_log(
    small_log: SqliteStore, tmp_path: Path
) -> None:
    """It may write thousands of pages at once, on another connection than all the rest."""
    desk = MovingDesk(small_log, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    keys = [ReferenceKey() for _ in range(1_500)]
    await move_in(desk, keys=key_file(keys))
    await small_log._checkpoints.finished()
    await move_in(desk, counters=counter_file(keys), clients=ReferenceClient.new(5).line)
    await small_log._checkpoints.finished()
    with closing(sqlite3.connect(f"file:{tmp_path}/small.db?immutable=1", uri=True)) as file:
        # Without a look at the log.
        moved = file.execute("SELECT count(*) FROM otp_key WHERE session = 7").fetchone()
    assert moved == (len(keys),)
