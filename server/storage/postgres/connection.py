"""How PostgreSQL is reached: what a URL may hold, and which settings would lose commits."""

import os
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped] # the driver ships no types
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.otp.ports import StoreUnavailableError
from server.storage.refusals import DatabaseUrlRefusedError, UnsafeDatabaseError

CONNECT_TIMEOUT_S = 3.0
COMMITTING = 0x6B657973746E6F64
"""Number of the advisory lock that every connection which decides OTPs holds, shared.

A restore takes it alone: nobody goes on in the restored store who has not seen its fence.
"""
_SECRETS = frozenset({"password", "sslpassword"})
_OLDEST = 140000

# What asyncpg raises when a server cannot be reached or breaks the connection off.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_USE_THE_FILE = (
    "Put it into the passfile instead (~/.pgpass, mode 0600, one line"
    " host:port:database:user:password; PGPASSFILE names another file)."
)

_log = structlog.get_logger(__name__)


def check_dsn(dsn: str) -> None:
    """Refuse (DatabaseUrlRefusedError) a URL that is no PostgreSQL URL or holds a password.

    A URL stands in the process list, in shell histories and unit files; the message
    therefore never repeats it.
    """
    try:
        parts = urlsplit(dsn)
        secret = parts.password is not None or not _SECRETS.isdisjoint(parse_qs(parts.query))
    except ValueError:
        raise DatabaseUrlRefusedError("The database URL cannot be read.") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise DatabaseUrlRefusedError(
            "The database URL must begin with postgresql:// (user@host:port/database)."
        )
    if secret:
        raise DatabaseUrlRefusedError(f"The database URL holds a password. {_USE_THE_FILE}")
    if "PGPASSWORD" in os.environ:
        raise DatabaseUrlRefusedError(
            f"The environment holds a password (PGPASSWORD). {_USE_THE_FILE}"
        )


async def connect(
    dsn: str,
    *,
    settings: dict[str, str] | None = None,
    command_timeout_s: float | None = None,
    warn: bool = False,
) -> asyncpg.Connection:
    """Open one connection to the primary server.

    warn: log what makes the whole server unsafe. Raises StoreUnavailableError, or
    UnsafeDatabaseError when a commit of this session could be lost or the server is too old.
    """
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=command_timeout_s,
            # A standby may lag behind: nothing may be decided or read there.
            target_session_attrs="primary",
            server_settings={
                "application_name": "keystead",
                "jit": "off",
                # A commit that did not wait for its replicas is told by a warning only (hot.py).
                "client_min_messages": "warning",
                **(settings or {}),
            },
        )
    except UNREACHABLE as error:
        raise StoreUnavailableError(f"PostgreSQL: {describe(error)}") from error
    try:
        await _check_durability(connection, warn=warn)
    except UNREACHABLE as error:
        connection.terminate()
        raise StoreUnavailableError(f"PostgreSQL: {describe(error)}") from error
    except UnsafeDatabaseError:
        connection.terminate()
        raise
    return connection


def describe(error: BaseException) -> str:
    """Return one line about a failure, for a log."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")


async def _check_durability(connection: asyncpg.Connection, *, warn: bool) -> None:
    row = await connection.fetchrow(
        "SELECT current_setting('synchronous_commit') AS synchronous_commit,"
        " current_setting('fsync') AS fsync,"
        " current_setting('full_page_writes') AS full_page_writes,"
        " current_setting('server_version_num')::int AS version"
    )
    if row is None:
        raise StoreUnavailableError("PostgreSQL does not tell its settings")
    if row["version"] < _OLDEST:
        raise UnsafeDatabaseError(
            f"Keystead needs PostgreSQL 14 or newer, this is {row['version'] // 10000}."
        )
    if row["synchronous_commit"] == "off":
        raise UnsafeDatabaseError(
            "synchronous_commit is off for this database or role: after a crash an accepted"
            " OTP would be accepted again. Switch it on (ALTER ROLE .. SET synchronous_commit"
            " = on), then start again."
        )
    # Pinned for this session: what the server's configuration says later does not weaken it.
    # `local` and `remote_write` wait for less than a synchronous replica's disk: made `on`.
    stronger = row["synchronous_commit"] == "remote_apply"
    await connection.fetchval(
        "SELECT set_config('synchronous_commit', $1, false)", "remote_apply" if stronger else "on"
    )
    for name in ("fsync", "full_page_writes"):
        if warn and row[name] == "off":
            _log.warning(
                "PostgreSQL may lose counters in a power failure, and an accepted OTP would be"
                " accepted again: set this to on, except for tests",
                setting=f"{name} = off",
            )


def postgres_engine(dsn: str, *, command_timeout_s: float | None = None) -> AsyncEngine:
    """Return SQLAlchemy's engine over the same kind of connection."""

    async def creator() -> asyncpg.Connection:
        return await connect(dsn, command_timeout_s=command_timeout_s)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=2,
        max_overflow=2,
        pool_timeout=5,
        hide_parameters=True,  # sealed records have no place in an error
        # A connection that died while it lay idle is found before it is used.
        pool_pre_ping=True,
    )
