"""Makes a backup from one snapshot of the store, while it serves."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from server.backup.archive import ArchiveWriter, writing
from server.backup.manifest import COUNTS, FILES, HEAD, ROWS, encode_counts, head_of
from server.backup.recipients import recipients
from server.storage.snapshot import Snapshot, Tally, snapshot

_ID_OCTETS = 8


class Made(NamedTuple):
    """A backup that was made. octets: the size of its file; nodes: as in its head."""

    file: Path
    id: str
    made: str
    octets: int
    keys: int
    clients: int
    nodes: Mapping[str, int | None]


async def make_backup(
    database: Path | str,
    file: Path,
    *,
    to: Sequence[str],
    files: Mapping[str, bytes],
    version: str,
) -> Made:
    """Write a backup of a SQLite file (Path) or a PostgreSQL URL (str) to a new file.

    to: age recipients; files: by name, what goes with it from the data directory. Raises
    BackupError, StoreUnavailableError and SchemaRefusedError; then nothing is left behind.
    """
    readers = recipients(to)
    async with snapshot(database) as read:
        head = await head_of(
            read,
            backup_id=secrets.token_hex(_ID_OCTETS),
            # The snapshot is taken by what was just read, or earlier: never later than this.
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version,
            engine="sqlite" if isinstance(database, Path) else "postgresql",
        )
        with writing(file, readers) as archive:
            archive.add(HEAD, head.encode())
            for name, content in files.items():
                archive.add(FILES + name, content)
            tallies = await _write_rows(archive, read)
            archive.add(COUNTS, encode_counts(tallies))
    return Made(
        file,
        head.id,
        head.made,
        (await asyncio.to_thread(file.stat)).st_size,
        tallies["otp_key"].rows,
        tallies["client"].rows,
        head.nodes,
    )


async def _write_rows(archive: ArchiveWriter, read: Snapshot) -> dict[str, Tally]:
    tallies = dict.fromkeys(read.forms, Tally())
    number = 0
    async for part in read.parts():
        number += 1
        archive.add(f"{ROWS}{part.table}/{number:08d}", b"\n".join(part.lines))
        tallies[part.table] = tallies[part.table].add(part.lines)
    return tallies
