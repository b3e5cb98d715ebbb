"""What the imports of both engines have in common: who is known already, and in which pieces."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.otp.ports import KeyExistsError, NewKey
from server.storage.schema import otp_key_record


def chunks(keys: Sequence[NewKey], size: int) -> Iterator[Sequence[NewKey]]:
    """Cut an import into pieces of `size` keys."""
    return (keys[start : start + size] for start in range(0, len(keys), size))


def refuse_repeated(keys: Sequence[NewKey]) -> None:
    """Raise KeyExistsError for the first public id that an import brings twice."""
    seen = set()
    for key in keys:
        if key.public_id in seen:
            raise KeyExistsError(key.public_id)
        seen.add(key.public_id)


async def refuse_known(connection: AsyncConnection, keys: Sequence[NewKey], size: int) -> None:
    """Raise KeyExistsError for the first public id of an import that is stored already."""
    for chunk in chunks(keys, size):
        ids = [key.public_id for key in chunk]
        found = await connection.scalars(
            select(otp_key_record.c.public_id).where(otp_key_record.c.public_id.in_(ids))
        )
        known = set(found)
        if known:
            raise KeyExistsError(next(public_id for public_id in ids if public_id in known))
