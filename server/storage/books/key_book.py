"""The book of keys: what an operator sees and switches. Each engine imports in its own way."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Row, Select, and_, case, cast, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.provisioning.key_states import KeyState
from server.journal.acts import Act, Deed
from server.otp.ports import KeyDetails, KeyNotActivatedError
from server.otp.states import key_state, key_subject
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions
from server.storage.schema import UNFINISHED_IMPORT, meta, minted_key, otp_key, otp_key_record

_unfinished = (
    select(cast(meta.c.value, BigInteger)).where(meta.c.name == UNFINISHED_IMPORT).scalar_subquery()
)

# The encoding of `version` during an import is explained at the table; PostgreSQL imports in
# one transaction and never has a negative version.
VISIBLE = or_(otp_key.c.version > 0, (-otp_key.c.version).is_distinct_from(_unfinished))
VERSION = case((otp_key.c.version < 0, 1), else_=otp_key.c.version)


class SqlKeyBook:
    """Keeps all of `server.otp.ports.KeyBook` but the import."""

    _transactions: Transactions

    async def key_details(self, public_id: str) -> KeyDetails | None:
        """Return one key."""
        async with self._transactions.reading() as connection:
            found = await connection.execute(_details().where(otp_key.c.public_id == public_id))
            row = found.one_or_none()
            return None if row is None else _key_details(row)

    async def list_keys(self, after: str | None, limit: int) -> Sequence[KeyDetails]:
        """Return up to `limit` keys with public id greater than `after`, in order."""
        page = _details().order_by(otp_key.c.public_id).limit(limit)
        if after is not None:
            page = page.where(otp_key.c.public_id > after)
        async with self._transactions.reading() as connection:
            return [_key_details(row) for row in await connection.execute(page)]

    async def set_key_active(self, public_id: str, *, active: bool, act: Act) -> KeyDetails | None:
        """Switch a key on or off; bumps its version, so it holds for the next batch."""
        one = _details().where(otp_key.c.public_id == public_id)
        async with self._transactions.writing() as connection:
            # As an UPDATE locks. PostgreSQL cannot lock through the join's other table alone.
            lock = one.with_for_update(key_share=True, of=otp_key)
            before = (await connection.execute(lock)).one_or_none()
            if before is None:
                return None
            if active and await _waits(connection, public_id):
                raise KeyNotActivatedError(public_id)
            await connection.execute(
                update(otp_key)
                .where(and_(otp_key.c.public_id == public_id, VISIBLE))
                .values(active=active, version=VERSION + 1)
            )
            after = _key_details((await connection.execute(one)).one())
            was = key_state(_key_details(before))
            deed = Deed(act, key_subject(public_id), was, key_state(after))
            await record(self._transactions.now_us, connection, deed)
            return after


async def _waits(connection: AsyncConnection, public_id: str) -> bool:
    """Tell whether a key was minted here and was not activated yet."""
    waiting = KeyState.PRE_ACTIVATION.value
    found = select(minted_key.c.public_id).where(
        minted_key.c.public_id == public_id, minted_key.c.state == waiting
    )
    return (await connection.execute(found)).first() is not None


def _details() -> Select[Any]:
    return (
        select(
            otp_key.c.public_id,
            otp_key_record.c.serial,
            otp_key.c.active,
            VERSION.label("version"),
            otp_key_record.c.generation,
            otp_key.c.session,
            otp_key.c.use,
            otp_key.c.accepted_us,
            otp_key.c.accepted_client,
            otp_key_record.c.created_us,
        )
        .join(otp_key_record, otp_key_record.c.public_id == otp_key.c.public_id)
        .where(VISIBLE)
    )


def _key_details(row: Row[Any]) -> KeyDetails:
    return KeyDetails._make(row)
