"""Makes the budget rows that a batch will lock, before the first batch that needs them.

The batch's statement only updates: an insert within it could not be locked in order. What
was made is remembered, so later batches cost nothing; the memory is bounded.
"""

from collections.abc import Iterable

import asyncpg  # type: ignore[import-untyped] # the driver ships no types

_MOST_REMEMBERED = 100_000

_MAKE = """
INSERT INTO budget (client_id, bucket, burst_tat_us, day_tat_us)
SELECT c.id, asked.bucket, 0, 0
  FROM unnest($1::bigint[], $2::int[]) AS asked(client_id, bucket)
  JOIN client AS c ON c.id = asked.client_id
 ORDER BY c.id, asked.bucket
    ON CONFLICT DO NOTHING
"""

Account = tuple[int, int]


class Purses:
    """Knows which (client id, bucket) have a row."""

    def __init__(self) -> None:
        self._made: set[Account] = set()

    def missing(self, accounts: Iterable[Account]) -> set[Account]:
        """Return those that are not known to have a row."""
        return set(accounts) - self._made

    async def make(self, connection: asyncpg.Connection, accounts: set[Account]) -> None:
        """Make rows with nothing spent, where there are none; raises what asyncpg raises."""
        ordered = sorted(accounts)
        await connection.execute(_MAKE, [one[0] for one in ordered], [one[1] for one in ordered])
        if len(self._made) >= _MOST_REMEMBERED:
            self._made.clear()
        self._made |= accounts

    def forget(self, account: Account) -> None:
        """Look again before the next batch: the row may be gone (a restored database)."""
        self._made.discard(account)
