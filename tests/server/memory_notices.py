"""Deliveries in memory, for the store that keeps every port there."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from server.accounts.customer_ports import ContactDetails, ContactKind, CustomerDetails
from server.journal.acts import Act, State, Subject
from server.leases import Lease
from server.notices.audience import FOR_INCIDENTS, Customer
from server.notices.delivery import CALL, Delivery, Notice, Standing, planned, proof
from server.notices.ports import Numbered, Progress, Which


class MemoryNotices:
    """DeliveryBook on a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._deliveries: dict[int, Delivery] = {}
        self.proofs: list[State] = []
        """What the ledger has of deliveries that ended."""

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def advance_reader(self, reader: str, position: int, lease: Lease | None = None) -> None:
        raise NotImplementedError

    async def list_customers(
        self, after: int, limit: int, only: int | None = None
    ) -> Sequence[CustomerDetails]:
        raise NotImplementedError

    async def list_contacts(self, customer_id: int) -> Sequence[ContactDetails] | None:
        raise NotImplementedError

    async def plan_notices(
        self,
        notices: Sequence[Notice],
        progress: Progress | None = None,
        lease: Lease | None = None,
    ) -> int:
        if lease is not None:
            self._require(lease)
        if progress is not None:
            await self.advance_reader(progress.reader, progress.position, lease)
        return len(await self._begin(notices))

    async def plan_asked(self, notices: Sequence[Notice], *, act: Act) -> Sequence[Numbered]:
        begun = await self._begin(notices)
        names = ",".join(sorted({one.recipient.name for one in notices}))
        numbers = [one.number for one in begun]
        self._write_down(act, Subject("notice", names), None, {"deliveries": numbers})
        return begun

    async def waiting_deliveries(self, limit: int) -> Sequence[Delivery]:
        now_us = await self.store_time_us()
        due = [
            (one.notice.occasion != CALL, one.attempts, number, one)
            for number, one in self._deliveries.items()
            if one.standing is Standing.WAITING and one.next_us <= now_us
        ]
        return [one for *_, one in sorted(due, key=lambda each: each[:3])][:limit]

    async def note_attempts(self, deliveries: Sequence[Delivery], lease: Lease | None) -> None:
        if lease is not None:
            self._require(lease)
        numbers = {one.delivery_id: number for number, one in self._deliveries.items()}
        for one in deliveries:
            known = self._deliveries.get(numbers.get(one.delivery_id, 0))
            if known is None or known.standing is not Standing.WAITING:
                continue
            if known.attempts <= one.attempts:
                self._deliveries[numbers[one.delivery_id]] = one._replace(notice=known.notice)
                if one.standing is not Standing.WAITING:
                    self.proofs.append(proof(one))

    async def list_deliveries(self, after: int, limit: int, which: Which) -> Sequence[Numbered]:
        found = [
            Numbered(number, one)
            for number, one in self._deliveries.items()
            if number > after
            and which.about in {None, tuple(one.notice.subject)}
            and which.standing in {None, one.standing}
        ]
        return found[:limit]

    async def delivery(self, number: int) -> Numbered | None:
        known = self._deliveries.get(number)
        return None if known is None else Numbered(number, known)

    async def told_customers(
        self, kinds: Sequence[ContactKind] = FOR_INCIDENTS
    ) -> Sequence[Customer]:
        today = datetime.fromtimestamp(await self.store_time_us() / 1_000_000, UTC).date()
        found = []
        for one in await self.list_customers(0, 10_000):
            plan = one.terms.plan
            if one.terms.validation and plan is not None and plan.begins <= today < plan.ends:
                contacts = await self.list_contacts(one.customer_id) or []
                clients = frozenset(one.client_ids)
                found.append(Customer(one.customer_id, clients, _told(contacts, kinds)))
        return found

    async def prune_deliveries(self, before_us: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        old = [
            number
            for number, one in self._deliveries.items()
            if one.ended_us is not None and one.ended_us < before_us
        ]
        for number in old:
            del self._deliveries[number]
        return len(old)

    def erase_place(self, contact_id: int) -> None:
        """Forget where a contact was told."""
        for number, one in self._deliveries.items():
            to = one.notice.recipient
            if to.role.value == "contact" and to.name == str(contact_id):
                gone = one.notice._replace(recipient=to._replace(place=""))
                self._deliveries[number] = one._replace(notice=gone)

    async def _begin(self, notices: Sequence[Notice]) -> list[Numbered]:
        known = {one.delivery_id for one in self._deliveries.values()}
        fresh: Mapping[str, Notice] = {
            one.delivery_id: one for one in notices if one.delivery_id not in known
        }
        now_us = await self.store_time_us()
        first = max(self._deliveries, default=0) + 1
        begun = [
            Numbered(number, planned(one, now_us))
            for number, one in enumerate(fresh.values(), first)
        ]
        self._deliveries.update(begun)
        return begun


def _told(
    contacts: Sequence[ContactDetails], kinds: Sequence[ContactKind]
) -> tuple[tuple[int, str], ...]:
    for kind in kinds:
        found = [(one.contact_id, one.card.email) for one in contacts if kind in one.card.kinds]
        if found:
            return tuple(found)
    return ()
