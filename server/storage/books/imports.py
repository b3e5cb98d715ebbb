"""What the imports of both engines have in common: who is known already, and in which pieces.

An import may bring a hundred thousand keys. Nothing here keeps the event loop for long.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.seals import seal_of
from server.moving.counters_file import Counters
from server.moving.ports import IncomingKey
from server.otp.ports import KeyExistsError, NewKey
from server.storage.schema import otp_key_record

CONFLICT = (
    "a key or client of these files was added by somebody else meanwhile; nothing was imported."
    " Try again to see which"
)

_BREATH = 2_000

_WAIT_FOR_TURN = text("SELECT pg_advisory_xact_lock(:number)").bindparams(
    number=int.from_bytes(b"keyimprt", "big")
)

T = TypeVar("T")

Kept: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Counters]]]
"""Reads counters that wait for their keys, of some public ids."""


async def refuse_repeated(keys: Sequence[NewKey]) -> None:
    """Raise KeyExistsError for the first public id that an import brings twice."""
    seen = set()
    for piece in _pieces(keys, _BREATH):
        for key in piece:
            if key.public_id in seen:
                raise KeyExistsError(key.public_id)
            seen.add(key.public_id)
        await asyncio.sleep(0)


async def refuse_known(connection: AsyncConnection, public_ids: Sequence[str], size: int) -> None:
    """Raise KeyExistsError for the first public id of an import that is stored already.

    size: how many to ask for at once.
    """
    for ids in _pieces(public_ids, size):
        found = await connection.scalars(
            select(otp_key_record.c.public_id).where(otp_key_record.c.public_id.in_(ids))
        )
        known = set(found)
        if known:
            raise KeyExistsError(next(public_id for public_id in ids if public_id in known))


async def one_at_a_time(connection: AsyncConnection) -> None:
    """Let whoever brings keys or counters wait for who does already, until the transaction ends.

    Otherwise counters kept for a key that nobody has, and that key, could come at once and miss
    each other. The embedded store has one owner, who sees to it by itself.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_WAIT_FOR_TURN)


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


def never_used(keys: Sequence[NewKey]) -> list[IncomingKey]:
    """Return keys that come without counters."""
    return [IncomingKey(key, 0, None) for key in keys]


async def with_kept(keys: Sequence[IncomingKey], kept: Kept) -> Sequence[IncomingKey]:
    """Let keys start from the counters that an earlier import brought for them, if any."""
    waiting = await kept([each.key.public_id for each in keys])
    if not waiting:
        return keys
    return [
        each
        if (counters := waiting.get(each.key.public_id)) is None
        else each._replace(counters=counters.later(each.counters or counters))
        for each in keys
    ]


async def seals_of(keys: Sequence[NewKey]) -> frozenset[bytes]:
    """Return what keys are sealed under."""
    seals: set[bytes] = set()
    for piece in _pieces(keys, _BREATH):
        seals.update(seal_of(key.record) for key in piece)
        await asyncio.sleep(0)
    return frozenset(seals)


async def chunks(pages: AsyncIterator[Sequence[T]], size: int) -> AsyncIterator[Sequence[T]]:
    """Yield pages in pieces of at most `size`."""
    async for page in pages:
        for piece in _pieces(page, size):
            yield piece


def _pieces(keys: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
