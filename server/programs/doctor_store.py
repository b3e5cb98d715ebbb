"""The doctor's look at the store: version, schema, durability, and whose records it holds."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from hsm import keyfile
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, VaultError
from server.config import Config
from server.datadir import DataDirectory
from server.otp.ports import StoreError
from server.programs.doctor import Finding
from server.storage.postgres.connection import UNREACHABLE, connect
from server.storage.refusals import StoreRefusedError
from server.storage.sqlite.connection import check_sqlite_version
from server.storage.upgrade import REFUSALS, SchemaState, schema_state
from validation.otp import InvalidOtpError

_VALUE = "SELECT value FROM meta WHERE name = "
_KEY_ID = f"{_VALUE}'sealing_key_id'"
_DATA_KEYS = f"{_VALUE}'data_keys'"
_RECORD = "SELECT public_id, generation, record FROM otp_key_record LIMIT 1"


class _Sample(NamedTuple):
    """What of a store's content tells whose it is. record: (public id, generation, record)."""

    key_id: str | None
    data_keys: str | None
    record: Sequence[Any] | None


def check_store(data: DataDirectory, config: Config) -> Iterator[Finding]:
    """Look at the configured store without writing to it."""
    database: Path | str = data.database_file if config.store.is_sqlite else config.store.database
    if config.store.is_sqlite:
        yield _sqlite_version()
    try:
        state = asyncio.run(schema_state(database))
    except (StoreError, StoreRefusedError) as error:
        yield Finding(
            "database", "fail", str(error), "Verification cannot work without its database"
        )
        return
    if state is not SchemaState.CURRENT:
        yield Finding("schema", "fail", state.value, REFUSALS[state])
        return
    yield Finding("schema", "ok", "current")
    try:
        if isinstance(database, Path):
            sample = _sqlite_sample(database)
        else:
            sample, settings = asyncio.run(_postgres_sample(database))
            yield _durability(config, settings)
    except (StoreError, StoreRefusedError, sqlite3.Error, *UNREACHABLE) as error:
        yield Finding("database", "fail", f"it cannot be read: {error}")
        return
    if sample.data_keys is not None or data.has_hsm:
        # The HSM's library takes its time to load.
        from server.programs.doctor_hsm import check_records  # noqa: PLC0415

        yield from check_records(data, config, sample.key_id, sample.data_keys, sample.record)
    else:
        yield from _belonging(data, sample)


def count_rows(
    data: DataDirectory, config: Config, statements: Sequence[str]
) -> tuple[int, ...] | None:
    """Return what each statement counts; None when the store cannot be read, or is not current.

    Which of both it is, is a finding of `check_store`.
    """
    database: Path | str = data.database_file if config.store.is_sqlite else config.store.database
    try:
        if asyncio.run(schema_state(database)) is not SchemaState.CURRENT:
            return None
        if isinstance(database, str):
            return asyncio.run(_postgres_counts(database, statements))
        uri = f"{database.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as connection:
            return tuple(connection.execute(one).fetchone()[0] for one in statements)
    except (StoreError, StoreRefusedError, sqlite3.Error, *UNREACHABLE):
        return None


async def _postgres_counts(dsn: str, statements: Sequence[str]) -> tuple[int, ...]:
    connection = await connect(dsn)
    try:
        return tuple([await connection.fetchval(one) for one in statements])
    finally:
        await connection.close()


def _sqlite_version() -> Finding:
    try:
        check_sqlite_version()
    except StoreRefusedError as error:
        return Finding("SQLite", "fail", str(error))
    return Finding("SQLite", "ok", sqlite3.sqlite_version)


def _sqlite_sample(file: Path) -> _Sample:
    # Read-only: beside a running service this is one more reader, which disturbs nobody.
    uri = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as connection:
        key_id = connection.execute(_KEY_ID).fetchone()
        data_keys = connection.execute(_DATA_KEYS).fetchone()
        record = connection.execute(_RECORD).fetchone()
    return _Sample(
        None if key_id is None else key_id[0],
        None if data_keys is None else data_keys[0],
        record,
    )


async def _postgres_sample(dsn: str) -> tuple[_Sample, dict[str, str]]:
    connection = await connect(dsn)
    try:
        names = ("server_version", "synchronous_commit", "synchronous_standby_names", "fsync")
        settings = {
            name: str(await connection.fetchval("SELECT current_setting($1)", name))
            for name in names
        }
        sample = _Sample(
            await connection.fetchval(_KEY_ID),
            await connection.fetchval(_DATA_KEYS),
            await connection.fetchrow(_RECORD),
        )
    finally:
        await connection.close()
    return sample, settings


def _durability(config: Config, settings: dict[str, str]) -> Finding:
    """Whether an OK means what it says when this PostgreSQL crashes or fails over."""
    commit = settings["synchronous_commit"]
    standbys = settings["synchronous_standby_names"]
    found = f"PostgreSQL {settings['server_version']}, synchronous_commit = {commit}"
    if settings["fsync"] != "on":
        return Finding(
            "durability", "fail", f"{found}, fsync = off", "Set fsync = on: a crash loses counters"
        )
    waits = config.store.commit_waits_for
    if waits and (not standbys or commit == "local"):
        return Finding(
            "durability",
            "fail",
            f"{found}, and no commit waits for a standby",
            f"commit_waits_for = {waits} promises that it does: set synchronous_standby_names"
            f" = 'ANY {waits} (...)', or lower commit_waits_for",
        )
    return Finding("durability", "ok", found)


def _belonging(data: DataDirectory, sample: _Sample) -> Iterator[Finding]:
    """Whether the sealing key at hand is the one that the store's records are sealed under."""
    try:
        key = keyfile.load(data.sealing_key_file)
    except VaultError:
        return  # a finding of its own
    if sample.key_id is not None and sample.key_id != key.key_id.hex():
        yield Finding(
            "stored records",
            "fail",
            f"the store was filled under sealing key {sample.key_id}, the file holds"
            f" {key.key_id.hex()}",
            "Put the right key file back, or use the right database",
        )
        return
    if sample.record is None:
        yield Finding("stored records", "ok", "no key is stored yet")
        return
    public_id, generation, record = sample.record
    binding = OtpKeyBinding(public_id, generation)
    try:
        asyncio.run(SealedVault(Rings.single(key)).open_otp(binding, bytes(record), bytes(16)))
    except InvalidOtpError:
        pass  # the record opened; sixteen zeros are no OTP of its key, as expected
    except VaultError as error:
        yield Finding("stored records", "fail", f"the record of {public_id!r}: {error}")
        return
    yield Finding("stored records", "ok", f"sealed under key {key.key_id.hex()}; one was opened")
