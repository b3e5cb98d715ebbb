"""Keys whose day has come, judged anew a few at a time."""

from datetime import date

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import as_report
from server.fleet.health import judge_health, next_turn
from server.fleet.lines import line_word
from server.leases import Lease
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import LEVELS, key_of
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_fault, fleet_key


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
                key = key_of(row)
                report = as_report(key)
                health, turn = judge_health(report, today), next_turn(report, today)
                this = fleet_key.c.key_id == key.key_id
                found = {
                    "level": LEVELS[health.worst],
                    "line": line_word(key),
                    "judged": today.isoformat(),
                    "due": None if turn is None else turn.isoformat(),
                }
                await connection.execute(update(fleet_key).where(this).values(found))
                over = delete(fleet_fault).where(fleet_fault.c.key_id == key.key_id)
                await connection.execute(over)
                rules = sorted({fault.rule.name for fault in health.faults})
                if rules:
                    faults = [{"rule": rule, "key_id": key.key_id} for rule in rules]
                    await connection.execute(insert(fleet_fault), faults)
            return len(rows)

        return await self._transactions.in_one_go(work)
