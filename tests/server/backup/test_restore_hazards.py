"""Accidents and attacks around a restore: who goes on, who comes twice, whose archive it is."""

import asyncio
import io
import json
import tarfile
from pathlib import Path

import pyrage  # type: ignore[import-untyped] # the library ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.backup.archive import writing
from server.backup.manifest import COUNTS, FILES, HEAD, ROWS
from server.backup.recipients import BackupError, recipients
from server.backup.restore import load, verify
from server.counter_journal.ports import Place
from server.datadir import DataDirectory
from server.otp.ports import Kind, StoreUnavailableError
from server.programs.exits import CommandError
from server.programs.restore import restore_backup
from server.storage.postgres.store import PostgresStore
from server.storage.refusals import SchemaRefusedError
from tests.postgres_server import PostgresServer
from tests.server.acts import CAUSE
from tests.server.backup.test_backup import KEY, Readers, backed_up, filled, opened
from tests.server.storage.entries import a_client, decide, otp

pytestmark = pytest.mark.usefixtures("loggers_as_before")

HEADING = {
    "format": 1,
    "id": "b",
    "made": "then",
    "keystead": "1",
    "engine": "sqlite",
    "revision": "0001",
    "store": "s",
    "sealing_key": "",
    "nodes": {"machine-0": 1},
    "tables": {"meta": [["name", False], ["value", False]]},
}


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    return Readers(tmp_path)


@pytest.fixture(scope="module")
def readers_of_many(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    return Readers(tmp_path_factory.mktemp("readers"))


def wipe(server: PostgresServer, url: str, *, connections: bool) -> None:
    """Make a database empty, as its administrator does after an accident."""
    name = url.rpartition("/")[2].partition("?")[0]
    if connections:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # noqa: S608 - ours
        server.execute(ends, database=name)
    server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=name)


async def test_nobody_goes_on_in_a_database_that_was_restored_meanwhile(
    postgres_server: PostgresServer, readers: Readers, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    await filled(url)
    store = await opened(url)
    assert isinstance(store, PostgresStore)
    client = await a_client(store)
    await backed_up(url, tmp_path / "b", readers)
    backup = verify(tmp_path / "b", readers.identities)
    assert await decide(store, otp(client, 5, 5)) == [Kind.OK]
    await asyncio.to_thread(wipe, postgres_server, url, connections=False)
    with pytest.raises(SchemaRefusedError, match="Stop every service"):
        await load(backup, url, cause=CAUSE)
    await asyncio.to_thread(wipe, postgres_server, url, connections=True)
    await load(backup, url, cause=CAUSE)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):  # and no second OK, though it saw no fence
            await decide(store, otp(client, 5, 5, nonce="another"))
        await asyncio.sleep(0.2)
    await store.close()


async def test_a_restored_store_knows_the_backup_that_it_came_from(
    readers: Readers, tmp_path: Path
) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    await load(verify(tmp_path / "b", readers.identities), tmp_path / "t.db", cause=CAUSE)
    store = await opened(tmp_path / "t.db")
    assert await store.kept_backups() == [{"machine-0": Place(5)}]
    await store.close()


async def test_a_restore_that_comes_second_leaves_the_first_alone(
    readers: Readers, tmp_path: Path
) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    backup = verify(tmp_path / "b", readers.identities)
    key = tmp_path / "sealing.key"
    key.write_text(KEY.format())
    key.chmod(0o600)
    data = DataDirectory(tmp_path / "data")
    done = await asyncio.to_thread(restore_backup, backup, data, None, key, [])
    assert (done["fenced"], done["undone_since"]) == (True, backup.head.made)
    before = {path: path.stat().st_mtime_ns for path in data.root.rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
    with pytest.raises(CommandError, match="not empty any more"):
        await asyncio.to_thread(restore_backup, backup, data, None, key, [])
    before.pop(data.lock_file)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(data.root.glob("*.partial*"))


async def test_two_backups_to_one_name_do_not_mix(readers: Readers, tmp_path: Path) -> None:
    await filled(tmp_path / "source.db")
    both = (backed_up(tmp_path / "source.db", tmp_path / "b", readers) for _ in range(2))
    await asyncio.gather(*both, return_exceptions=True)
    verify(tmp_path / "b", readers.identities)
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]  # noqa: ASYNC240 - tiny


def archive(file: Path, readers: Readers, *members: tuple[str, bytes]) -> Path:
    """Encrypt an archive as anybody can who knows a recipient."""
    file.unlink(missing_ok=True)
    with writing(file, recipients([readers.recipient])) as made:
        for name, content in members:
            made.add(name, content)
    return file


@pytest.mark.parametrize(
    "name",
    [
        "keystead.db",
        "node",
        "lock",
        "../evil",
        "/etc/evil",
        "secrets/../evil",
        "secrets/..",
        "secrets",
        "secrets/a/b",
        "secrets/\0",
        "",
    ],
)
def test_only_files_that_a_backup_holds_are_restored(
    readers: Readers, tmp_path: Path, name: str
) -> None:
    members = ((HEAD, json.dumps(HEADING).encode()), (FILES + name, b"evil"))
    with pytest.raises(BackupError):
        verify(archive(tmp_path / "b", readers, *members), readers.identities)


def test_a_file_in_a_backup_is_small(readers: Readers, tmp_path: Path) -> None:
    members = ((HEAD, json.dumps(HEADING).encode()), (FILES + "keystead.toml", bytes(2 << 20)))
    with pytest.raises(BackupError, match="belongs nowhere"):
        verify(archive(tmp_path / "b", readers, *members), readers.identities)


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": []},
        {"nodes": {"machine-0": "1"}},
        {"nodes": {"machine-0": -1}},
        {"nodes": None},
        {"made": 7},
        {"revision": None},
        {"tables": {"meta": [["name", []]]}},
        {"tables": {"meta": [[["name"], True]]}},
        {"tables": []},
        {"more": 1},
        {"format": 2},
    ],
)
def test_a_head_of_another_form_is_refused(
    readers: Readers, tmp_path: Path, change: dict[str, object]
) -> None:
    head = (HEAD, json.dumps({**HEADING, **change}).encode())
    counts = (COUNTS, b'{"tables": {"meta": [0, "0"]}}')
    archive(tmp_path / "b", readers, (HEAD, json.dumps(HEADING).encode()), counts)
    verify(tmp_path / "b", readers.identities)  # a good one is good
    if change == {"tables": {"meta": [["name", []]]}}:
        counts = (COUNTS, b"{}")  # only of another form than the database's
    with pytest.raises(BackupError):
        verify(archive(tmp_path / "b", readers, head, counts), readers.identities)


@pytest.mark.parametrize(
    "member", [HEAD, COUNTS, ROWS + "meta/1", "rows", "a/b/c/d", ROWS + "no/1"]
)
@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"null", b"{}", b""])
async def test_nonsense_in_a_member_is_refused(
    readers: Readers, tmp_path: Path, member: str, content: bytes
) -> None:
    members = [(member, content)]
    if member != HEAD:
        members = [(HEAD, json.dumps(HEADING).encode()), *members]
    file = archive(tmp_path / "b", readers, *members)
    with pytest.raises((BackupError, SchemaRefusedError, StoreUnavailableError)):
        await load(verify(file, readers.identities), tmp_path / "t.db", cause=CAUSE)


def encrypted(file: Path, readers: Readers, octets: bytes) -> Path:
    with file.open("wb") as out:
        pyrage.encrypt_io(io.BytesIO(octets), out, recipients([readers.recipient]))
    return file


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_tar_makes_it_stumble(
    readers_of_many: Readers, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in (HEAD, "ü" * 200):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
    octets = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, 4_000))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("tar") / "b"
    with pytest.raises(BackupError):
        verify(encrypted(file, readers_of_many, bytes(octets)), readers_of_many.identities)


def test_a_member_that_says_it_is_huge_is_not_read(
    readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.backup.archive.MAX_MEMBER", 1 << 20)
    monkeypatch.setattr("server.backup.archive._MOST_AT_ONCE", 2 << 20)
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        entry = tarfile.TarInfo("huge")
        entry.size, entry.type = 8 << 30, kind
        octets = entry.tobuf() + bytes(16 << 20)
        with pytest.raises(BackupError):
            verify(encrypted(tmp_path / "b", readers, octets), readers.identities)
