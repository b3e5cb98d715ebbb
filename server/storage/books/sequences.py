"""Numbers that are never given out twice."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.storage.schema import sequence


async def next_number(connection: AsyncConnection, name: str) -> int:
    """Take the next number of a sequence (the first is 1), within the caller's transaction."""
    taken = await connection.execute(
        update(sequence)
        .where(sequence.c.name == name)
        .values(last=sequence.c.last + 1)
        .returning(sequence.c.last)
    )
    number: int = taken.scalar_one()
    return number
