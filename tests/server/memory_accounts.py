"""Customers and operators in memory, for the store that keeps every port there."""

from collections.abc import Sequence

from server.accounts.access import Role
from server.accounts.customer_ports import (
    Acceptance,
    ContactCard,
    ContactDetails,
    CustomerChangedError,
    CustomerDetails,
    CustomerTerms,
    UnknownCustomerError,
)
from server.accounts.operator_ports import (
    MAX_LIVE_TOKENS,
    NOTE_USE_EVERY_US,
    OperatorDetails,
    OperatorExistsError,
    TokenDetails,
    TokenRecord,
    TooManyTokensError,
)
from server.accounts.states import (
    contact_state,
    contact_subject,
    customer_state,
    customer_subject,
    operator_state,
    operator_subject,
)
from server.clock import Clock
from server.journal.acts import Act, State, Subject


class MemoryAccounts:
    """CustomerBook and OperatorBook on dictionaries."""

    _clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self._customers: dict[int, CustomerDetails] = {}
        self._contacts: dict[int, ContactDetails] = {}
        self._last_contact = 0
        self._operators: dict[str, OperatorDetails] = {}
        self._digests: dict[int, tuple[str, bytes]] = {}

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def _client_ids_of(self, customer_id: int) -> tuple[int, ...]:
        raise NotImplementedError

    async def add_customer(self, terms: CustomerTerms, *, act: Act) -> CustomerDetails:
        customer_id = len(self._customers) + 1
        details = CustomerDetails(customer_id, terms, self._clock.now_us(), (), ())
        self._write_down(act, customer_subject(customer_id), None, customer_state(details))
        self._customers[customer_id] = details
        return details

    async def customer_details(self, customer_id: int) -> CustomerDetails | None:
        found = self._customers.get(customer_id)
        return found and found._replace(client_ids=self._client_ids_of(customer_id))

    async def list_customers(
        self, after: int, limit: int, only: int | None = None
    ) -> Sequence[CustomerDetails]:
        ids = sorted(n for n in self._customers if n > after and only in {None, n})[:limit]
        found = [await self.customer_details(number) for number in ids]
        return [details for details in found if details is not None]

    async def change_customer(
        self, customer_id: int, before: CustomerTerms, after: CustomerTerms, *, act: Act
    ) -> CustomerDetails | None:
        found = await self.customer_details(customer_id)
        if found is None:
            return None
        if found.terms != before:
            raise CustomerChangedError(customer_id)
        return self._change_customer(act, found, found._replace(terms=after))

    async def add_acceptance(
        self, customer_id: int, version: str, accepted_by: str, *, act: Act
    ) -> CustomerDetails | None:
        found = await self.customer_details(customer_id)
        if found is None:
            return None
        given = Acceptance(version, self._clock.now_us(), accepted_by)
        after = found._replace(acceptances=(*found.acceptances, given))
        return self._change_customer(act, found, after)

    def _change_customer(
        self, act: Act, before: CustomerDetails, after: CustomerDetails
    ) -> CustomerDetails:
        subject = customer_subject(after.customer_id)
        self._write_down(act, subject, customer_state(before), customer_state(after))
        self._customers[after.customer_id] = after
        return after

    async def add_contact(
        self, customer_id: int, card: ContactCard, *, act: Act
    ) -> ContactDetails | None:
        if customer_id not in self._customers:
            return None
        self._last_contact += 1
        details = ContactDetails(self._last_contact, customer_id, card, self._clock.now_us())
        subject = contact_subject(details.contact_id)
        self._write_down(act, subject, None, contact_state(details))
        self._contacts[details.contact_id] = details
        return details

    async def list_contacts(self, customer_id: int) -> Sequence[ContactDetails] | None:
        if customer_id not in self._customers:
            return None
        return [one for _, one in sorted(self._contacts.items()) if one.customer_id == customer_id]

    async def remove_contact(
        self, customer_id: int, contact_id: int, *, act: Act
    ) -> ContactDetails | None:
        found = self._contacts.get(contact_id)
        if found is None or found.customer_id != customer_id:
            return None
        self._write_down(act, contact_subject(contact_id), contact_state(found), None)
        return self._contacts.pop(contact_id)

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
        if customer_id is not None and customer_id not in self._customers:
            raise UnknownCustomerError(customer_id)
        if name in self._operators:
            raise OperatorExistsError(name)
        details = OperatorDetails(name, role, customer_id, True, self._clock.now_us(), ())
        return self._change_operator(act, None, self._with_token(details, digest, expires_us))

    async def operator_details(self, name: str) -> OperatorDetails | None:
        return self._operators.get(name)

    async def list_operators(
        self, after: str, limit: int, customer_id: int | None = None
    ) -> Sequence[OperatorDetails]:
        found = [one for name, one in sorted(self._operators.items()) if name > after]
        return [one for one in found if customer_id in {None, one.customer_id}][:limit]

    async def change_operator(
        self, name: str, *, active: bool | None = None, role: Role | None = None, act: Act
    ) -> OperatorDetails | None:
        before = self._operators.get(name)
        if before is None:
            return None
        after = before._replace(
            active=before.active if active is None else active,
            role=before.role if role is None else role,
        )
        return self._change_operator(act, before, after)

    async def add_token(
        self, name: str, *, digest: bytes, expires_us: int, act: Act
    ) -> OperatorDetails | None:
        before = self._operators.get(name)
        if before is None:
            return None
        now_us = self._clock.now_us()
        live = [t for t in before.tokens if t.revoked_us is None and t.expires_us > now_us]
        if len(live) >= MAX_LIVE_TOKENS:
            raise TooManyTokensError(name)
        return self._change_operator(act, before, self._with_token(before, digest, expires_us))

    async def revoke_token(self, name: str, number: int, *, act: Act) -> OperatorDetails | None:
        before = self._operators.get(name)
        found = [one for one in before.tokens if one.number == number] if before else []
        if before is None or not found:
            return None
        if found[0].revoked_us is not None:
            return before
        ended = found[0]._replace(revoked_us=self._clock.now_us())
        return self._change_operator(act, before, _with(before, ended))

    async def token_record(self, number: int) -> TokenRecord | None:
        if number not in self._digests:
            return None
        name, digest = self._digests[number]
        operator = self._operators[name]
        (token,) = (one for one in operator.tokens if one.number == number)
        return TokenRecord(
            digest, token, name, operator.role, operator.customer_id, operator.active
        )

    async def note_token_use(self, number: int, used_us: int) -> None:
        name, _ = self._digests[number]
        operator = self._operators[name]
        (token,) = (one for one in operator.tokens if one.number == number)
        last = token.last_used_us
        if last is None or not last <= used_us < last + NOTE_USE_EVERY_US:
            self._operators[name] = _with(operator, token._replace(last_used_us=used_us))

    def _with_token(
        self, operator: OperatorDetails, digest: bytes, expires_us: int
    ) -> OperatorDetails:
        number = len(self._digests) + 1
        self._digests[number] = (operator.name, digest)
        token = TokenDetails(number, self._clock.now_us(), expires_us, None, None)
        return operator._replace(tokens=(*operator.tokens, token))

    def _change_operator(
        self, act: Act, before: OperatorDetails | None, after: OperatorDetails
    ) -> OperatorDetails:
        was = None if before is None else operator_state(before)
        self._write_down(act, operator_subject(after.name), was, operator_state(after))
        self._operators[after.name] = after
        return after


def _with(operator: OperatorDetails, token: TokenDetails) -> OperatorDetails:
    tokens = (token if one.number == token.number else one for one in operator.tokens)
    return operator._replace(tokens=tuple(tokens))
