"""The PostgreSQL directory: reads of what workers cache, always from the primary."""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg  # type: ignore[import-untyped] # the driver ships no types

from server.otp.ports import ClientRecord, KeyRecord, StoreUnavailableError
from server.storage.directory_rows import ClientLine, KeyLine, client_records, key_record
from server.storage.postgres.connection import UNREACHABLE, connect, describe
from server.storage.postgres.lane import Lane
from validation.gcra import Policy

_CLIENTS = """
SELECT c.id, c.version, c.active, c.signed_only, c.phishing_test,
       c.step_us, c.slack_us, c.day_step_us, c.day_slack_us, c.shadow, c.limit_expires_us,
       a.key_id, a.record, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
  FROM client AS c LEFT JOIN api_key AS a ON a.client_id = c.id
 WHERE c.id = ANY ($1) ORDER BY c.id, a.key_id
"""

# A record without counters is returned too, so that their loss shows (key_record).
_KEYS = """
SELECT r.public_id, r.generation, r.record, k.version, k.active
  FROM otp_key_record AS r LEFT JOIN otp_key AS k ON k.public_id = r.public_id
 WHERE r.public_id = ANY ($1)
"""


class PostgresDirectory:
    """Reads committed state, one query at a time."""

    def __init__(self, dsn: str, *, default_policy: Policy, command_timeout_s: float) -> None:
        self._dsn = dsn
        self._default_policy = default_policy
        self._timeout_s = command_timeout_s
        self._lane = Lane(self._connect)
        self._turn = asyncio.Lock()

    async def clients(self, client_ids: Sequence[int]) -> Mapping[int, ClientRecord]:
        """Return those clients that exist; raises StoreUnavailableError."""
        rows = await self._fetch(_CLIENTS, client_ids)
        return client_records(
            [ClientLine._make(row[:-1]) for row in rows],
            default_policy=self._default_policy,
            now_us=rows[0][-1] if rows else 0,
        )

    async def keys(self, public_ids: Sequence[str]) -> Mapping[str, KeyRecord]:
        """Return those keys that exist; raises StoreUnavailableError."""
        lines = [KeyLine._make(row) for row in await self._fetch(_KEYS, public_ids)]
        return {line.public_id: key_record(line) for line in lines}

    async def prove_primary(self) -> None:
        """Raise StoreUnavailableError unless the server takes writes."""
        ((read_only,),) = await self._fetch("SELECT current_setting('transaction_read_only')")
        if read_only == "on":
            raise StoreUnavailableError("PostgreSQL is read-only (a standby?)")

    async def close(self) -> None:
        """Close the connection."""
        async with self._turn:
            await self._lane.close()

    async def _connect(self) -> asyncpg.Connection:
        return await connect(
            self._dsn,
            settings={"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"},
            command_timeout_s=self._timeout_s,
        )

    async def _fetch(self, query: str, *values: object) -> Sequence[asyncpg.Record]:
        async with self._turn:
            try:
                return await self._try(query, values)
            except UNREACHABLE:
                # The connection may have died while it lay idle, and reading twice is harmless.
                self._lane.drop()
            try:
                return await self._try(query, values)
            except UNREACHABLE as error:
                self._lane.drop()
                raise StoreUnavailableError(f"PostgreSQL: {describe(error)}") from error

    async def _try(self, query: str, values: tuple[object, ...]) -> Sequence[asyncpg.Record]:
        connection = await self._lane.connection()
        rows: Sequence[asyncpg.Record] = await connection.fetch(query, *values)
        return rows
