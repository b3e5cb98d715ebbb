"""What the accounts room needs of the outside: the book of clients."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.journal.acts import Act
from validation.gcra import Policy


class LimitOverride(NamedTuple):
    """A limit of a client's own. expires_us: when it ends (None: it stays); reason: free text."""

    policy: Policy
    shadow: bool
    reason: str
    expires_us: int | None


class ApiKeyDetails(NamedTuple):
    """A live API key without its secret."""

    key_id: int
    created_us: int


class BucketUsage(NamedTuple):
    """A budget's state: the theoretical arrival times of its two policies (microseconds)."""

    bucket: int
    burst_tat_us: int
    day_tat_us: int


class ClientDetails(NamedTuple):
    """A client as an operator sees it; times are microseconds since the epoch."""

    client_id: int
    name: str
    active: bool
    version: int
    signed_only: bool
    phishing_test: bool
    customer_id: int | None
    created_us: int
    limit: LimitOverride | None
    api_keys: tuple[ApiKeyDetails, ...]
    usage: tuple[BucketUsage, ...]


class ClientBook(Protocol):
    """Administration of clients. All changes are durable when the call returns.

    Methods that change a client return its new details, or None when it does not exist,
    and bump its version, so that every worker sees the change in its next batch. The act goes
    into the journal in the same transaction, with the client before and after it.
    """

    async def reserve_client_id(self) -> int:
        """Return a Client ID never used before, counting from 1 (a sealed key is bound to it)."""
        ...

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
        """Create a client with its first API key (key_id 1).

        customer_id: whose it is, None: nobody's; UnknownCustomerError.
        """
        ...

    async def client_details(self, client_id: int) -> ClientDetails | None:
        """Return one client."""
        ...

    async def list_clients(
        self, after: int, limit: int, customer_id: int | None = None
    ) -> Sequence[ClientDetails]:
        """Return up to `limit` clients with an id greater than `after`, in order.

        customer_id: only that customer's, None: all.
        """
        ...

    async def assign_client(
        self, client_id: int, customer_id: int | None, *, act: Act
    ) -> ClientDetails | None:
        """Give a client to a customer, or (None) to nobody; UnknownCustomerError."""
        ...

    async def set_client_active(
        self, client_id: int, *, active: bool, act: Act
    ) -> ClientDetails | None:
        """Switch a client on or off."""
        ...

    async def set_client_limit(
        self, client_id: int, limit: LimitOverride | None, *, act: Act
    ) -> ClientDetails | None:
        """Give a client a limit of its own, or (None) the default again."""
        ...

    async def set_client_options(
        self, client_id: int, *, signed_only: bool | None, phishing_test: bool | None, act: Act
    ) -> ClientDetails | None:
        """Change how a client's requests are treated; None leaves an option as it is."""
        ...

    async def add_api_key(
        self, client_id: int, key_id: int, record: bytes, *, act: Act
    ) -> ClientDetails | None:
        """Add a second live API key.

        ValueError when the client has two already or key_id is not the next.
        """
        ...

    async def remove_oldest_api_key(self, client_id: int, *, act: Act) -> ClientDetails | None:
        """End a rotation; ValueError when only one key is live."""
        ...
