"""How many there are in the fleet: one look through an index each, off the writer's turn.

Of a million keys that is some 20 MB read in order. Nothing is counted beside: a number that is kept
would have to be right after every transaction of everybody.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from server.fleet.hosts import HostState
from server.fleet.ports import KeyCount
from server.storage.books.fleet_rows import LEVEL_OF, firmware_text
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_fault, fleet_host, fleet_key


class SqlFleetCountBook:
    """Keeps the counting of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def key_counts(self) -> Sequence[KeyCount]:
        """Count keys by what was found of them last."""
        alike = (fleet_key.c.level, fleet_key.c.line, fleet_key.c.firmware)
        counted = select(*alike, func.count().label("keys")).group_by(*alike)
        async with self._transactions.reading() as connection:
            return [
                KeyCount(LEVEL_OF[row.level], row.line, firmware_text(row.firmware), row.keys)
                for row in await connection.execute(counted)
            ]

    async def rule_counts(self) -> Mapping[str, int]:
        """Count the keys at which each rule found something."""
        rule = fleet_fault.c.rule
        counted = select(rule, func.count().label("keys")).group_by(rule)
        async with self._transactions.reading() as connection:
            return {row.rule: row.keys for row in await connection.execute(counted)}

    async def host_counts(self) -> Mapping[HostState, int]:
        """Count hosts."""
        state = fleet_host.c.state
        counted = select(state, func.count().label("hosts")).group_by(state)
        async with self._transactions.reading() as connection:
            return {HostState(row.state): row.hosts for row in await connection.execute(counted)}
