"""Imports into every store: all at once, counters to the maximum, nothing at all on a fault."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding
from server.journal.acts import Subject
from server.moving.desk import ImportUnderWayError, MovingDesk, RotatingError
from server.moving.imports import RefusedError
from server.moving.ports import AbandonedError, ConflictError, File
from server.moving.report import Report
from server.otp.ports import Kind
from server.storage.sqlite import key_import
from tests.server.acts import ACT, CAUSE
from tests.server.moving_bench import bench
from tests.server.moving_files import (
    ReferenceClient,
    ReferenceKey,
    client_file,
    counter_file,
    key_file,
)
from tests.server.storage.entries import POLICY, a_client, decide, new_key, otp
from tests.server.storage.keepers import Keeper, PostgresKeeper, SqliteKeeper, Store

MANY = 1_100
"""More keys than one transaction of the embedded store takes."""

VAULT = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))


async def _nobody_asks(_: int) -> None:
    pass


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> MovingDesk:
    return MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))


async def move_in(desk: MovingDesk, dry_run: bool = False, **files: str) -> Report:  # noqa: FBT001, FBT002 - the rest are files
    """Import files by name: keys=, clients=, counters=."""
    async with desk.importing() as importing:
        for name, text in files.items():
            await importing.read(File(name), text.encode())
        report = await importing.check()
        if not dry_run:
            await importing.activate(_nobody_asks, cause=CAUSE)
        return report


def counts(report: Report, file: File) -> tuple[int, int, int]:
    found = report.counts[file]
    return found["new"], found["changed"], found["unchanged"]  # type: ignore[index]


async def everything(store: Store) -> list[object]:
    return [
        await store.list_keys(None, 10_000),
        await store.counters_out(None, 10_000),
        await store.kept_out(None, 10_000),
        await store.clients_out(0, 10_000),
    ]


async def counters_of(store: Store, key: ReferenceKey) -> tuple[int, int]:
    details = await store.key_details(key.public_id)
    assert details is not None
    return details.session, details.use


@pytest.mark.parametrize("count", [3, MANY])
async def test_keys_come_with_their_counters_and_old_otps_are_refused(
    store: Store, desk: MovingDesk, count: int
) -> None:
    keys = [ReferenceKey(session=at % 100, use=at % 200) for at in range(count)]
    report = await move_in(desk, keys=key_file(keys), counters=counter_file(keys))
    assert counts(report, File.KEYS) == counts(report, File.COUNTERS) == (count, 0, 0)
    client = await a_client(store)
    for key in (keys[0], keys[-1]):
        assert await counters_of(store, key) == (key.session, key.use)
        stored = await store.key(key.public_id)
        assert stored is not None
        used, fresh = (
            otp(client, session, use, public_id=key.public_id, nonce="another-nonce-xx")
            for session, use in ((key.session, key.use), (key.session + 1, 0))
        )
        assert await decide(store, used) == [Kind.REPLAYED_OTP]
        assert await decide(store, fresh) == [Kind.OK]
        fields = await VAULT.reveal_otp_key(OtpKeyBinding(key.public_id, 1), stored.record)
        assert fields == (key.aes_key, key.private_id)


async def test_clients_keep_id_secret_and_state_and_their_ids_are_never_given_again(
    store: Store, desk: MovingDesk
) -> None:
    clients = [
        ReferenceClient.new(3)._replace(notes="web shop"),
        ReferenceClient.new(70)._replace(active=0),
    ]
    report = await move_in(desk, clients=client_file(clients))
    assert counts(report, File.CLIENTS) == (2, 0, 0)
    for client in clients:
        record = await store.client(client.client_id)
        assert record is not None
        assert record.active == bool(client.active)
        label = f"client-key/{client.client_id}/1"
        assert await VAULT.open_secret(label, record.api_keys[0].record) == client.secret
    shown = await store.client_details(3)
    assert shown is not None
    assert shown.name == "web shop"
    assert await store.reserve_client_id() > 70


async def test_the_same_files_again_change_nothing(store: Store, desk: MovingDesk) -> None:
    keys = [ReferenceKey() for _ in range(20)]
    clients = [ReferenceClient.new(at) for at in range(1, 5)]
    files = {
        "clients": client_file(clients),
        "keys": key_file(keys),
        "counters": counter_file(keys),
    }
    await move_in(desk, False, **files)
    before = await everything(store)
    report = await move_in(desk, False, **files)
    assert [counts(report, file) for file in (File.KEYS, File.CLIENTS, File.COUNTERS)] == [
        (0, 0, 20),
        (0, 0, 4),
        (0, 0, 20),
    ]
    assert await everything(store) == before


async def test_counters_of_known_keys_become_the_maximum_of_both(
    store: Store, desk: MovingDesk
) -> None:
    behind, ahead = ReferenceKey(session=5, use=5), ReferenceKey(session=5, use=5)
    await move_in(desk, keys=key_file([behind, ahead]), counters=counter_file([behind, ahead]))
    behind.session, ahead.session, ahead.use = 4, 5, 6
    report = await move_in(desk, counters=counter_file([behind, ahead]))
    assert counts(report, File.COUNTERS) == (0, 1, 1)
    assert await counters_of(store, behind) == (5, 5)
    assert await counters_of(store, ahead) == (5, 6)


async def test_many_counters_of_known_keys_are_raised(store: Store, desk: MovingDesk) -> None:
    keys = [ReferenceKey() for _ in range(MANY)]
    await move_in(desk, keys=key_file(keys))
    assert await counters_of(store, keys[0]) == (-1, -1)
    await move_in(desk, counters=counter_file(keys))
    assert {(key.session, key.use) for key in await store.counters_out(None, 10_000)} == {(7, 3)}


async def test_a_revoked_key_is_switched_off_and_never_on(store: Store, desk: MovingDesk) -> None:
    new, known = ReferenceKey(), ReferenceKey()
    await move_in(desk, keys=key_file([known]))
    revoked = new.counter_line(active=0) + known.counter_line(active=0)
    await move_in(desk, keys=key_file([new]), counters=revoked)
    for key in (new, known):
        details = await store.key_details(key.public_id)
        assert details is not None
        assert not details.active
    await move_in(desk, counters=counter_file([new, known]))
    assert not any(key.active for key in await store.list_keys(None, 10))


@pytest.mark.parametrize("by_import", [True, False])
async def test_counters_that_come_before_their_key_are_not_lost(
    store: Store, desk: MovingDesk, *, by_import: bool
) -> None:
    key = ReferenceKey(session=9, use=9)
    report = await move_in(desk, counters=counter_file([key]))
    assert report.counts[File.COUNTERS]["kept"] == 1  # type: ignore[index]
    if by_import:
        await move_in(desk, keys=key_file([key]))
    else:
        await store.add_keys([new_key(key.public_id)], act=ACT)
    assert await counters_of(store, key) == (9, 9)
    assert await store.kept_out(None, 10) == []


async def test_kept_counters_become_the_maximum_too(store: Store, desk: MovingDesk) -> None:
    key = ReferenceKey(session=9, use=9)
    for session in (9, 4, 11):
        key.session = session
        await move_in(desk, counters=counter_file([key]))
    (kept,) = await store.kept_out(None, 10)
    assert (kept.session, kept.use) == (11, 9)


async def test_s15_every_line_at_fault_is_named_and_nothing_is_imported(
    store: Store, desk: MovingDesk
) -> None:
    keys = [ReferenceKey() for _ in range(40)]
    known = ReferenceKey(keys[7].public_id)
    await move_in(desk, keys=key_file([known]))
    before = await everything(store)
    text = key_file(keys) + "garbage\n" + keys[0].key_line
    async with desk.importing() as importing:
        await importing.read(File.KEYS, text.encode())
        await importing.read(File.COUNTERS, b"1,0,0,cb,99999,1,0,0,,\n\xff\xfe\n" + b"x" * 2000)
        await importing.read(File.CLIENTS, b"1,1,0,,,,\n")
        report = await importing.check()
        with pytest.raises(RefusedError):
            await importing.activate(_nobody_asks, cause=CAUSE)
    found = {(fault.file, fault.line) for fault in report.faults}
    assert found == {
        (File.KEYS, 10),  # known with other secrets
        (File.KEYS, 43),
        (File.KEYS, 44),  # the public id of line 3 again
        (File.COUNTERS, 1),
        (File.COUNTERS, 2),
        (File.COUNTERS, 3),
        (File.CLIENTS, 1),
    }
    assert not any(key.aes_key.hex() in str(report.faults) for key in keys)
    assert await everything(store) == before


async def test_s15_faults_are_listed_up_to_a_cap_and_counted_beyond(desk: MovingDesk) -> None:
    report = await move_in(desk, dry_run=True, keys="garbage\n" * 1_000)
    assert (len(report.faults), report.fault_count) == (100, 1_000)


async def test_a_known_client_with_another_secret_is_a_conflict(
    store: Store, desk: MovingDesk
) -> None:
    await move_in(desk, clients=ReferenceClient.new(5).line)
    before = await everything(store)
    report = await move_in(desk, dry_run=True, clients=ReferenceClient.new(5).line)
    assert [fault.line for fault in report.faults] == [1]
    assert await everything(store) == before


async def test_a_client_is_switched_off_by_an_import_and_never_on(
    store: Store, desk: MovingDesk
) -> None:
    off_here, off_there = ReferenceClient.new(5), ReferenceClient.new(6)
    await move_in(desk, clients=client_file([off_here, off_there]))
    await store.set_client_active(5, active=False, act=ACT)
    report = await move_in(desk, clients=client_file([off_here, off_there._replace(active=0)]))
    assert counts(report, File.CLIENTS) == (0, 1, 1)
    assert [client.active for client in await store.clients_out(0, 9)] == [False, False]
    report = await move_in(desk, clients=client_file([off_here, off_there]))
    assert counts(report, File.CLIENTS) == (0, 0, 2)
    assert [client.active for client in await store.clients_out(0, 9)] == [False, False]


async def test_a_dry_run_changes_nothing(store: Store, desk: MovingDesk, tmp_path: Path) -> None:
    keys = [ReferenceKey() for _ in range(20)]
    before = await everything(store)
    files = {"keys": key_file(keys), "counters": counter_file(keys)}
    report = await move_in(desk, True, **files)
    assert counts(report, File.KEYS) == (20, 0, 0)
    assert await everything(store) == before
    assert list((tmp_path / "imports").iterdir()) == []


@pytest.mark.parametrize("stop_at", [1, 400, MANY])
async def test_an_import_that_is_given_up_leaves_nothing(
    store: Store, desk: MovingDesk, stop_at: int
) -> None:
    keys = [ReferenceKey() for _ in range(MANY)]
    stranger = ReferenceKey()
    before = await everything(store)

    async def give_up(done: int) -> None:
        if done >= stop_at:
            raise AbandonedError

    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.read(File.COUNTERS, counter_file([*keys, stranger]).encode())
        await importing.read(File.CLIENTS, ReferenceClient.new(5).line.encode())
        await importing.check()
        with pytest.raises(AbandonedError):
            await importing.activate(give_up, cause=CAUSE)
    assert await everything(store) == before
    await move_in(desk, keys=key_file(keys))
    assert len(await store.list_keys(None, 10_000)) == MANY


async def test_nothing_shows_before_the_end_and_verification_goes_on(
    keeper: Keeper, store: Store, desk: MovingDesk
) -> None:
    keys = [ReferenceKey() for _ in range(MANY)]
    client = await a_client(store)
    present = ReferenceKey()
    await move_in(desk, keys=key_file([present]))
    seen: set[int] = set()
    use = 0

    async def look(_: int) -> None:
        nonlocal use
        seen.add(len(await store.list_keys(None, 10_000)))
        keeper.clock.pass_by(60)
        entry = otp(client, 1 + use // 250, use % 250, public_id=present.public_id)
        assert await decide(store, entry) == [Kind.OK]
        use += 1

    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.check()
        await importing.activate(look, cause=CAUSE)
    assert seen == {1}
    assert len(await store.list_keys(None, 10_000)) == MANY + 1


async def test_what_somebody_else_adds_meanwhile_is_a_conflict(
    store: Store, desk: MovingDesk
) -> None:
    keys = [ReferenceKey() for _ in range(10)]
    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.check()
        await store.add_keys([new_key(keys[4].public_id)], act=ACT)
        with pytest.raises(ConflictError):
            await importing.activate(_nobody_asks, cause=CAUSE)
    assert [key.public_id for key in await store.list_keys(None, 100)] == [keys[4].public_id]


async def test_one_import_at_a_time(desk: MovingDesk) -> None:
    async with desk.importing():
        with pytest.raises(ImportUnderWayError):
            async with desk.importing():
                pass
    await move_in(desk, keys="")


async def test_what_is_written_is_read_back_as_what_is_there(desk: MovingDesk) -> None:
    keys = [ReferenceKey() for _ in range(300)]
    stranger = ReferenceKey()
    client = ReferenceClient.new(5)._replace(notes="'=cmd|' /C calc'!A0".replace(",", ";"))
    files = {
        "keys": key_file(keys),
        "counters": counter_file([*keys, stranger]),
        "clients": client.line,
    }
    await move_in(desk, False, **files)
    written = {
        file.value: "".join([piece async for piece in desk.export(file, cause=CAUSE)])
        for file in File
    }
    report = await move_in(desk, False, **written)
    assert not report.fault_count
    assert counts(report, File.KEYS) == (0, 0, 300)
    assert counts(report, File.COUNTERS) == (0, 0, 301)
    assert counts(report, File.CLIENTS) == (0, 0, 1)


async def test_s15_exports_hold_no_formula(store: Store, desk: MovingDesk) -> None:
    client_id = await store.reserve_client_id()
    sealed = await VAULT.seal_secret(f"client-key/{client_id}/1", b"s" * 20)
    await store.add_client(
        client_id, '=HYPERLINK("http://x")', sealed, signed_only=False, phishing_test=False, act=ACT
    )
    text = "".join([piece async for piece in desk.export(File.CLIENTS, cause=CAUSE)])
    assert "\"'=HYPERLINK(" in text
    assert not any(cell.lstrip('"').startswith(("=", "+", "-", "@")) for cell in text.split(","))


async def test_a_client_with_two_live_keys_is_not_exported(store: Store, desk: MovingDesk) -> None:
    client_id = await a_client(store)
    await store.add_api_key(client_id, 2, b"sealed too", act=ACT)
    with pytest.raises(RotatingError, match="finish its rotation"):
        _ = [piece async for piece in desk.export(File.CLIENTS, cause=CAUSE)]


async def test_leftovers_of_a_crash_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await keeper.open()
    desk = MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    keys = [ReferenceKey() for _ in range(MANY)]

    async def die(_: object, **__: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(key_import.KeyImport, "clean_up", die)
    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.read(File.COUNTERS, counter_file([ReferenceKey()]).encode())
        await importing.check()
        with pytest.raises(AbandonedError):
            await importing.activate(_give_up_late, cause=CAUSE)
    monkeypatch.undo()
    assert len(await keeper.counters()) == MANY, "the rows are there, and nobody sees them"
    assert await store.list_keys(None, 10) == []
    await keeper.close()
    store = await keeper.open()
    assert await keeper.counters() == {}
    assert await everything(store) == [[], [], [], []]
    await keeper.close()


async def _give_up_late(done: int) -> None:
    if done > MANY:
        raise AbandonedError


async def test_an_import_is_one_entry_of_the_journal(store: Store, desk: MovingDesk) -> None:
    known = ReferenceKey()
    await move_in(desk, keys=key_file([known]))
    keys = sorted((ReferenceKey() for _ in range(3)), key=lambda key: key.public_id)
    await move_in(
        desk,
        keys=key_file(keys),
        counters=counter_file(keys) + known.counter_line(active=0),
        clients=ReferenceClient.new(5).line,
    )
    ids = [key.public_id for key in keys]
    digest = hashlib.sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest()
    first, second = (entry.deed for entry in await store.journal_entries(0, 10))
    assert first.act == second.act == CAUSE.act("import")
    assert second.subject == Subject("import", digest[:16])
    assert second.after == {
        "keys": 3,
        "public_ids_sha256": digest,
        "public_ids": ids,
        "files": {
            "keys": {"new": 3, "changed": 0, "unchanged": 0, "kept": 0},
            "counters": {"new": 3, "changed": 1, "unchanged": 0, "kept": 0},
            "clients": {"new": 1, "changed": 0, "unchanged": 0, "kept": 0},
        },
        "inactive_known_keys": 1,
        "inactive_known_public_ids": [known.public_id],
        "new_clients": [5],
    }
    assert known.aes_key.hex() not in str(second)


async def test_what_changes_nothing_is_no_entry(store: Store, desk: MovingDesk) -> None:
    keys = [ReferenceKey() for _ in range(3)]
    await move_in(desk, dry_run=True, keys=key_file(keys))
    await move_in(desk, dry_run=True, keys="garbage\n")
    async with desk.importing() as importing:
        await importing.read(File.KEYS, key_file(keys).encode())
        await importing.check()
        with pytest.raises(AbandonedError):
            await importing.activate(_give_up, cause=CAUSE)
    assert await store.journal_entries(0, 10) == []


@pytest.mark.parametrize("file", list(File))
async def test_an_export_is_told_before_anything_leaves(
    store: Store, desk: MovingDesk, file: File
) -> None:
    pieces = desk.export(file, cause=CAUSE)
    await anext(pieces)
    await pieces.aclose()
    (entry,) = await store.journal_entries(0, 10)
    assert entry.deed.act == CAUSE.act("export")
    assert entry.deed.subject == Subject("export", file.value)
    assert entry.deed.after == {"secrets": file is not File.COUNTERS}


async def test_an_import_that_ends_after_it_raised_counters_has_told_of_them(
    sql_keeper: Keeper, tmp_path: Path
) -> None:
    """Raised counters stay, so they are told first; nothing else of the import happens."""
    store = await sql_keeper.open()
    desk = MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    keys = [ReferenceKey() for _ in range(_TOO_MANY_AT_ONCE)]
    await move_in(desk, keys=key_file(keys))
    revoked = "".join(key.counter_line(active=0) for key in keys)

    async def give_up(done: int) -> None:
        if done == _TOO_MANY_AT_ONCE:
            raise AbandonedError

    async with desk.importing() as importing:
        await importing.read(File.COUNTERS, revoked.encode())
        await importing.check()
        with pytest.raises(AbandonedError):
            await importing.activate(give_up, cause=CAUSE)
    _, raising = await store.journal_entries(0, 10)
    assert raising.deed.act == CAUSE.act("import.raise")
    assert raising.deed.after == {
        "counters": {"new": 0, "changed": _TOO_MANY_AT_ONCE, "unchanged": 0, "kept": 0}
    }
    counters = await store.counters_out(None, 10_000)
    assert {(each.session, each.use) for each in counters} == {(-1, -1), (7, 3)}
    assert all(each.active for each in counters), "switched off at the end only, with its entry"
    await move_in(desk, counters=revoked)
    assert not any(each.active for each in await store.counters_out(None, 10_000))


async def _give_up(_: int) -> None:
    raise AbandonedError


_TOO_MANY_AT_ONCE = 5_000
"""More counters of known keys than one transaction raises, on either engine."""


@pytest.fixture(params=["sqlite", "postgres"])
async def sql_keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keeper]:
    """Return a keeper that has transactions."""
    made: Keeper
    if request.param == "sqlite":
        made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    else:
        made = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    yield made
    await made.close()
