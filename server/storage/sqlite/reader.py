"""The embedded directory: reads on a connection of their own, beside the hot path."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.clock import Clock
from server.otp.ports import ClientRecord, KeyRecord, StoreUnavailableError
from server.storage.directory_rows import ClientLine, KeyLine, client_records, key_record
from server.storage.schema import UNFINISHED_IMPORT
from server.storage.sqlite.connection import connect
from validation.gcra import Policy

_CLIENTS = """
SELECT c.id, c.version, c.active, c.signed_only, c.phishing_test,
       c.step_us, c.slack_us, c.day_step_us, c.day_slack_us, c.shadow, c.limit_expires_us,
       a.key_id, a.record
  FROM client AS c LEFT JOIN api_key AS a ON a.client_id = c.id
 WHERE c.id IN ({asked}) ORDER BY c.id, a.key_id
"""

_IS_THERE = f"""
(k.version > 0 OR -k.version IS NOT
 (SELECT CAST(value AS INTEGER) FROM meta WHERE name = '{UNFINISHED_IMPORT}'))
"""  # noqa: S608 - the only part put in is a constant of ours

# A record without counters is returned too, so that their loss shows (key_record). One row of
# JSON for all keys: between two rows the interpreter lock changes hands (hot_statements.py).
_KEYS = f"""
SELECT json_group_array(json_array(r.public_id, r.generation, hex(r.record),
         CASE WHEN k.version < 0 THEN 1 ELSE k.version END, k.active))
  FROM json_each(?1) AS asked CROSS JOIN otp_key_record AS r ON r.public_id = asked.value
  LEFT JOIN otp_key AS k ON k.public_id = r.public_id
 WHERE k.version IS NULL OR {_IS_THERE}
"""  # noqa: S608 - the only part put in is a constant of ours

_CACHE_KIB = 16 * 1024
"""Memory for pages: all that lead to a million records, so that a record costs one read."""


class Reader:
    """Reads committed state. Every method belongs to one thread."""

    def __init__(self, path: Path, *, clock: Clock, default_policy: Policy) -> None:
        self._path = path
        self._clock = clock
        self._default_policy = default_policy
        self._connection: sqlite3.Connection | None = None

    def clients(self, client_ids: Sequence[int]) -> Mapping[int, ClientRecord]:
        """Return those clients that exist; raises StoreUnavailableError."""
        asked = ",".join("?" * len(client_ids))
        rows = self._fetch(_CLIENTS.format(asked=asked), client_ids)
        return client_records(
            map(ClientLine._make, rows),
            default_policy=self._default_policy,
            now_us=self._clock.now_us(),
        )

    def keys(self, public_ids: Sequence[str]) -> Mapping[str, KeyRecord]:
        """Return those keys that exist; raises StoreUnavailableError."""
        ((found,),) = self._fetch(_KEYS, [json.dumps(public_ids)])
        return {
            public_id: key_record(KeyLine(public_id, generation, bytes.fromhex(record), *rest))
            for public_id, generation, record, *rest in json.loads(found)
        }

    def close(self) -> None:
        """Close the connection; the next read opens it anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fetch(
        self, statement: str, values: Sequence[str] | Sequence[int]
    ) -> list[tuple[Any, ...]]:
        try:
            if self._connection is None:
                self._connection = connect(self._path, cached_statements=256)
                self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailableError(f"the store cannot be read: {error}") from error
