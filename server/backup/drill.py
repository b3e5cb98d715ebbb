"""The proof of a backup: restored on a scratch directory, opened, compared, asked for an OK."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hsm.vault import OtpKeyBinding, Vault, VaultError
from server.backup.recipients import BackupError
from server.backup.restore import Backup, load
from server.clock import SystemClock
from server.counter_journal.desk import FenceDesk, Replayed
from server.counter_journal.hot_stores import FencedHotStore, FenceWatch
from server.journal.acts import SYSTEM, Actor, Cause
from server.otp.client_cache import api_key_label
from server.otp.ports import Advance, Entry, FencedError
from server.storage.snapshot import decode_row, snapshot
from server.storage.sqlite.store import SqliteStore, open_sqlite
from validation.gcra import UNLIMITED, Policy
from validation.otp import InvalidOtpError

OpenVault: TypeAlias = Callable[[AsyncExitStack], Awaitable[Vault]]

_NO_OTP = bytes(16)
_CAUSE = Cause(Actor(SYSTEM, "drill"))


class Drilled(NamedTuple):
    """What a drill found. seconds: by step; opened: sealed records that the key opens."""

    seconds: dict[str, float]
    opened: int
    fenced: bool
    replayed: Replayed | None


async def drill(
    backup: Backup,
    scratch: Path,
    open_vault: OpenVault,
    *,
    journals: Sequence[Path],
) -> Drilled:
    """Prove a backup in an empty directory; BackupError says what does not hold.

    open_vault: returns what opens its records.
    """
    seconds: dict[str, float] = {}
    database = scratch / "keystead.db"
    began = time.perf_counter()
    fence = await load(backup, database, cause=_CAUSE, compare=True)
    seconds["load"] = time.perf_counter() - began
    began = time.perf_counter()
    opened = await _open_records(database, open_vault)
    seconds["open"] = time.perf_counter() - began
    began = time.perf_counter()
    store = await open_sqlite(
        database, clock=SystemClock(), default_policy=Policy(UNLIMITED, UNLIMITED)
    )
    try:
        fenced = await _is_fenced(store)
        replayed = None
        if journals:
            desk = FenceDesk(store, store=fence.store)
            replayed = await desk.replay(journals, cause=_CAUSE)
    finally:
        await store.close()
    seconds["fence"] = time.perf_counter() - began
    if not fenced:
        raise BackupError("the restored store decides before its fence is lifted: report this bug")
    return Drilled(seconds, opened, fenced, replayed)


async def _is_fenced(store: SqliteStore) -> bool:
    """Ask for an OK as a worker would, for a key of the backup when there is one."""
    watch = FenceWatch(store, SystemClock())
    await watch.start()
    some = await store.list_keys(None, 1)
    public_id, version = (some[0].public_id, some[0].version) if some else ("", 0)
    entry = Entry(1, 1, 0, False, public_id, version, Advance(0x7FFF, 0xFF, 0), "")
    try:
        await FencedHotStore(store, watch).spend_and_advance([entry])
    except FencedError:
        return True
    return False


async def _open_records(database: Path, open_vault: OpenVault) -> int:
    opened = 0
    async with AsyncExitStack() as stack, snapshot(database) as read:
        vault = await open_vault(stack)
        async for part in read.parts():
            if part.table not in {"otp_key_record", "api_key"}:
                continue
            for line in part.lines:
                row = decode_row(read.forms[part.table], line)
                try:
                    await _open(vault, row)
                except VaultError as error:
                    raise BackupError(f"a sealed record does not open: {error}") from error
                opened += 1
    return opened


async def _open(vault: Vault, row: Mapping[str, object]) -> None:
    record = row["record"]
    if not isinstance(record, bytes):
        raise BackupError("a sealed record is no record")
    if "public_id" in row:
        binding = OtpKeyBinding(str(row["public_id"]), int(str(row["generation"])))
        with suppress(InvalidOtpError):  # it opened; sixteen zeros are no OTP, as expected
            await vault.open_otp(binding, record, _NO_OTP)
    else:
        await vault.open_secret(
            api_key_label(int(str(row["client_id"])), int(str(row["key_id"]))), record
        )
