"""Leases in the store: granted by its clock, proved in the transaction of what they allow."""

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.leases import Lease, LeaseLostError
from server.storage.books.transactions import StoreClock, Transactions
from server.storage.schema import lease as table


async def require_lease(clock: StoreClock, connection: AsyncConnection, lease: Lease) -> None:
    """Prove a lease in the transaction that writes under it, before anything else in it.

    Its row stays locked until the commit, so nobody is granted it before that. LeaseLostError.
    """
    held = await connection.execute(
        select(table.c.expires_us)
        .where(table.c.name == lease.name, table.c.token == lease.token)
        .with_for_update()
    )
    expires_us = held.scalar_one_or_none()
    # Read after the lock was got: waiting for it may have taken what was left of the time.
    if expires_us is None or await clock(connection) >= expires_us:
        raise LeaseLostError(lease)


class SqlLeaseBook:
    """Keeps `server.leases.LeaseBook`."""

    _transactions: Transactions

    async def acquire_lease(self, name: str, holder: str, duration_us: int) -> Lease | None:
        """Return the lease when nobody holds it, None otherwise."""
        # Most who ask come in vain, and often: they shall not write for that.
        async with self._transactions.reading() as connection:
            held = await connection.execute(select(table.c.expires_us).where(table.c.name == name))
            expires_us = held.scalar_one_or_none()
            now_us = await self._transactions.now_us(connection)
            if expires_us is not None and now_us < expires_us:
                return None
        async with self._transactions.writing() as connection:
            now_us = await self._transactions.now_us(connection)
            offer = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
            granted = await connection.execute(
                offer.values(name=name, holder=holder, token=1, expires_us=now_us + duration_us)
                .on_conflict_do_update(
                    index_elements=[table.c.name],
                    set_={
                        "holder": holder,
                        "token": table.c.token + 1,
                        "expires_us": now_us + duration_us,
                    },
                    # If we waited for somebody's grant, this looks at the row as it is now;
                    # our time is a little old then, and finds a lease ended rather late.
                    where=table.c.expires_us <= now_us,
                )
                .returning(table.c.token)
            )
            token = granted.scalar_one_or_none()
        if token is None:
            return None
        return Lease(name, holder, token, now_us, now_us + duration_us)

    async def renew_lease(self, lease: Lease, duration_us: int) -> Lease:
        """Return the lease, prolonged: it ends `duration_us` from now. LeaseLostError."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            now_us = await self._transactions.now_us(connection)
            await _end_at(connection, lease, now_us + duration_us)
        return lease._replace(granted_us=now_us, expires_us=now_us + duration_us)

    async def rest_lease(self, lease: Lease, until_us: int = 0) -> None:
        """Give the lease back; nobody gets it before `until_us`. LeaseLostError."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            # Under a token that nobody has: also we hold it no more.
            await connection.execute(
                update(table)
                .where(table.c.name == lease.name)
                .values(holder="", token=table.c.token + 1, expires_us=until_us)
            )


async def _end_at(connection: AsyncConnection, lease: Lease, expires_us: int) -> None:
    await connection.execute(
        update(table).where(table.c.name == lease.name).values(expires_us=expires_us)
    )
