"""The desk for operators: who may use the admin API from afar, and the tokens they show."""

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.accounts.access import Caller, Role
from server.accounts.operator_ports import (
    NOTE_USE_EVERY_US,
    OperatorBook,
    OperatorDetails,
    TokenDetails,
    TokenRecord,
)
from server.accounts.text import InputError, checked_operator_name
from server.accounts.tokens import DIGEST_OCTETS, SECRET_OCTETS, Token, digest_of
from server.clock import Clock
from server.journal.acts import OPERATOR, Actor, Cause

MAX_PAGE = 1000
DEFAULT_LIFE_DAYS = 90
MAX_LIFE_DAYS = 400
"""A year and the time to notice."""

_DAY_US = 86_400_000_000
_NOBODY = bytes(DIGEST_OCTETS)


class UnknownOperatorError(LookupError):
    """There is no operator of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no operator {name}; list the operators to see their names")


class UnknownTokenError(LookupError):
    """The operator has no token of this number."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} has no token {number}; show the operator to see the tokens")


class IssuedToken(NamedTuple):
    """An operator with a new token, shown this once and never again."""

    operator: OperatorDetails
    token: str

    def __repr__(self) -> str:
        """Leave out the token."""
        return f"IssuedToken(operator={self.operator.name}, <hidden>)"

    @property
    def details(self) -> TokenDetails:
        """The token without its secret."""
        return self.operator.tokens[-1]


class Entrant(NamedTuple):
    """Whom a token lets in. token: as it was found, for `note_use`."""

    caller: Caller
    token: TokenDetails


class TokenRefusedError(Exception):
    """A token lets nobody in. guessed: its secret is not one that was ever given out."""

    def __init__(self, message: str, *, guessed: bool) -> None:
        super().__init__(message)
        self.guessed = guessed


class OperatorDesk:
    """What is done with operators. Store errors pass through.

    random_octets: the source of tokens; anything but the system's own is for tests.
    """

    def __init__(
        self,
        book: OperatorBook,
        *,
        clock: Clock,
        random_octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._book = book
        self._clock = clock
        self._random_octets = random_octets

    async def add(
        self,
        name: str,
        role: Role,
        *,
        cause: Cause,
        customer: int | None = None,
        expires_us: int | None = None,
    ) -> IssuedToken:
        """Create an operator with a first token. InputError, OperatorExistsError.

        expires_us: when the token ends, microseconds since the epoch (None: in 90 days).
        """
        secret = self._random_octets(SECRET_OCTETS)
        details = await self._book.add_operator(
            checked_operator_name(name),
            role,
            customer,
            digest=digest_of(secret),
            expires_us=self._expiry(expires_us),
            act=cause.act("operator.add"),
        )
        return _issued(details, secret)

    async def show(self, name: str) -> OperatorDetails:
        """Return one operator, or raise UnknownOperatorError, as all methods below."""
        return _known(name, await self._book.operator_details(name))

    async def list(
        self, after: str, limit: int, customer: int | None = None
    ) -> Sequence[OperatorDetails]:
        """Return up to `limit` operators named beyond `after`; customer: only those kept to it."""
        return await self._book.list_operators(after, max(1, min(limit, MAX_PAGE)), customer)

    async def disable(self, name: str, *, cause: Cause) -> OperatorDetails:
        """Refuse all tokens of an operator from the next request on."""
        act = cause.act("operator.disable")
        return _known(name, await self._book.change_operator(name, active=False, act=act))

    async def enable(self, name: str, *, cause: Cause) -> OperatorDetails:
        """Let an operator in again, with the tokens that still live."""
        act = cause.act("operator.enable")
        return _known(name, await self._book.change_operator(name, active=True, act=act))

    async def give_role(self, name: str, role: Role, *, cause: Cause) -> OperatorDetails:
        """Give an operator another role, from the next request on."""
        act = cause.act("operator.role")
        return _known(name, await self._book.change_operator(name, role=role, act=act))

    async def issue_token(
        self, name: str, *, cause: Cause, expires_us: int | None = None
    ) -> IssuedToken:
        """Give an operator one more token. InputError, TooManyTokensError."""
        secret = self._random_octets(SECRET_OCTETS)
        details = await self._book.add_token(
            name,
            digest=digest_of(secret),
            expires_us=self._expiry(expires_us),
            act=cause.act("operator.token"),
        )
        return _issued(_known(name, details), secret)

    async def revoke_token(self, name: str, number: int, *, cause: Cause) -> OperatorDetails:
        """Refuse a token from the next request on. UnknownTokenError."""
        act = cause.act("operator.token_revoke")
        details = await self._book.revoke_token(name, number, act=act)
        if details is None:
            await self.show(name)
            raise UnknownTokenError(name, number)
        return details

    async def let_in(self, text: str) -> Entrant:
        """Return who holds a token, or raise TokenRefusedError.

        Only whoever knows a token's secret is told why it is refused.
        """
        token = Token.parse(text)
        found = None if token is None else await self._book.token_record(token.number)
        # Compared also when there is nothing to compare with: both ways take the same time.
        is_right = token is not None and token.has(_NOBODY if found is None else found.digest)
        if found is None or not is_right:
            raise TokenRefusedError("this token is not one of ours", guessed=True)
        return self._admitted(found)

    async def let_in_again(self, number: int) -> Entrant:
        """Return who holds the token of this number, as things are now, or TokenRefusedError.

        For who showed it before: nobody has to keep the token itself meanwhile.
        """
        found = await self._book.token_record(number)
        if found is None:
            raise TokenRefusedError("this token is not there any more", guessed=False)
        return self._admitted(found)

    def _admitted(self, found: TokenRecord) -> Entrant:
        """Return who holds a token, or raise TokenRefusedError."""
        now_us = self._clock.now_us()
        if found.token.revoked_us is not None:
            raise TokenRefusedError("this token was revoked; ask for a new one", guessed=False)
        if now_us >= found.token.expires_us:
            raise TokenRefusedError("this token has expired; ask for a new one", guessed=False)
        if not found.active:
            raise TokenRefusedError("this operator is disabled; ask an admin", guessed=False)
        caller = Caller(Actor(OPERATOR, found.operator), found.role, found.customer_id)
        return Entrant(caller, found.token)

    async def note_use(self, token: TokenDetails) -> None:
        """Keep that a token was used now, to the minute."""
        used_us, now_us = token.last_used_us, self._clock.now_us()
        # A clock that went back must not keep the time of a future for good.
        if used_us is None or abs(now_us - used_us) >= NOTE_USE_EVERY_US:
            await self._book.note_token_use(token.number, now_us)

    def _expiry(self, expires_us: int | None) -> int:
        now_us = self._clock.now_us()
        if expires_us is None:
            return now_us + DEFAULT_LIFE_DAYS * _DAY_US
        if expires_us <= now_us:
            raise InputError("the token would end in the past; give a later time or none")
        if expires_us > now_us + MAX_LIFE_DAYS * _DAY_US:
            raise InputError(f"a token lives {MAX_LIFE_DAYS} days at most; give an earlier time")
        return expires_us


def _known(name: str, details: OperatorDetails | None) -> OperatorDetails:
    if details is None:
        raise UnknownOperatorError(name)
    return details


def _issued(details: OperatorDetails, secret: bytes) -> IssuedToken:
    return IssuedToken(details, Token(details.tokens[-1].number, secret).format())
