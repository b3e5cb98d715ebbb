"""How far the HSMs' logs were read, noted with the facts of it; and the keys that are AEADs."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.provisioning.key_states import KeyState
from server.facts import NewFact
from server.leases import Lease
from server.storage.books.fact_book import append_facts
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import meta, minted_key, otp_key_record

_AEAD = b"\x02"
"""With it begins a record of strict mode."""


class SqlHsmLogBook:
    """Keeps `server.hsm_log.ports.HsmLogBook`, but for `meta`."""

    _transactions: Transactions

    async def metas(self, prefix: str) -> Mapping[str, str]:
        """Return all named values whose names begin so."""
        named = select(meta.c.name, meta.c.value).where(
            meta.c.name.startswith(prefix, autoescape=True)
        )
        async with self._transactions.reading() as connection:
            return {row.name: row.value for row in await connection.execute(named)}

    async def note_hsm_log(
        self, name: str, was: str | None, now: str, facts: Sequence[NewFact], lease: Lease
    ) -> bool:
        """Change a named value from one to another, and append facts with it. LeaseLostError."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            if not await _swapped(connection, name, was, now):
                return False
            await append_facts(self._transactions.now_us, connection, facts)
            return True

    async def count_aead_records(self) -> int:
        """Return how many keys that are accounted for are AEADs of an HSM (strict mode's records).

        Those are the stored ones, and minted ones whose record was destroyed.
        """
        first = func.substr(otp_key_record.c.record, 1, 1)
        count = select(func.count()).where(first == literal(_AEAD, otp_key_record.c.record.type))
        destroyed = select(func.count()).where(
            minted_key.c.in_hsm, minted_key.c.state == KeyState.DESTROYED.value
        )
        async with self._transactions.reading() as connection:
            return sum([(await connection.execute(one)).scalar_one() for one in (count, destroyed)])


async def _swapped(connection: AsyncConnection, name: str, was: str | None, now: str) -> bool:
    if was is not None:
        changed = await connection.execute(
            update(meta).where(meta.c.name == name, meta.c.value == was).values(value=now)
        )
        return changed.rowcount == 1
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    made = await connection.execute(
        dialect.insert(meta)
        .values(name=name, value=now)
        .on_conflict_do_nothing(index_elements=[meta.c.name])
    )
    return made.rowcount == 1
