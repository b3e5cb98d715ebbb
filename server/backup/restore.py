"""Reads a backup: first all of it to see that it is whole, then into an empty database."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyrage  # type: ignore[import-untyped] # the library ships no types

from server.backup.archive import Member, read_archive
from server.backup.manifest import COUNTS, FILES, HEAD, ROWS, Head, decode_counts
from server.backup.recipients import BackupError
from server.counter_journal.fence import Fence
from server.counter_journal.ports import BACKUPS_KEPT
from server.journal.acts import Cause, Deed, State, Subject
from server.storage.books.fence_book import BACKUPS, FENCE
from server.storage.identity import STORE_EPOCH
from server.storage.snapshot import Filling, Part, Tally, decode_row, filling

_EPOCH_OCTETS = 8
_MAX_FILE = 1 << 20
_FILE = re.compile(r"keystead\.toml|secrets/(?!\.{1,2}\Z)[^/\0]{1,255}")
_NONSENSE = (ValueError, KeyError, TypeError, RecursionError)
"""What content can raise that nobody of ours has written: whoever has a recipient can encrypt."""


class Backup(NamedTuple):
    """A backup that was read to its end and found whole. files: by name."""

    file: Path
    identities: Sequence[pyrage.x25519.Identity]
    head: Head
    tallies: Mapping[str, Tally]
    files: Mapping[str, bytes]


def verify(file: Path, identities: Sequence[pyrage.x25519.Identity]) -> Backup:
    """Read a backup to its end; BackupError says what is wrong with it."""
    head: Head | None = None
    counted: dict[str, Tally] = {}
    files: dict[str, bytes] = {}
    told: dict[str, Tally] = {}
    try:
        for member in read_archive(file, identities):
            if head is None:
                head = Head.decode(member.content if member.name == HEAD else b"{}")
                counted = dict.fromkeys(head.tables, Tally())
            elif member.name.startswith(FILES):
                files[_file_name(member)] = member.content
            elif member.name == COUNTS:
                told = decode_counts(member.content)
            else:
                part = _part(member)
                counted[part.table] = counted[part.table].add(part.lines)
    except _NONSENSE as error:
        raise _unusable(file, str(error)) from error
    if head is None or counted != told:
        raise _unusable(file, "its rows are not those that it counts")
    return Backup(file, identities, head, told, files)


def stored_values(backup: Backup) -> dict[str, str]:
    """Return the named values that a backup holds; BackupError."""
    form = backup.head.tables["meta"]
    values: dict[str, str] = {}
    try:
        for part in _parts(backup):
            if part.table == form.name:
                rows = [decode_row(form, line) for line in part.lines]
                values |= {str(row["name"]): str(row["value"]) for row in rows}
    except _NONSENSE as error:
        raise _unusable(backup.file, str(error)) from error
    return values


async def load(
    backup: Backup, database: Path | str, *, cause: Cause, compare: bool = False
) -> Fence:
    """Fill an empty database from a backup, upgrade it, and fence all keys: all, or nothing.

    compare: read every row back and hold it against the backup. Raises BackupError,
    StoreUnavailableError and SchemaRefusedError.
    """
    fence = Fence(
        backup=backup.head.id,
        made=backup.head.made,
        restored=datetime.now(UTC).isoformat(timespec="seconds"),
        store=backup.head.store,
        epoch=secrets.token_hex(_EPOCH_OCTETS),
        nodes=dict(backup.head.nodes),
        problems=dict.fromkeys(backup.head.nodes, "not replayed yet"),
    )
    async with filling(database, backup.head.revision) as target:
        await _fill(target, backup)
        if compare and await target.tallies() != backup.tallies:
            raise BackupError(
                f"{backup.file}: what was read back from the restored database is not what the"
                " backup holds. Nothing was kept: this is a bug, please report it"
            )
        await target.settle_imports()
        await target.end_tokens()
        await target.withdraw_releases()
        await target.settle_fleet()
        known = json.loads((await target.meta()).get(BACKUPS) or "[]")
        # This one, too: what begins to serve now is not in it (server/safeguards.py).
        this = {"id": fence.backup, "made": fence.made, "nodes": dict(fence.nodes)}
        backups = json.dumps([*known, this][-BACKUPS_KEPT:])
        values = {FENCE: fence.encode(), STORE_EPOCH: fence.epoch, BACKUPS: backups}
        await target.put_meta(values)
        await target.upgrade()
        subject = Subject("store", "")
        after: State = {"backup": fence.backup, "made": fence.made, "fenced": True}
        await target.record(Deed(cause.act("store.restore"), subject, None, after))
    return fence


async def _fill(target: Filling, backup: Backup) -> None:
    loaded = dict.fromkeys(backup.head.tables, Tally())
    try:
        for part in _parts(backup):
            await target.add(part, backup.head.tables[part.table])
            loaded[part.table] = loaded[part.table].add(part.lines)
    except _NONSENSE as error:
        raise _unusable(backup.file, str(error)) from error
    if loaded != backup.tallies:
        raise _unusable(backup.file, "it changed while it was read")


def _parts(backup: Backup) -> Iterator[Part]:
    for member in read_archive(backup.file, backup.identities):
        if member.name.startswith(ROWS):
            yield _part(member)


def _file_name(member: Member) -> str:
    name = member.name.removeprefix(FILES)
    if _FILE.fullmatch(name) is None or len(member.content) > _MAX_FILE:
        raise ValueError(f"it holds a file that belongs nowhere, {name!r}")
    return name


def _part(member: Member) -> Part:
    kind, table, _ = member.name.split("/")
    if f"{kind}/" != ROWS:
        raise ValueError(f"it holds something unknown, {member.name!r}")
    return Part(table, member.content.split(b"\n"))


def _unusable(file: Path, why: str) -> BackupError:
    return BackupError(
        f"{file} cannot be restored ({why}). Nothing was kept. Use the version of Keystead that"
        " made it, or another backup"
    )
