"""Named values of the installation: what is true of the whole store."""

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Deed
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions
from server.storage.schema import meta


class SqlMetaBook:
    """Reads and writes named values."""

    _transactions: Transactions

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        async with self._transactions.reading() as connection:
            found = await connection.execute(select(meta.c.value).where(meta.c.name == name))
            value: str | None = found.scalar_one_or_none()
            return value

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        """Return the value that stands: the proposed one, stored now, when there was none.

        Of several processes that begin on one empty store, one proposes what all will use.
        deed: what goes into the journal if the proposed value is stored now.
        """
        async with self._transactions.writing() as connection:
            insert = _insert(connection).values(name=name, value=proposed)
            settled = await connection.execute(
                insert.on_conflict_do_nothing(index_elements=[meta.c.name])
            )
            if settled.rowcount == 1 and deed is not None:
                await record(self._transactions.now_us, connection, deed)
            found = await connection.execute(select(meta.c.value).where(meta.c.name == name))
            value: str = found.scalar_one()
            return value

    async def swap_meta(self, name: str, before: str, after: str, deed: Deed) -> bool:
        """Put `after` in the place of `before`; False when another value stands there.

        Of several processes that change one value, those that come late see it, and decide anew.
        """
        async with self._transactions.writing() as connection:
            swapped = await connection.execute(
                update(meta).where(meta.c.name == name, meta.c.value == before).values(value=after)
            )
            if swapped.rowcount != 1:
                return False
            await record(self._transactions.now_us, connection, deed)
            return True

    async def set_meta(self, name: str, value: str) -> None:
        """Store a named value durably."""
        async with self._transactions.writing() as connection:
            statement = _insert(connection).values(name=name, value=value)
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[meta.c.name], set_={"value": statement.excluded.value}
                )
            )


def _insert(connection: AsyncConnection) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(meta) if connection.dialect.name == "sqlite" else postgresql.insert(meta)
