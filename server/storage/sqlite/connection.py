"""How a SQLite file is made and opened: who may read it, and when a commit counts."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.otp.ports import StoreUnavailableError
from server.storage.refusals import SchemaRefusedError, UnsafeDatabaseError

WRITES = "keystead_writes"
"""Execution option of an engine's connection: its transactions take the write lock at once."""

PAGE_BYTES = 2048
"""A counter's update rewrites a page into the log: small pages, less to write and to sum."""

_OLDEST = (3, 38, 0)  # json_each and `->>` without an extension; upserts; UPDATE .. RETURNING
_BUSY_S = 1.0
_WAL_BYTES = 64 * 1024 * 1024

# The file has one owner, so nothing but a foreign program can make us wait for a lock.
_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    # macOS: fsync alone leaves the data in the drive's cache. Elsewhere without effect.
    "PRAGMA fullfsync=ON",
    "PRAGMA checkpoint_fullfsync=ON",
    # Checkpoints run beside the requests (checkpoint.py), never within a commit.
    "PRAGMA wal_autocheckpoint=0",
    f"PRAGMA journal_size_limit={_WAL_BYTES}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA temp_store=MEMORY",
)


def check_sqlite_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Refuse (UnsafeDatabaseError) a SQLite library that lacks what the statements use."""
    if version < _OLDEST:
        needed, found = (".".join(map(str, number)) for number in (_OLDEST, version))
        raise UnsafeDatabaseError(
            f"This Python uses SQLite {found}, Keystead needs {needed} or newer."
            " Use a newer Python, or PostgreSQL (--database)."
        )


def create_database_file(path: Path) -> None:
    """Make an empty database that only its owner can read; one that exists is left alone.

    Must not run while this process has the file open: closing a second descriptor would
    drop SQLite's locks (POSIX).
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be created: {error.strerror}") from error
    os.close(descriptor)
    with _refusing_foreign_files(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
