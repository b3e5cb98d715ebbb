"""The book of clients: who may ask, with which API keys and within which limit."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.seals import seal_of
from server.accounts.customer_ports import UnknownCustomerError
from server.accounts.ports import ApiKeyDetails, BucketUsage, ClientDetails, LimitOverride
from server.accounts.states import client_state, client_subject
from server.journal.acts import Act, Deed
from server.resealing.ports import Kind
from server.storage.books.journal_book import record as write_down
from server.storage.books.resealing_book import refuse_retired
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.limits import check_policy
from server.storage.schema import CLIENT_SEQUENCE, api_key, budget, client, client_owner
from validation.gcra import Policy, Rate

_MAX_LIVE_KEYS = 2


class SqlClientBook:
    """Keeps `server.accounts.ports.ClientBook`."""

    _transactions: Transactions

    async def reserve_client_id(self) -> int:
        """Return a Client ID never used before, counting from 1."""
        async with self._transactions.writing() as connection:
            return await next_number(connection, CLIENT_SEQUENCE)

    async def add_client(
        self,
        client_id: int,
        name: str,
        api_key_record: bytes,
        *,
        signed_only: bool,
        phishing_test: bool,
        customer_id: int | None = None,
        act: Act,
    ) -> ClientDetails:
        """Create a client with its first API key; ValueError when the id is taken.

        customer_id: whose it is; UnknownCustomerError.
        """
        async with self._transactions.writing() as connection:
            now_us = await self._transactions.now_us(connection)
            try:
                await connection.execute(
                    insert(client).values(
                        id=client_id,
                        name=name,
                        active=True,
                        version=1,
                        signed_only=signed_only,
                        phishing_test=phishing_test,
                        created_us=now_us,
                    )
                )
            except IntegrityError:
                raise ValueError(f"client {client_id} exists already") from None
            await connection.execute(
                insert(api_key).values(
                    client_id=client_id, key_id=1, record=api_key_record, created_us=now_us
                )
            )
            await _give(connection, client_id, customer_id)
            (details,) = await _details(connection, [await _row(connection, client_id)])
            await self._record(connection, act, None, details)
            await refuse_retired(connection, Kind.SECRETS, [seal_of(api_key_record)])
            return details

    async def client_details(self, client_id: int) -> ClientDetails | None:
        """Return one client."""
        async with self._transactions.reading() as connection:
            found = await _details(connection, [await _row(connection, client_id)])
            return found[0] if found else None

    async def list_clients(
        self, after: int, limit: int, customer_id: int | None = None
    ) -> Sequence[ClientDetails]:
        """Return up to `limit` clients with an id greater than `after`, in order."""
        page = select(client).where(client.c.id > after).order_by(client.c.id).limit(limit)
        if customer_id is not None:
            owned = client_owner.c.customer_id == customer_id
            page = page.join(client_owner, client_owner.c.client_id == client.c.id).where(owned)
        async with self._transactions.reading() as connection:
            return await _details(connection, (await connection.execute(page)).all())

    async def assign_client(
        self, client_id: int, customer_id: int | None, *, act: Act
    ) -> ClientDetails | None:
        """Give a client to a customer, or (None) to nobody; UnknownCustomerError."""
        async with self._transactions.writing() as connection:
            before = await _locked(connection, client_id)
            row = await _bump(connection, client_id)
            if before is None or row is None:
                return None
            await _give(connection, client_id, customer_id)
            (after,) = await _details(connection, [row])
            await self._record(connection, act, before, after)
            return after

    async def set_client_active(
        self, client_id: int, *, active: bool, act: Act
    ) -> ClientDetails | None:
        """Switch a client on or off."""
        return await self._change(client_id, act, active=active)

    async def set_client_limit(
        self, client_id: int, limit: LimitOverride | None, *, act: Act
    ) -> ClientDetails | None:
        """Give a client a limit of its own, or (None) the default again."""
        return await self._change(client_id, act, **_limit_columns(limit))

    async def set_client_options(
        self, client_id: int, *, signed_only: bool | None, phishing_test: bool | None, act: Act
    ) -> ClientDetails | None:
        """Change how a client's requests are treated; None leaves an option as it is."""
        options = {"signed_only": signed_only, "phishing_test": phishing_test}
        # Only what was given is written: two people may change one option each at once.
        given = {name: value for name, value in options.items() if value is not None}
        return await self._change(client_id, act, **given)

    async def add_api_key(
        self, client_id: int, key_id: int, record: bytes, *, act: Act
    ) -> ClientDetails | None:
        """Add a second live API key; ValueError when there are two or key_id is not the next."""
        async with self._transactions.writing() as connection:
            # The client's row is locked first: that keeps a second rotation waiting.
            before = await _locked(connection, client_id)
            row = await _bump(connection, client_id)
            if before is None or row is None:
                return None
            live = await _live_key_ids(connection, client_id)
            if len(live) >= _MAX_LIVE_KEYS:
                raise ValueError(f"client {client_id} has two live API keys already")
            if key_id != live[-1] + 1:
                raise ValueError(f"the next API key is number {live[-1] + 1}, not {key_id}")
            now_us = await self._transactions.now_us(connection)
            await connection.execute(
                insert(api_key).values(
                    client_id=client_id, key_id=key_id, record=record, created_us=now_us
                )
            )
            (after,) = await _details(connection, [row])
            await self._record(connection, act, before, after)
            await refuse_retired(connection, Kind.SECRETS, [seal_of(record)])
            return after

    async def remove_oldest_api_key(self, client_id: int, *, act: Act) -> ClientDetails | None:
        """End a rotation; ValueError when only one key is live."""
        async with self._transactions.writing() as connection:
            before = await _locked(connection, client_id)
            row = await _bump(connection, client_id)
            if before is None or row is None:
                return None
            live = await _live_key_ids(connection, client_id)
            if len(live) < _MAX_LIVE_KEYS:
                raise ValueError(f"client {client_id} has only one live API key")
            await connection.execute(
                delete(api_key).where(api_key.c.client_id == client_id, api_key.c.key_id == live[0])
            )
            (after,) = await _details(connection, [row])
            await self._record(connection, act, before, after)
            return after

    async def _change(self, client_id: int, act: Act, **columns: object) -> ClientDetails | None:
        async with self._transactions.writing() as connection:
            before = await _locked(connection, client_id)
            row = await _bump(connection, client_id, **columns)
            if before is None or row is None:
                return None
            (after,) = await _details(connection, [row])
            await self._record(connection, act, before, after)
            return after

    async def _record(
        self,
        connection: AsyncConnection,
        act: Act,
        before: ClientDetails | None,
        after: ClientDetails,
    ) -> None:
        was = None if before is None else client_state(before)
        deed = Deed(act, client_subject(after.client_id), was, client_state(after))
        await write_down(self._transactions.now_us, connection, deed)


def _limit_columns(limit: LimitOverride | None) -> dict[str, object]:
    if limit is None:
        names = ("step_us", "slack_us", "day_step_us", "day_slack_us")
        return dict.fromkeys((*names, "shadow", "limit_reason", "limit_expires_us"))
    check_policy(limit.policy)
    return {
        "step_us": limit.policy.burst.step_us,
        "slack_us": limit.policy.burst.slack_us,
        "day_step_us": limit.policy.day.step_us,
        "day_slack_us": limit.policy.day.slack_us,
        "shadow": limit.shadow,
        "limit_reason": limit.reason,
        "limit_expires_us": limit.expires_us,
    }


def _limit(row: Row[Any]) -> LimitOverride | None:
    if row.step_us is None:
        return None
    return LimitOverride(
        Policy(Rate(row.step_us, row.slack_us), Rate(row.day_step_us, row.day_slack_us)),
        row.shadow,
        row.limit_reason,
        row.limit_expires_us,
    )


async def _row(connection: AsyncConnection, client_id: int) -> Row[Any] | None:
    found = await connection.execute(select(client).where(client.c.id == client_id))
    return found.one_or_none()


async def _locked(connection: AsyncConnection, client_id: int) -> ClientDetails | None:
    """Return a client as it is before a change, and let nobody change it until the commit."""
    statement = select(client).where(client.c.id == client_id)
    # As an UPDATE locks: verifications that make a purse for the client need not wait.
    found = await connection.execute(statement.with_for_update(key_share=True))
    details = await _details(connection, [found.one_or_none()])
    return details[0] if details else None


async def _bump(connection: AsyncConnection, client_id: int, **columns: object) -> Row[Any] | None:
    """Change a client under a new version, so that the next batch of every worker sees it."""
    changed = await connection.execute(
        update(client)
        .where(client.c.id == client_id)
        .values(version=client.c.version + 1, **columns)
        .returning(client)
    )
    row: Row[Any] | None = changed.one_or_none()
    return row


async def _give(connection: AsyncConnection, client_id: int, customer_id: int | None) -> None:
    """Make a client a customer's (None: nobody's); the client's row is locked or new."""
    mine = client_owner.c.client_id == client_id
    await connection.execute(delete(client_owner).where(mine))
    if customer_id is None:
        return
    try:
        await connection.execute(
            insert(client_owner).values(client_id=client_id, customer_id=customer_id)
        )
    except IntegrityError:
        raise UnknownCustomerError(customer_id) from None


async def _live_key_ids(connection: AsyncConnection, client_id: int) -> list[int]:
    found = await connection.execute(
        select(api_key.c.key_id).where(api_key.c.client_id == client_id).order_by(api_key.c.key_id)
    )
    return list(found.scalars())


async def _details(
    connection: AsyncConnection, rows: Sequence[Row[Any] | None]
) -> list[ClientDetails]:
    """Complete client rows (None is left out) with their API keys and budgets."""
    present = [row for row in rows if row is not None]
    ids = [row.id for row in present]
    keys: dict[int, list[ApiKeyDetails]] = {}
    usage: dict[int, list[BucketUsage]] = {}
    owners: dict[int, int] = {}
    for row in await connection.execute(
        select(client_owner).where(client_owner.c.client_id.in_(ids))
    ):
        owners[row.client_id] = row.customer_id
    for row in await connection.execute(
        select(api_key.c.client_id, api_key.c.key_id, api_key.c.created_us)
        .where(api_key.c.client_id.in_(ids))
        .order_by(api_key.c.client_id, api_key.c.key_id)
    ):
        keys.setdefault(row.client_id, []).append(ApiKeyDetails(row.key_id, row.created_us))
    for row in await connection.execute(
        select(budget)
        .where(budget.c.client_id.in_(ids))
        .order_by(budget.c.client_id, budget.c.bucket)
    ):
        usage.setdefault(row.client_id, []).append(
            BucketUsage(row.bucket, row.burst_tat_us, row.day_tat_us)
        )
    return [
        ClientDetails(
            client_id=row.id,
            name=row.name,
            active=row.active,
            version=row.version,
            signed_only=row.signed_only,
            phishing_test=row.phishing_test,
            customer_id=owners.get(row.id),
            created_us=row.created_us,
            limit=_limit(row),
            api_keys=tuple(keys.get(row.id, ())),
            usage=tuple(usage.get(row.id, ())),
        )
        for row in present
    ]
