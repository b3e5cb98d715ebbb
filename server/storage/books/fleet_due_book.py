"""Keys whose day has come, judged anew a few at a time: nobody reported anything new of them."""

from datetime import date
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import as_report
from server.fleet.health import RULES, Ends, judge_health, next_turn
from server.fleet.lines import line_word
from server.leases import Lease
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import LEVELS, key_of
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_fault, fleet_key

_DATED = frozenset(rule.name for rule in RULES if isinstance(rule.holds, Ends))
"""Rules that look at the day. What others find is as it was when the facts were written."""

_LEVEL = {rule.name: LEVELS[rule.level] for rule in RULES}


class SqlFleetDueBook:
    """Keeps `judge_due` of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def judge_due(self, today: date, limit: int, lease: Lease) -> int:
        """Judge up to `limit` keys whose day has come; return how many. LeaseLostError."""

        async def work(connection: AsyncConnection) -> int:
            await take_turn(connection)
            await require_lease(self._transactions.now_us, connection, lease)
            due = select(fleet_key).where(fleet_key.c.due <= today.isoformat())
            rows = list(await connection.execute(due.order_by(fleet_key.c.due).limit(limit)))
            for row in rows:
                await _judge(connection, row, today)
            return len(rows)

        return await self._transactions.in_one_go(work)


async def _judge(connection: AsyncConnection, row: Row[Any], today: date) -> None:
    key = key_of(row)
    report = as_report(key)
    health, turn = judge_health(report, today), next_turn(report, today)
    of_key = fleet_fault.c.key_id == key.key_id
    stood = set((await connection.execute(select(fleet_fault.c.rule).where(of_key))).scalars())
    stands = {fault.rule.name for fault in health.faults} & _DATED
    kept = stood - _DATED
    level = max([LEVELS[health.worst], *(_LEVEL.get(rule, row.level) for rule in kept)])
    found = {
        "level": level,
        "line": line_word(report),
        "judged": today.isoformat(),
        "due": None if turn is None else turn.isoformat(),
    }
    await connection.execute(
        update(fleet_key).where(fleet_key.c.key_id == key.key_id).values(found)
    )
    over = stood & _DATED - stands
    if over:
        await connection.execute(delete(fleet_fault).where(of_key, fleet_fault.c.rule.in_(over)))
    begun = [{"rule": rule, "key_id": key.key_id} for rule in sorted(stands - stood)]
    if begun:
        await connection.execute(insert(fleet_fault), begun)
