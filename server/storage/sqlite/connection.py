"""How a SQLite file is made and opened: who may read it, and when a commit counts."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
_WAL_BYTES = 128 * 1024 * 1024

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
    # What is erased is overwritten with zeros, not left in pages that nobody uses (docs/fleet.md).
    "PRAGMA secure_delete=ON",
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


def prepare_database_file(path: Path) -> None:
    """Make an empty database that only its owner can read, or tighten the one that exists.

    Must not run while this process has the file open: closing a second descriptor would
    drop SQLite's locks (POSIX).
    """
    check_sqlite_version()
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _tighten(path)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be created: {error.strerror}") from error
    with opened(path) as connection:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # holds for an empty file only
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise UnsafeDatabaseError(
            f"{path} lies on a file system without shared memory (a network share?), where"
            " SQLite keeps no write-ahead log. Use a local directory."
        )


def _tighten(path: Path) -> None:
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be used: {error.strerror}") from error


def connect(path: Path, *, cached_statements: int = 128) -> sqlite3.Connection:
    """Open an existing file without Python's implicit transactions, ready for durable commits.

    Raises sqlite3.Error. The connection may be used from any one thread at a time.
    """
    connection = sqlite3.connect(
        _uri(path),
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=cached_statements,
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for a moment; failures become refusals or StoreUnavailableError."""
    try:
        with closing(connect(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        if is_no_database(error):
            raise SchemaRefusedError(
                f"{path} is not a Keystead database. Name another file or data directory."
            ) from error
        raise StoreUnavailableError(f"{path}: {error}") from error


def is_no_database(error: BaseException) -> bool:
    """Tell whether SQLite said that a file is none of its own."""
    cause = getattr(error, "orig", error)
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB


def sqlite_engine(path: Path) -> AsyncEngine:
    """Return SQLAlchemy's engine on an existing file, with the same durability."""
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=_uri(path), query={"uri": "true"}),
        connect_args={"timeout": _BUSY_S},
        pool_size=4,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # sealed records have no place in an error
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine


def _uri(path: Path) -> str:
    # mode=rw: a file that vanished is an error, never a new and empty store.
    return path.absolute().as_uri() + "?mode=rw"


def _on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own type
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def on_begin(connection: Connection) -> None:
    """Begin a transaction of an engine's connection as `WRITES` says."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
