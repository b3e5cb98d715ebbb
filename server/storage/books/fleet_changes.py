"""The history of a key is bounded, and no host can wash away what others noticed.

Beyond the number that is kept, the oldest goes of whoever notes more, as long as more than half of
all are that host's: a laptop that flips a fact all day pushes out its own.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.ports import MAX_CHANGES
from server.storage.schema import fleet_change

_TABLE = fleet_change.c


async def trim_changes(
    connection: AsyncConnection, key_id: str, hosts: Collection[str], noted: int
) -> None:
    """Remove what is too much of a key's changes, after hosts noted more; noted: so far, in all."""
    if noted <= MAX_CHANGES:
        return
    here = _TABLE.key_id == key_id
    excess = await _count(connection, here) - MAX_CHANGES
    for host_id in sorted(hosts):
        if excess <= 0:
            return
        its = here & (_TABLE.host_id == host_id)
        share = await _count(connection, its) - MAX_CHANGES // 2
        gone = min(excess, max(0, share))
        await _remove_oldest(connection, its, gone)
        excess -= gone
    await _remove_oldest(connection, here, excess)


async def _count(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    return await connection.scalar(select(func.count()).where(which)) or 0


async def _remove_oldest(
    connection: AsyncConnection, which: ColumnElement[bool], count: int
) -> None:
    if count > 0:
        oldest = select(_TABLE.number).where(which).order_by(_TABLE.number).limit(count)
        await connection.execute(delete(fleet_change).where(which, _TABLE.number.in_(oldest)))
