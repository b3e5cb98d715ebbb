"""What the accounts room needs to keep operators and the tokens they come with."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.accounts.access import Role
from server.journal.acts import Act

MAX_LIVE_TOKENS = 8
"""Tokens of one operator that are neither revoked nor expired."""


NOTE_USE_EVERY_US = 60_000_000
"""How often the last use of a token is kept: a token that is always in use must not be one more
write for each request."""


class TokenDetails(NamedTuple):
    """A token without its secret; times are microseconds since the epoch, None: never."""

    number: int
    created_us: int
    expires_us: int
    last_used_us: int | None
    revoked_us: int | None


class OperatorDetails(NamedTuple):
    """An operator. customer_id: the customer they are kept to, None: they see all."""

    name: str
    role: Role
    customer_id: int | None
    active: bool
    created_us: int
    tokens: tuple[TokenDetails, ...]


class TokenRecord(NamedTuple):
    """What it takes to let a token's holder in."""

    digest: bytes
    token: TokenDetails
    operator: str
    role: Role
    customer_id: int | None
    active: bool


class OperatorExistsError(Exception):
    """The name is taken: names stay in the journal, so they are never given to somebody else."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is an operator {name} already, and names are given only once")


class TooManyTokensError(Exception):
    """The operator has as many live tokens as one may have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has {MAX_LIVE_TOKENS} live tokens: revoke one first")


class OperatorBook(Protocol):
    """Keeps operators. All changes are durable when the call returns.

    Methods that change an operator return the new details, or None when there is no such
    operator. The act goes into the journal in the same transaction.
    """

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
        """Create an operator with a first token.

        OperatorExistsError; UnknownCustomerError when there is no such customer.
        """
        ...

    async def operator_details(self, name: str) -> OperatorDetails | None:
        """Return one operator with all tokens that were ever theirs, in order."""
        ...

    async def list_operators(
        self, after: str, limit: int, customer_id: int | None = None
    ) -> Sequence[OperatorDetails]:
        """Return up to `limit` operators named beyond `after`, in order; of one customer only."""
        ...

    async def change_operator(
        self, name: str, *, active: bool | None = None, role: Role | None = None, act: Act
    ) -> OperatorDetails | None:
        """Switch an operator on or off, or give another role; None leaves it as it is."""
        ...

    async def add_token(
        self, name: str, *, digest: bytes, expires_us: int, act: Act
    ) -> OperatorDetails | None:
        """Give an operator one more token, the last of the details; TooManyTokensError."""
        ...

    async def revoke_token(self, name: str, number: int, *, act: Act) -> OperatorDetails | None:
        """End a token of an operator's; None also when the token is not theirs.

        A token that was revoked before stays as it is, and nothing is written down.
        """
        ...

    async def token_record(self, number: int) -> TokenRecord | None:
        """Return a token with whose it is."""
        ...

    async def note_token_use(self, number: int, used_us: int) -> None:
        """Keep when a token was used last, unless a use less than a minute before that is kept.

        Not an act: the journal has no entry of it.
        """
        ...
