"""The book of operators and of their tokens, of which it knows only digests."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.accounts.access import Role
from server.accounts.customer_ports import UnknownCustomerError
from server.accounts.operator_ports import (
    MAX_LIVE_TOKENS,
    NOTE_USE_EVERY_US,
    OperatorDetails,
    OperatorExistsError,
    TokenDetails,
    TokenRecord,
    TooManyTokensError,
)
from server.accounts.states import operator_state, operator_subject
from server.journal.acts import Act, Deed
from server.storage.books.journal_book import record
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import TOKEN_SEQUENCE, customer, operator, operator_token


class SqlOperatorBook:
    """Keeps `server.accounts.operator_ports.OperatorBook`."""

    _transactions: Transactions

    async def add_operator(
        self,
        name: str,
        role: Role,
        customer_id: int | None,
        *,
        digest: bytes,
        expires_us: int,
        act: Act,
    ) -> OperatorDetails:
        """Create an operator with a first token; OperatorExistsError, UnknownCustomerError."""
        async with self._transactions.writing() as connection:
            if customer_id is not None:
                # Customers are never removed: what is seen here stays.
                known = select(customer.c.id).where(customer.c.id == customer_id)
                if (await connection.execute(known)).one_or_none() is None:
                    raise UnknownCustomerError(customer_id)
            now_us = await self._transactions.now_us(connection)
            try:
                await connection.execute(
                    insert(operator).values(
                        name=name,
                        role=role.value,
                        customer_id=customer_id,
                        active=True,
                        created_us=now_us,
                    )
                )
            except IntegrityError:
                raise OperatorExistsError(name) from None
            await self._add_token(connection, name, digest, expires_us, now_us)
            return await self._changed(connection, act, name, None)

    async def operator_details(self, name: str) -> OperatorDetails | None:
        """Return one operator with all tokens that were ever theirs, in order."""
        async with self._transactions.reading() as connection:
            return await _one(connection, _selected(name))

    async def list_operators(
        self, after: str, limit: int, customer_id: int | None = None
    ) -> Sequence[OperatorDetails]:
        """Return up to `limit` operators named beyond `after`, in order; of one customer only."""
        page = select(operator).where(operator.c.name > after)
        if customer_id is not None:
            page = page.where(operator.c.customer_id == customer_id)
        page = page.order_by(operator.c.name).limit(limit)
        async with self._transactions.reading() as connection:
            return await _details(connection, (await connection.execute(page)).all())

    async def change_operator(
        self, name: str, *, active: bool | None = None, role: Role | None = None, act: Act
    ) -> OperatorDetails | None:
        """Switch an operator on or off, or give another role; None leaves it as it is."""
        given: dict[str, object] = {}
        if active is not None:
            given["active"] = active
        if role is not None:
            given["role"] = role.value
        async with self._transactions.writing() as connection:
            before = await _one(connection, _locked(name))
            if before is None:
                return None
            if given:
                await connection.execute(
                    update(operator).where(operator.c.name == name).values(**given)
                )
            return await self._changed(connection, act, name, before)

    async def add_token(
        self, name: str, *, digest: bytes, expires_us: int, act: Act
    ) -> OperatorDetails | None:
        """Give an operator one more token, the last of the details; TooManyTokensError."""
        async with self._transactions.writing() as connection:
            before = await _one(connection, _locked(name))
            if before is None:
                return None
            now_us = await self._transactions.now_us(connection)
            live = [one for one in before.tokens if one.revoked_us is None]
            if sum(one.expires_us > now_us for one in live) >= MAX_LIVE_TOKENS:
                raise TooManyTokensError(name)
            await self._add_token(connection, name, digest, expires_us, now_us)
            return await self._changed(connection, act, name, before)

    async def revoke_token(self, name: str, number: int, *, act: Act) -> OperatorDetails | None:
        """End a token of an operator's; None also when the token is not theirs."""
        async with self._transactions.writing() as connection:
            before = await _one(connection, _locked(name))
            found = [one for one in before.tokens if one.number == number] if before else []
            if not found:
                return None
            if found[0].revoked_us is not None:
                return before
            now_us = await self._transactions.now_us(connection)
            await connection.execute(
                update(operator_token)
                .where(operator_token.c.number == number)
                .values(revoked_us=now_us)
            )
            return await self._changed(connection, act, name, before)

    async def token_record(self, number: int) -> TokenRecord | None:
        """Return a token with whose it is."""
        statement = (
            select(operator_token, operator)
            .join(operator, operator.c.name == operator_token.c.operator)
            .where(operator_token.c.number == number)
        )
        async with self._transactions.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        if row is None:
            return None
        token = TokenDetails(
            number,
            row[operator_token.c.created_us],
            row[operator_token.c.expires_us],
            row[operator_token.c.last_used_us],
            row[operator_token.c.revoked_us],
        )
        return TokenRecord(
            row[operator_token.c.digest],
            token,
            row[operator.c.name],
            Role(row[operator.c.role]),
            row[operator.c.customer_id],
            row[operator.c.active],
        )

    async def note_token_use(self, number: int, used_us: int) -> None:
        """Keep when a token was used last, unless a use less than a minute before that is kept."""
        last = operator_token.c.last_used_us
        # Later than now: the clock went back.
        stale = or_(last.is_(None), last <= used_us - NOTE_USE_EVERY_US, last > used_us)
        async with self._transactions.writing() as connection:
            await connection.execute(
                update(operator_token)
                .where(operator_token.c.number == number, stale)
                .values(last_used_us=used_us)
            )

    async def _add_token(
        self, connection: AsyncConnection, name: str, digest: bytes, expires_us: int, now_us: int
    ) -> None:
        number = await next_number(connection, TOKEN_SEQUENCE)
        await connection.execute(
            insert(operator_token).values(
                number=number,
                operator=name,
                digest=digest,
                created_us=now_us,
                expires_us=expires_us,
            )
        )

    async def _changed(
        self, connection: AsyncConnection, act: Act, name: str, before: OperatorDetails | None
    ) -> OperatorDetails:
        """Write a change down and return the operator as it is now."""
        after = await _one(connection, _selected(name))
        if after is None:
            raise RuntimeError("an operator is gone within the transaction that changed it")
        was = None if before is None else operator_state(before)
        deed = Deed(act, operator_subject(name), was, operator_state(after))
        await record(self._transactions.now_us, connection, deed)
        return after


def _selected(name: str) -> Select[Any]:
    return select(operator).where(operator.c.name == name)


def _locked(name: str) -> Select[Any]:
    """Select an operator and let nobody change it, or its tokens, until the commit."""
    return _selected(name).with_for_update(key_share=True)


async def _one(connection: AsyncConnection, statement: Select[Any]) -> OperatorDetails | None:
    found = await _details(connection, (await connection.execute(statement)).all())
    return found[0] if found else None


async def _details(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[OperatorDetails]:
    tokens: dict[str, list[TokenDetails]] = {}
    for row in await connection.execute(
        select(operator_token)
        .where(operator_token.c.operator.in_([row.name for row in rows]))
        .order_by(operator_token.c.number)
    ):
        found = TokenDetails(
            row.number, row.created_us, row.expires_us, row.last_used_us, row.revoked_us
        )
        tokens.setdefault(row.operator, []).append(found)
    return [
        OperatorDetails(
            row.name,
            Role(row.role),
            row.customer_id,
            row.active,
            row.created_us,
            tuple(tokens.get(row.name, ())),
        )
        for row in rows
    ]
