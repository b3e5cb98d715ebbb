"""Deliveries in the store: planned once each, noted after every attempt, proved in the ledger."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.accounts.customer_ports import ContactKind
from server.journal.acts import Act, Deed
from server.journal.acts import Subject as JournalSubject
from server.journal.canonical import canonical, parse_object
from server.leases import Lease
from server.ledger.entry import Kind, NewEntry
from server.notices.audience import FOR_INCIDENTS, Customer
from server.notices.delivery import (
    CALL,
    Delivery,
    Notice,
    Recipient,
    Role,
    Standing,
    Subject,
    planned,
    proof,
)
from server.notices.ports import Numbered, Progress, Which
from server.notices.sending import Way
from server.storage.books.fact_book import move_reader
from server.storage.books.journal_book import record
from server.storage.books.lease_book import require_lease
from server.storage.books.ledger_book import append_ledger
from server.storage.books.transactions import Transactions
from server.storage.schema import DELIVERY_SEQUENCE, client_owner, contact, customer, sequence
from server.storage.schema import delivery as table

_PRUNED_AT_ONCE = 1_000
_US = 1_000_000


class SqlDeliveryBook:
    """Keeps `server.notices.ports.DeliveryBook`."""

    _transactions: Transactions

    async def plan_notices(
        self,
        notices: Sequence[Notice],
        progress: Progress | None = None,
        lease: Lease | None = None,
    ) -> int:
        """Begin deliveries that are new; return how many."""
        if not notices and progress is None:
            return 0
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            begun = await self._begin_deliveries(connection, notices)
            if progress is not None:
                await move_reader(connection, *progress)
            return len(begun)

    async def plan_asked(self, notices: Sequence[Notice], *, act: Act) -> Sequence[Numbered]:
        """Begin deliveries that a person asks for; in the journal."""
        async with self._transactions.writing() as connection:
            begun = await self._begin_deliveries(connection, notices)
            names = sorted({one.recipient.name for one in notices})
            subject = JournalSubject("notice", ",".join(names))
            deed = Deed(act, subject, None, {"deliveries": [one.number for one in begun]})
            await record(self._transactions.now_us, connection, deed)
            return begun

    async def waiting_deliveries(self, limit: int) -> Sequence[Delivery]:
        """Return up to `limit` that are due: calls first, then the least tried, the oldest."""
        async with self._transactions.reading() as connection:
            now_us = await self._transactions.now_us(connection)
            due = select(table).where(
                table.c.standing == Standing.WAITING.value, table.c.next_us <= now_us
            )
            first = case((table.c.occasion == CALL, 0), else_=1)
            # Where nothing gets out, what fails again and again must not keep the newest waiting.
            order = (first, table.c.attempts, table.c.number)
            rows = await connection.execute(due.order_by(*order).limit(limit))
            return [_delivery(row) for row in rows]

    async def note_attempts(self, deliveries: Sequence[Delivery], lease: Lease | None) -> None:
        """Store deliveries as they are after an attempt; what has ended goes into the ledger."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            ended: list[NewEntry] = []
            for one in deliveries:
                changed = await connection.execute(
                    update(table)
                    .where(
                        table.c.delivery_id == one.delivery_id,
                        table.c.standing == Standing.WAITING.value,
                        table.c.attempts <= one.attempts,
                    )
                    .values(
                        standing=one.standing.value,
                        attempts=one.attempts,
                        next_us=one.next_us,
                        ended_us=one.ended_us,
                        detail=one.detail,
                    )
                )
                if changed.rowcount and one.standing is not Standing.WAITING:
                    about = one.notice.subject
                    ended.append(NewEntry(Kind.NOTICE, f"{about.kind} {about.id}", proof(one)))
            await append_ledger(self._transactions.now_us, connection, ended)

    async def list_deliveries(self, after: int, limit: int, which: Which) -> Sequence[Numbered]:
        """Return up to `limit` with a number beyond `after`, in order."""
        page = select(table).where(table.c.number > after)
        if which.about is not None:
            kind, number = which.about
            page = page.where(table.c.subject_kind == kind, table.c.subject_id == number)
        if which.standing is not None:
            page = page.where(table.c.standing == which.standing.value)
        async with self._transactions.reading() as connection:
            rows = await connection.execute(page.order_by(table.c.number).limit(limit))
            return [Numbered(row.number, _delivery(row)) for row in rows]

    async def delivery(self, number: int) -> Numbered | None:
        """Return one."""
        async with self._transactions.reading() as connection:
            found = await connection.execute(select(table).where(table.c.number == number))
            row = found.one_or_none()
            return None if row is None else Numbered(row.number, _delivery(row))

    async def told_customers(
        self, kinds: Sequence[ContactKind] = FOR_INCIDENTS
    ) -> Sequence[Customer]:
        """Return the customers that have the validation add-on today."""
        async with self._transactions.reading() as connection:
            now_us = await self._transactions.now_us(connection)
            today = datetime.fromtimestamp(now_us // _US, UTC).date().isoformat()
            bought = select(customer.c.id).where(
                customer.c.validation, customer.c.plan_from <= today, customer.c.plan_to > today
            )
            ids = [row.id for row in await connection.execute(bought.order_by(customer.c.id))]
            clients: dict[int, set[int]] = {}
            owned = select(client_owner).where(client_owner.c.customer_id.in_(bought))
            for row in await connection.execute(owned):
                clients.setdefault(row.customer_id, set()).add(row.client_id)
            contacts: dict[int, dict[str, list[tuple[int, str]]]] = {}
            talked_to = select(contact).where(contact.c.customer_id.in_(bought))
            for row in await connection.execute(talked_to.order_by(contact.c.id)):
                for kind in row.kinds.split():
                    of_kind = contacts.setdefault(row.customer_id, {}).setdefault(kind, [])
                    of_kind.append((row.id, row.email))
            return [
                Customer(
                    number, frozenset(clients.get(number, ())), _told(contacts.get(number), kinds)
                )
                for number in ids
            ]

    async def prune_deliveries(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove deliveries that ended before then, some at a time; return how many."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            old = select(table.c.number).where(table.c.ended_us < before_us)
            old = old.order_by(table.c.number).limit(_PRUNED_AT_ONCE)
            return (await connection.execute(delete(table).where(table.c.number.in_(old)))).rowcount

    async def _begin_deliveries(
        self, connection: AsyncConnection, notices: Sequence[Notice]
    ) -> list[Numbered]:
        """Insert those that are new, in few statements: nobody may wait long for the write turn."""
        if not notices:
            return []
        # Locked until the commit: nobody else begins the same meanwhile.
        turn = select(sequence).where(sequence.c.name == DELIVERY_SEQUENCE)
        await connection.execute(turn.with_for_update())
        wanted = {notice.delivery_id: notice for notice in notices}
        known = select(table.c.delivery_id).where(table.c.delivery_id.in_(list(wanted)))
        there = {row.delivery_id for row in await connection.execute(known)}
        fresh = [notice for ident, notice in wanted.items() if ident not in there]
        if not fresh:
            return []
        taken = await connection.execute(
            update(sequence)
            .where(sequence.c.name == DELIVERY_SEQUENCE)
            .values(last=sequence.c.last + len(fresh))
            .returning(sequence.c.last)
        )
        first = taken.scalar_one() - len(fresh) + 1
        now_us = await self._transactions.now_us(connection)
        begun = [
            Numbered(number, planned(notice, now_us)) for number, notice in enumerate(fresh, first)
        ]
        rows = [{"number": one.number, **_row(one.delivery)} for one in begun]
        await connection.execute(insert(table), rows)
        return begun


async def erase_place(connection: AsyncConnection, contact_id: int) -> None:
    """Forget where a contact was told, within the transaction that removes them.

    What waits to be told to them is not sent any more.
    """
    theirs = (table.c.role == Role.CONTACT.value) & (table.c.name == str(contact_id))
    await connection.execute(update(table).where(theirs).values(place=""))


def _told(
    contacts: dict[str, list[tuple[int, str]]] | None, kinds: Sequence[ContactKind]
) -> tuple[tuple[int, str], ...]:
    """Return those of the first kind that anybody is of."""
    known = contacts or {}
    for kind in kinds:
        if of_kind := known.get(kind.value):
            return tuple(of_kind)
    return ()


def _row(one: Delivery) -> dict[str, object]:
    notice = one.notice
    return {
        "delivery_id": one.delivery_id,
        "key": notice.key,
        "occasion": notice.occasion,
        "subject_kind": notice.subject.kind,
        "subject_id": notice.subject.id,
        "role": notice.recipient.role.value,
        "name": notice.recipient.name,
        "way": notice.recipient.way.value,
        "place": notice.recipient.place,
        "customer_id": notice.recipient.customer,
        "happened_us": notice.happened_us,
        "words": notice.words,
        "text": notice.text,
        "payload": canonical(notice.payload).decode(),
        "standing": one.standing.value,
        "attempts": one.attempts,
        "created_us": one.created_us,
        "next_us": one.next_us,
        "ended_us": one.ended_us,
        "detail": one.detail,
    }


def _delivery(row: Row[Any]) -> Delivery:
    recipient = Recipient(Role(row.role), row.name, Way(row.way), row.place, row.customer_id)
    notice = Notice(
        row.key,
        row.occasion,
        Subject(row.subject_kind, row.subject_id),
        recipient,
        row.happened_us,
        row.words,
        row.text,
        parse_object(row.payload.encode()),
    )
    standing = Standing(row.standing)
    return Delivery(
        notice, standing, row.attempts, row.created_us, row.next_us, row.ended_us, row.detail
    )
