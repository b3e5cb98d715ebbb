"""The operator's desk for clients: the parties that may ask for verifications."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hsm.vault import Vault
from server.accounts.limits import (
    LimitFigures,
    Usage,
    checked_limit,
    policy_in_force,
    usage,
)
from server.accounts.ports import ClientBook, ClientDetails
from server.accounts.text import checked_name
from server.clock import Clock
from server.journal.acts import Cause
from validation.gcra import Policy

API_KEY_OCTETS = 20
MAX_LIVE_KEYS = 2
MAX_PAGE = 1000


class UnknownClientError(LookupError):
    """There is no client with this id."""

    def __init__(self, client_id: int) -> None:
        super().__init__(f"there is no client {client_id}; list the clients to see their ids")
        self.client_id = client_id


class RotationError(Exception):
    """The client's API keys are not in the state that this step of a rotation needs."""


class ClientView(NamedTuple):
    """A client as an operator sees it, with what it may use and has used.

    limit: the figures in force now, `details.limit` the override they may come from.
    """

    details: ClientDetails
    limit: LimitFigures
    usage: tuple[Usage, ...]


class IssuedApiKey(NamedTuple):
    """A client with its new API key (base64), shown this once and never again."""

    client: ClientView
    api_key: str

    def __repr__(self) -> str:
        """Leave out the key: it is for its owner, not for logs."""
        return f"IssuedApiKey(client_id={self.client.details.client_id}, <hidden>)"


def api_key_label(client_id: int, key_id: int) -> str:
    """Name what a sealed API key is bound to; the verifier opens it under the same name."""
    return f"client-key/{client_id}/{key_id}"


class ClientDesk:
    """What an operator may do with clients. Store and vault errors pass through.

    default_policy: the limit of a client without one of its own. random_octets: the source
    of API keys; anything but the system's own is for tests.
    """

    def __init__(
        self,
        book: ClientBook,
        vault: Vault,
        *,
        clock: Clock,
        default_policy: Policy,
        random_octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._book = book
        self._vault = vault
        self._clock = clock
        self._default_policy = default_policy
        self._random_octets = random_octets

    async def add(
        self,
        name: str,
        *,
        cause: Cause,
        signed_only: bool = False,
        phishing_test: bool = False,
        customer: int | None = None,
    ) -> IssuedApiKey:
        """Create a client and its first API key. InputError for a bad name.

        customer: whose it is (UnknownCustomerError), None: nobody's.
        """
        name = checked_name(name)
        client_id = await self._book.reserve_client_id()
        secret, record = await self._new_api_key(client_id, 1)
        details = await self._book.add_client(
            client_id,
            name,
            record,
            signed_only=signed_only,
            phishing_test=phishing_test,
            customer_id=customer,
            act=cause.act("client.add"),
        )
        return IssuedApiKey(self._view(details), secret)

    async def show(self, client_id: int) -> ClientView:
        """Return one client, or raise UnknownClientError, as all methods below."""
        return self._known(client_id, await self._book.client_details(client_id))

    async def list(
        self, after: int, limit: int, customer: int | None = None
    ) -> Sequence[ClientView]:
        """Return up to `limit` (at most MAX_PAGE) clients with an id beyond `after`, in order.

        customer: only that customer's, None: all.
        """
        found = await self._book.list_clients(after, max(1, min(limit, MAX_PAGE)), customer)
        return [self._view(details) for details in found]

    async def assign(self, client_id: int, customer: int | None, *, cause: Cause) -> ClientView:
        """Give a client to a customer, or (None) to nobody. UnknownCustomerError."""
        details = await self._book.assign_client(
            client_id, customer, act=cause.act("client.assign")
        )
        return self._known(client_id, details)

    async def enable(self, client_id: int, *, cause: Cause) -> ClientView:
        """Serve a client again, from the next batch on."""
        details = await self._book.set_client_active(
            client_id, active=True, act=cause.act("client.enable")
        )
        return self._known(client_id, details)

    async def disable(self, client_id: int, *, cause: Cause) -> ClientView:
        """Refuse a client, from the next batch on."""
        details = await self._book.set_client_active(
            client_id, active=False, act=cause.act("client.disable")
        )
        return self._known(client_id, details)

    async def limit(
        self,
        client_id: int,
        *,
        cause: Cause,
        rate: int,
        burst: int,
        per_day: int | None = None,
        shadow: bool = False,
        expires_us: int | None = None,
    ) -> ClientView:
        """Give a client a limit of its own: sessions per second, at once and per day.

        The cause's reason is kept with it. shadow: only count and report what would be
        refused. expires_us: when the default
        holds again, microseconds since the epoch. InputError for a figure out of bounds.
        """
        override = checked_limit(
            LimitFigures(rate, burst, per_day),
            shadow=shadow,
            reason=cause.reason,
            expires_us=expires_us,
            now_us=self._clock.now_us(),
        )
        details = await self._book.set_client_limit(
            client_id, override, act=cause.act("client.limit")
        )
        return self._known(client_id, details)

    async def reset_limit(self, client_id: int, *, cause: Cause) -> ClientView:
        """Hold a client to the default limit again."""
        details = await self._book.set_client_limit(
            client_id, None, act=cause.act("client.limit_default")
        )
        return self._known(client_id, details)

    async def options(
        self,
        client_id: int,
        *,
        cause: Cause,
        signed_only: bool | None = None,
        phishing_test: bool | None = None,
    ) -> ClientView:
        """Change how a client's requests are treated; None leaves an option as it is."""
        details = await self._book.set_client_options(
            client_id,
            signed_only=signed_only,
            phishing_test=phishing_test,
            act=cause.act("client.options"),
        )
        return self._known(client_id, details)

    async def rotate(self, client_id: int, *, cause: Cause) -> IssuedApiKey:
        """Issue a second API key; both verify until the rotation is finished. RotationError."""
        keys = (await self.show(client_id)).details.api_keys
        if len(keys) >= MAX_LIVE_KEYS:
            raise RotationError(
                f"client {client_id} has two live API keys already: finish its rotation first,"
                " which ends the older one"
            )
        key_id = max((key.key_id for key in keys), default=0) + 1
        secret, record = await self._new_api_key(client_id, key_id)
        try:
            details = await self._book.add_api_key(
                client_id, key_id, record, act=cause.act("client.rotate")
            )
        except ValueError as error:
            raise RotationError(
                f"the API keys of client {client_id} were changed at the same time by somebody"
                " else: look at them and try again"
            ) from error
        return IssuedApiKey(self._known(client_id, details), secret)

    async def finish_rotation(self, client_id: int, *, cause: Cause) -> ClientView:
        """End the older of two API keys, from the next batch on. RotationError."""
        try:
            details = await self._book.remove_oldest_api_key(
                client_id, act=cause.act("client.rotate_finish")
            )
        except ValueError as error:
            raise RotationError(
                f"client {client_id} has one API key only: there is no rotation to finish"
            ) from error
        return self._known(client_id, details)

    async def _new_api_key(self, client_id: int, key_id: int) -> tuple[str, bytes]:
        """Return a new API key as base64 and sealed under the client's and the key's id."""
        secret = self._random_octets(API_KEY_OCTETS)
        record = await self._vault.seal_secret(api_key_label(client_id, key_id), secret)
        return b64encode(secret).decode("ascii"), record

    def _known(self, client_id: int, details: ClientDetails | None) -> ClientView:
        if details is None:
            raise UnknownClientError(client_id)
        return self._view(details)

    def _view(self, details: ClientDetails) -> ClientView:
        now_us = self._clock.now_us()
        policy = policy_in_force(details.limit, self._default_policy, now_us)
        return ClientView(details, LimitFigures.of(policy), usage(details.usage, policy, now_us))
