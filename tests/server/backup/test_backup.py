"""A backup holds all of a store, and one that was cut short or altered is refused as such."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pyrage  # type: ignore[import-untyped] # the library ships no types
import pytest

from hsm.keyfile import SealingKey
from hsm.provisioning.release_states import ReleaseState
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, Vault
from server.accounts.access import Role
from server.backup.archive import read_archive, writing
from server.backup.drill import OpenVault, drill
from server.backup.make import Made, make_backup
from server.backup.recipients import (
    BackupError,
    create_identity,
    load_identities,
    recipients,
)
from server.backup.restore import load, verify
from server.counter_journal.fence import Fence
from server.counter_journal.ports import Place
from server.moving.desk import MovingDesk
from server.moving.ports import AbandonedError, File
from server.otp.client_cache import api_key_label
from server.otp.ports import Kind, NewKey
from server.storage.identity import bind_sealing_key, store_epoch, store_id
from server.storage.postgres.store import PostgresStore, open_postgres
from server.storage.refusals import SchemaRefusedError
from server.storage.snapshot import Tally, snapshot
from server.storage.sqlite.store import SqliteStore, open_sqlite
from server.usage.kinds import KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.acts import ACT, CAUSE
from tests.server.moving_bench import bench
from tests.server.moving_files import ReferenceClient, ReferenceKey, key_file
from tests.server.still_clock import StillClock
from tests.server.storage.entries import OTHER, POLICY, TOKEN, decide, new_key, otp
from tests.server.storage.test_minting_book import new as new_minted
from tests.server.storage.test_moving import move_in
from tests.server.storage.test_operator_book import DIGEST, LATER_US

CHANGED = ("meta", "otp_key", "journal", "journal_head", "operator_token")
"""By a restore: the fence; versions of an import's (schema.py); its own entry; tokens end."""

KEY = SealingKey.of(bytes(range(32)))


def opened_by(key: SealingKey) -> OpenVault:
    async def open_vault(_: AsyncExitStack) -> Vault:
        return SealedVault(Rings.single(key), opened=1)

    return open_vault


MANY = [f"eeeeeeee{number:04d}" for number in range(2_100)]


class Readers:
    """An identity and its recipient."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "identity"
        self.recipient = create_identity(self.file)
        self.identities = load_identities(self.file)


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    return Readers(tmp_path)


async def filled(database: Path | str) -> None:
    """Fill a store with a client, keys with sealed records, and counters."""
    store = await opened(database)
    await bind_sealing_key(store, KEY.key_id, "the key", cause=CAUSE)
    await store_id(store)
    await store_epoch(store)
    vault = SealedVault(Rings.single(KEY))
    client = await store.reserve_client_id()
    sealed = await vault.seal_secret(api_key_label(client, 1), b"secret" * 4)
    await store.add_client(
        client, "Müller & Söhne", sealed, signed_only=False, phishing_test=True, act=ACT
    )
    secrets = OtpKeySecrets(bytes(16), bytes(6))
    keys = [
        NewKey(one, 1, await vault.seal_otp_key(OtpKeyBinding(one, 1), secrets), "7")
        for one in (TOKEN, *(one.translate(_MODHEX) for one in MANY))
    ]
    await store.add_keys(keys, act=ACT)
    assert await decide(store, otp(client, 4, 2)) == [Kind.OK]
    await store.add_operator("ann", Role.ADMIN, None, digest=DIGEST, expires_us=LATER_US, act=ACT)
    await store.note_journal_node("machine-0", Place(5))
    counts = tuple(range(len(KINDS)))
    await store.add_usage(Parcel("one", 1, (MinuteRow(29_000_000, client, counts),)))
    await store.close()


_MODHEX = str.maketrans("0123456789", "cbdefghijk")


async def opened(database: Path | str) -> SqliteStore | PostgresStore:
    if isinstance(database, Path):
        return await open_sqlite(database, clock=StillClock(), default_policy=POLICY, create=True)
    return await open_postgres(database, default_policy=POLICY, create=True)


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return an empty database of each engine."""
    if request.param == "sqlite":
        return tmp_path / "source.db"
    url: str = request.getfixturevalue("postgres_server").new_database()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return another empty database of each engine."""
    if request.param == "sqlite":
        return tmp_path / "target.db"
    url: str = request.getfixturevalue("postgres_server").new_database()
    return url


async def backed_up(database: Path | str, file: Path, readers: Readers) -> Made:
    return await make_backup(
        database, file, to=[readers.recipient], files={"keystead.toml": b"# hi"}, version="1"
    )


async def tallies(database: Path | str) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    async with snapshot(database) as read:
        found = dict.fromkeys(read.forms, Tally())
        async for part in read.parts():
            found[part.table] = found[part.table].add(part.lines)
    return found


async def test_no_token_is_good_after_a_restore(
    source: Path | str, target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    await filled(source)
    await backed_up(source, tmp_path / "b", readers)
    await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE)
    store = await opened(source)
    assert await store.token_record(1) is not None
    await store.close()
    store = await opened(target)
    assert await store.token_record(1) is None
    operator = await store.operator_details("ann")
    assert operator is not None
    assert (operator.active, operator.tokens) == (True, ())
    await store.close()


async def test_s22_no_release_is_handed_out_after_a_restore(
    source: Path | str, target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    store = await opened(source)
    await store_id(store)
    await store_epoch(store)
    offered = await store.add_minted(*new_minted(OTHER), act=ACT)
    await store.close()
    await backed_up(source, tmp_path / "b", readers)
    await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE)
    store = await opened(target)
    kept = await store.minted_key(OTHER)
    await store.close()
    assert kept is not None
    assert offered.kept.state is ReleaseState.OFFERED
    assert (kept.kept.state, kept.kept.message) == (ReleaseState.WITHDRAWN, b"")
    assert kept.state is offered.state


async def test_a_restored_store_holds_every_row_and_is_fenced(
    source: Path | str, target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    await filled(source)
    made = await backed_up(source, tmp_path / "b", readers)
    assert (made.keys, made.clients, made.nodes) == (2_101, 1, {"machine-0": 5})
    backup = verify(tmp_path / "b", readers.identities)
    assert backup.files == {"keystead.toml": b"# hi"}
    assert backup.tallies == await tallies(source)
    fence = await load(backup, target, cause=CAUSE, compare=True)
    assert fence.nodes == {"machine-0": 5}
    before, after = await tallies(source), await tallies(target)
    for changed in CHANGED:
        before.pop(changed)
        after.pop(changed)
    assert after == before
    store = await opened(target)
    try:
        standing = await store.standing_fence()
        assert standing is not None
        assert Fence.decode(standing) == fence
        assert await store_epoch(store) == fence.epoch
        details = await store.key_details(TOKEN)
        assert details is not None
        assert (details.session, details.use, details.version) == (4, 2, 1)
        assert len(await store.list_keys(None, 5_000)) == 2_101
    finally:
        await store.close()


async def test_a_backup_of_a_fenced_store_still_asks_for_the_first_journals(
    readers: Readers, tmp_path: Path
) -> None:
    await filled(tmp_path / "a.db")
    await backed_up(tmp_path / "a.db", tmp_path / "1", readers)
    await load(verify(tmp_path / "1", readers.identities), tmp_path / "b.db", cause=CAUSE)
    store = await opened(tmp_path / "b.db")
    await store.note_journal_node("machine-0", Place(9))
    await store.note_journal_node("machine-9", Place(1))
    await store.close()
    made = await backed_up(tmp_path / "b.db", tmp_path / "2", readers)
    assert made.nodes == {"machine-0": 5, "machine-9": 1}


async def test_rows_of_an_import_that_was_under_way_are_not_restored(
    readers: Readers, tmp_path: Path, target: Path | str
) -> None:
    path = tmp_path / "source.db"
    await filled(path)
    store = await opened(path)
    keys = [ReferenceKey() for _ in range(300)]
    await import_half(store, tmp_path, keys=key_file(keys), counters=ReferenceKey().counter_line())
    await store.close()
    async with snapshot(path) as read:
        assert "unfinished-key-import" in await read.meta()
    assert (await tallies(path))["kept_counter"].rows == 1, "it is in the backup"
    await backed_up(path, tmp_path / "b", readers)
    await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE)
    restored = await tallies(target)
    assert restored["otp_key"].rows == restored["otp_key_record"].rows == 2_101
    assert restored["kept_counter"].rows == 0


async def import_half(store: SqliteStore | PostgresStore, directory: Path, **files: str) -> None:
    """Import up to the very last step, at which the process ends."""
    vault = SealedVault(Rings.single(KEY))
    desk = MovingDesk(store, vault, partial(bench, vault, directory / "imports"))

    async def nothing(*_: object, **__: object) -> None:
        pass

    async def end(done: int) -> None:
        if done == importing.rows:
            raise AbandonedError

    async with desk.importing() as importing:
        for name, text in files.items():
            await importing.read(File(name), text.encode())
        await importing.check()
        with pytest.MonkeyPatch.context() as patch:
            # A process that ended cleans nothing up.
            patch.setattr("server.storage.sqlite.key_import.KeyImport.clean_up", nothing)
            with pytest.raises(AbandonedError):
                await importing.activate(end, cause=CAUSE)


async def test_what_an_import_brought_is_restored_on_either_engine(
    source: Path | str, target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    """Counters that wait for their key, e-mail addresses and notes, and the journal's entry."""
    store = await opened(source)
    await bind_sealing_key(store, KEY.key_id, "the key", cause=CAUSE)
    waiting, client = ReferenceKey(session=9, use=8), ReferenceClient.new(41)
    vault = SealedVault(Rings.single(KEY))
    desk = MovingDesk(store, vault, partial(bench, vault, tmp_path / "imports"))
    await move_in(
        desk,
        counters=waiting.counter_line(active=0),
        clients=client._replace(notes="web shop").line,
    )
    await store.close()
    await backed_up(source, tmp_path / "b", readers)
    await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE, compare=True)
    restored = await opened(target)
    try:
        (moved,) = await restored.clients_out(0, 10)
        assert (moved.email, moved.notes) == (client.email, "web shop")
        assert (await restored.journal_entries(0, 10))[1].deed.act.action == "import"
        await restored.add_keys([new_key(waiting.public_id)], act=ACT)
        details = await restored.key_details(waiting.public_id)
        assert details is not None
        assert (details.session, details.use, details.active) == (9, 8, False)
    finally:
        await restored.close()


async def test_a_restore_overwrites_nothing(
    target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    await filled(target)
    before = await tallies(target)
    with pytest.raises(SchemaRefusedError, match="not empty"):
        await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE)
    assert await tallies(target) == before
    with pytest.raises(BackupError, match="exists already"):
        await backed_up(tmp_path / "source.db", tmp_path / "b", readers)


async def test_a_backup_cut_short_anywhere_is_refused(readers: Readers, tmp_path: Path) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    whole = (tmp_path / "b").read_bytes()
    for length in (0, 50, 200, 65_000, len(whole) // 2, len(whole) - 4_000, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(BackupError, match="cut short"):
            verify(tmp_path / "cut", readers.identities)


async def test_a_backup_altered_anywhere_is_refused(readers: Readers, tmp_path: Path) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    whole = (tmp_path / "b").read_bytes()
    for at in (0, 30, 150, 300, len(whole) // 2, len(whole) - 1):
        altered = bytearray(whole)
        altered[at] ^= 1
        (tmp_path / "altered").write_bytes(altered)
        with pytest.raises(BackupError):
            verify(tmp_path / "altered", readers.identities)
    (tmp_path / "longer").write_bytes(whole + b"more")
    with pytest.raises(BackupError):
        verify(tmp_path / "longer", readers.identities)


async def test_another_identity_does_not_open_a_backup(readers: Readers, tmp_path: Path) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    (tmp_path / "other").mkdir()
    with pytest.raises(BackupError, match="another recipient"):
        verify(tmp_path / "b", Readers(tmp_path / "other").identities)


def test_an_archive_whose_members_are_not_those_it_lists_is_refused(
    readers: Readers, tmp_path: Path
) -> None:
    with writing(tmp_path / "b", recipients([readers.recipient])) as archive:
        archive.add("one", b"1")
        archive._put("two", b"2")  # the list does not know it
    with pytest.raises(BackupError, match="list"):
        list(read_archive(tmp_path / "b", readers.identities))


async def test_a_full_disk_leaves_nothing_behind(
    readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(tmp_path / "source.db")

    class Full:
        def write(self, _octets: bytes) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

    encrypt = pyrage.encrypt_io
    monkeypatch.setattr(pyrage, "encrypt_io", lambda read, _out, to: encrypt(read, Full(), to))
    with pytest.raises(BackupError, match="No space left"):
        await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("b")]  # noqa: ASYNC240 - as above


async def test_a_drill_opens_every_record_and_is_refused_an_ok(
    source: Path | str, readers: Readers, tmp_path: Path
) -> None:
    await filled(source)
    await backed_up(source, tmp_path / "b", readers)
    backup = verify(tmp_path / "b", readers.identities)
    (tmp_path / "scratch").mkdir()
    found = await drill(backup, tmp_path / "scratch", opened_by(KEY), journals=[])
    assert (found.opened, found.fenced) == (2_102, True)
    (tmp_path / "again").mkdir()
    other = opened_by(SealingKey.of(bytes(32)))
    with pytest.raises(BackupError, match="does not open"):
        await drill(backup, tmp_path / "again", other, journals=[])


async def test_a_backup_of_a_schema_that_is_not_known_is_refused(
    readers: Readers, tmp_path: Path
) -> None:
    await filled(tmp_path / "source.db")
    await backed_up(tmp_path / "source.db", tmp_path / "b", readers)
    backup = verify(tmp_path / "b", readers.identities)
    newer = backup._replace(head=backup.head._replace(revision="9999"))
    with pytest.raises(SchemaRefusedError, match="newer Keystead"):
        await load(newer, tmp_path / "target.db", cause=CAUSE)


def test_an_identity_is_private_and_never_replaced(readers: Readers) -> None:
    assert readers.file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="exists already"):
        create_identity(readers.file)
    readers.file.chmod(0o644)
    with pytest.raises(BackupError, match="chmod 600"):
        load_identities(readers.file)
    readers.file.chmod(0o600)
    readers.file.write_text("# nothing\nAGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(BackupError, match="no age identity") as refused:
        load_identities(readers.file)
    assert "NONSENSE" not in str(refused.value)
    with pytest.raises(BackupError, match="not an age recipient"):
        recipients(["age1nonsense"])
