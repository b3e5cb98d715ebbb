"""The embedded store's file: who may read it, what it is refused for, what survives a restart."""

from pathlib import Path

import pytest

from server.clock import SystemClock
from server.otp.ports import Kind, StoreUnavailableError
from server.storage.refusals import SchemaRefusedError, UnsafeDatabaseError
from server.storage.sqlite.connection import check_sqlite_version
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.storage.entries import POLICY, TOKEN, a_client, decide, otp, the_keys


async def opened(path: Path, *, create: bool = True) -> SqliteStore:
    return await open_sqlite(path, clock=SystemClock(), default_policy=POLICY, create=create)


def modes_in(directory: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    store = await opened(path)
    await a_client(store)
    modes = modes_in(tmp_path)
    assert set(modes) >= {"keystead.db", "keystead.db-wal"}
    assert set(modes.values()) == {0o600}
    await store.close()


async def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    await (await opened(path)).close()
    path.chmod(0o644)
    store = await opened(path)
    assert path.stat().st_mode & 0o777 == 0o600
    await store.close()


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    store = await opened(path)
    client = await a_client(store)
    await the_keys(store)
    assert await decide(store, otp(client, 1, 1)) == [Kind.OK]
    await store.close()
    assert list(modes_in(tmp_path)) == ["keystead.db"], "the log is emptied"
    store = await opened(path, create=False)
    assert await decide(store, otp(client, 1, 1)) == [Kind.REPLAYED_REQUEST]
    assert await store.reserve_client_id() == client + 1
    await store.close()


async def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    with pytest.raises(SchemaRefusedError, match="keystead init"):
        await opened(path, create=False)
    assert not path.exists()


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="missing"):
        await opened(tmp_path / "missing" / "keystead.db")


async def test_a_file_that_vanished_never_becomes_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    store = await opened(path)
    await the_keys(store)
    await store.close()
    path.rename(tmp_path / "elsewhere")
    store = SqliteStore(
        path, clock=SystemClock(), default_policy=POLICY, cache_mib=1, checkpoint_pages=100
    )
    with pytest.raises(StoreUnavailableError):
        await store.key(TOKEN)
    with pytest.raises(StoreUnavailableError):
        await decide(store, otp(1, 1, 1))
    with pytest.raises(StoreUnavailableError):
        await store.probe()
    await store.close()
    assert not path.exists()


async def test_a_closed_store_takes_nothing_more(tmp_path: Path) -> None:
    store = await opened(tmp_path / "keystead.db")
    await store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await decide(store, otp(1, 1, 1))


def test_a_sqlite_that_is_too_old_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsafeDatabaseError, match=r"SQLite 3\.37\.2.*3\.38\.0.*PostgreSQL"):
        check_sqlite_version((3, 37, 2))
    check_sqlite_version((3, 38, 0))
