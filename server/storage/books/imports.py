"""What the imports of both engines have in common: who is known already, and in which pieces.

An import may bring a hundred thousand keys. Nothing here keeps the event loop for long.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.otp.ports import KeyExistsError, NewKey
from server.storage.schema import otp_key_record

_BREATH = 2_000


async def refuse_repeated(keys: Sequence[NewKey]) -> None:
    """Raise KeyExistsError for the first public id that an import brings twice."""
    seen = set()
    for piece in _pieces(keys, _BREATH):
        for key in piece:
            if key.public_id in seen:
                raise KeyExistsError(key.public_id)
            seen.add(key.public_id)
        await asyncio.sleep(0)


async def refuse_known(connection: AsyncConnection, keys: Sequence[NewKey], size: int) -> None:
    """Raise KeyExistsError for the first public id of an import that is stored already.

    size: how many to ask for at once.
    """
    for piece in _pieces(keys, size):
        ids = [key.public_id for key in piece]
        found = await connection.scalars(
            select(otp_key_record.c.public_id).where(otp_key_record.c.public_id.in_(ids))
        )
        known = set(found)
        if known:
            raise KeyExistsError(next(public_id for public_id in ids if public_id in known))


async def in_order(keys: Sequence[NewKey], size: int) -> AsyncIterator[list[NewKey]]:
    """Yield an import in the order of its public ids, in pieces of `size` keys."""
    runs = []
    for piece in _pieces(keys, _BREATH):
        runs.append(sorted(piece))
        await asyncio.sleep(0)
    merged = heapq.merge(*runs)
    while piece := list(islice(merged, size)):
        yield piece
        await asyncio.sleep(0)


def _pieces(keys: Sequence[NewKey], size: int) -> Iterator[Sequence[NewKey]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
