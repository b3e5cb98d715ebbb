"""Nobody serves whom a restore of the newest backup would not miss."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.config import Config
from server.counter_journal.ports import Place
from server.datadir import DataDirectory
from server.journal.acts import Deed, Subject
from server.otp.ports import Kind
from server.safeguards import SafeguardError, guarded, installation, watch_fence
from server.settings.keeping import Backup
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.acts import ACT
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY, a_client, kinds, otp, the_keys

DEED = Deed(ACT, Subject("backup", "b"), None, None)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(
        tmp_path / "keystead.db", clock=StillClock(), default_policy=POLICY, create=True
    )
    yield store
    await store.close()


class Machine:
    """An installation that may serve from the store."""

    def __init__(self, root: Path) -> None:
        self.data = DataDirectory(root)
        self.data.create()

    async def serves(self, store: SqliteStore, journals: Path | None, use: int = 0) -> None:
        """Begin to serve and end; SafeguardError. use: accept this OTP meanwhile."""
        where = None if journals is None else str(journals)
        config = Config(backup=Backup(counter_journal=where))
        clock = StillClock()
        async with AsyncExitStack() as stack:
            watch = await watch_fence(store, clock)
            hot = await guarded(stack, config, self.data, store, clock, node="0", watch=watch)
            if use:
                client = await a_client(store)
                assert kinds(await hot.spend_and_advance([otp(client, 1, use)])) == [Kind.OK]


async def back_up(store: SqliteStore) -> None:
    """Note a backup as `keystead backup` does."""
    nodes = {node: place.first for node, place in (await store.journal_nodes()).items()}
    await store.note_backup({"id": "b", "made": "now", "nodes": nodes}, DEED)


async def test_a_machine_that_came_after_the_backup_serves_once_a_backup_knows_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    first, second = Machine(tmp_path / "1"), Machine(tmp_path / "2")
    await first.serves(store, tmp_path / "j1")
    await back_up(store)
    for _ in range(2):
        with pytest.raises(SafeguardError, match="keystead backup"):
            await second.serves(store, tmp_path / "j2")
    await first.serves(store, tmp_path / "j1")
    await back_up(store)
    await second.serves(store, tmp_path / "j2")


async def test_who_journals_beside_the_others_is_found_with_them(
    store: SqliteStore, tmp_path: Path
) -> None:
    await Machine(tmp_path / "1").serves(store, tmp_path / "j")
    await back_up(store)
    await Machine(tmp_path / "2").serves(store, tmp_path / "j")


async def test_before_the_first_backup_everybody_serves(store: SqliteStore, tmp_path: Path) -> None:
    await Machine(tmp_path / "1").serves(store, tmp_path / "j1")
    await Machine(tmp_path / "2").serves(store, tmp_path / "j2")
    await Machine(tmp_path / "3").serves(store, None)


async def test_a_journal_is_not_switched_off_behind_the_backups_back(
    store: SqliteStore, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "1")
    await machine.serves(store, tmp_path / "j")
    await back_up(store)
    with pytest.raises(SafeguardError, match="Set it as it was"):
        await machine.serves(store, None)
    await back_up(store)  # whose fence does not fall by itself
    await machine.serves(store, None)
    await Machine(tmp_path / "2").serves(store, tmp_path / "elsewhere")


async def test_a_journal_within_the_data_directory_is_refused(
    store: SqliteStore, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "1")
    (tmp_path / "link").symlink_to(machine.data.root)
    for inside in (machine.data.root, machine.data.root / "j", tmp_path / "link" / "j"):
        with pytest.raises(SafeguardError, match="within the data directory"):
            await machine.serves(store, inside)
    assert await store.journal_nodes() == {}


async def test_a_journal_that_was_lost_is_told_from_one_that_tells_all(
    store: SqliteStore, tmp_path: Path
) -> None:
    await the_keys(store)
    machine = Machine(tmp_path / "1")
    node = f"{installation(machine.data)}-0"
    await machine.serves(store, tmp_path / "j", use=1)
    await machine.serves(store, tmp_path / "j", use=2)
    assert await store.journal_nodes() == {node: Place(2)}
    await machine.serves(store, tmp_path / "empty")
    assert await store.journal_nodes() == {node: Place(3)}  # a gap, which a survey sees
