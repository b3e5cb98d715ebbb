"""No OK without its entry in the journal, and no decision while the fence stands."""

import errno
import os
from pathlib import Path

import pytest

from server.counter_journal.fence import Fence
from server.counter_journal.hot_stores import (
    FencedHotStore,
    FenceWatch,
    JournalingHotStore,
    pruned_before,
)
from server.counter_journal.ports import Place
from server.counter_journal.segments import segments
from server.journal.acts import Deed, Subject
from server.otp.ports import FencedError, Kind, StoreUnavailableError, UnknownOutcomeError
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.acts import ACT
from tests.server.counter_journal.nodes import NODE, fence, node
from tests.server.counter_journal.test_journal import uses
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY, TOKEN, a_client, bad_otp, kinds, otp, the_keys
from tests.server.storage.keepers import SqliteKeeper


async def opened(directory: Path) -> SqliteStore:
    return await open_sqlite(
        directory / "keystead.db", clock=StillClock(), default_policy=POLICY, create=True
    )


async def test_only_what_was_accepted_is_journaled(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    client = await a_client(store)
    await the_keys(store)
    async with node(tmp_path / "j") as journal:
        hot = JournalingHotStore(store, journal, node=NODE, book=store)
        for batch, kind in (
            ([otp(client, 1, 5)], Kind.OK),
            ([otp(client, 1, 5, nonce="another")], Kind.REPLAYED_OTP),
            ([bad_otp(client)], Kind.CHARGED),
            ([otp(client, 1, 6)], Kind.OK),
        ):
            assert kinds(await hot.spend_and_advance(batch)) == [kind]
        await hot.close()
    assert uses(tmp_path / "j") == [5, 6]
    await store.close()


async def test_what_cannot_be_journaled_is_no_ok_and_then_nothing_is_consumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _octets: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = await opened(tmp_path)
    client = await a_client(store)
    await the_keys(store)
    async with node(tmp_path / "j") as journal:
        hot = JournalingHotStore(store, journal, node=NODE, book=store)
        monkeypatch.setattr("server.counter_journal.segment_writer.os.write", full)
        with pytest.raises(UnknownOutcomeError):
            await hot.spend_and_advance([otp(client, 1, 1)])
        with pytest.raises(StoreUnavailableError):
            await hot.spend_and_advance([otp(client, 1, 2)])
        details = await store.key_details(TOKEN)
        assert details is not None
        assert (details.session, details.use) == (1, 1)
        monkeypatch.undo()
        journal._retry_at = 0
        assert kinds(await hot.spend_and_advance([otp(client, 1, 2)])) == [Kind.OK]
    assert uses(tmp_path / "j") == [2]
    await store.close()


async def test_a_large_segment_is_rotated_and_the_store_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.counter_journal.journal.SEGMENT_OCTETS", 300)
    store = await opened(tmp_path)
    client = await a_client(store)
    await the_keys(store)
    async with node(tmp_path / "j") as journal:
        await store.note_journal_node(NODE, Place(1))
        hot = JournalingHotStore(store, journal, node=NODE, book=store)
        for use in range(1, 6):
            await hot.spend_and_advance([otp(client, 1, use)])
            await hot.close()
        assert len(segments(tmp_path / "j")) > 1
        newest = segments(tmp_path / "j")[-1]
        assert (await store.journal_nodes())[NODE] == Place(newest.header.first)
        assert newest.header.peers == (NODE,)
    assert uses(tmp_path / "j") == [1, 2, 3, 4, 5]
    await store.close()


@pytest.mark.parametrize(
    ("kept", "before"),
    [
        ([], None),
        ([{NODE: Place(5)}], None),
        ([{NODE: Place(5)}, {NODE: Place(9)}], 5),
        ([{}, {NODE: Place(9)}], None),
        ([{NODE: Place(None)}, {NODE: Place(9)}], None),
    ],
)
def test_only_what_the_kept_backups_have_may_go(
    kept: list[dict[str, Place]], before: int | None
) -> None:
    assert pruned_before(kept, NODE) == before


async def test_a_fence_refuses_everything_until_it_falls(tmp_path: Path) -> None:
    keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await keeper.open()
    client = await a_client(store)
    await the_keys(store)
    text = fence(machine_0=1).encode()
    await keeper.install_meta("fence", text)
    clock = StillClock()
    watch = FenceWatch(store, clock)
    await watch.start()
    hot = FencedHotStore(store, watch)
    for entry in (otp(client, 1, 1), bad_otp(client)):
        with pytest.raises(FencedError, match="fenced"):
            await hot.spend_and_advance([entry])
    await store.lift_fence({}, Deed(ACT, Subject("fence", ""), None, None))
    with pytest.raises(FencedError):  # looked a moment ago
        await hot.spend_and_advance([otp(client, 1, 1)])
    clock.pass_by(1)
    assert kinds(await hot.spend_and_advance([otp(client, 1, 1)])) == [Kind.OK]
    assert not watch.stands
    await keeper.close()


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"format": 99}', "[]", "null"])
def test_a_fence_that_cannot_be_read_is_a_fence(text: str) -> None:
    assert Fence.decode(text).problems
