"""Who asks over HTTPS: the holder of a bearer token (RFC 6750)."""

import hashlib
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from server.accounts.access import Caller
from server.accounts.operators import Entrant, OperatorDesk, TokenRefusedError
from server.otp.bounded_map import BoundedMap
from server.otp.ports import StoreError
from server.web.faults import describe_fault
from server.web.lockout import Lockout
from server.web.problems import ProblemError
from server.web.source import FORWARDED_FOR, SourceReader

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_CHALLENGE = 'Bearer realm="keystead"'
_KNOWN = 1000
"""Tokens that were right lately; more operators than that at once are none."""


class Bearers:
    """Authenticates by token, and locks out sources that keep showing wrong ones.

    A token that was right before passes a lock-out, and is checked like any other: whoever shares
    an address with operators must not be able to lock them out.
    """

    def __init__(self, operators: OperatorDesk, *, lockout: Lockout, sources: SourceReader) -> None:
        self._operators = operators
        self._lockout = lockout
        self._sources = sources
        self._known = _KnownTokens()

    async def __call__(self, request: web.Request) -> Caller:
        """Return the operator whose token is shown, or refuse."""
        return (await self.let_in(request, _shown_token(request))).caller

    async def let_in(self, request: web.Request, token: str | None) -> Entrant:
        """Return whom a token lets in that came with a request, in whatever part of it."""
        source = self._source(request)
        wait_s = self._lockout.wait_s(source)
        if wait_s and not self._known.has(token):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens came from your address; try again in {wait_s} s",
                headers={hdrs.RETRY_AFTER: str(wait_s)},
            )
        if token is None:
            raise _challenge("show a token: Authorization: Bearer TOKEN", _CHALLENGE)
        try:
            entrant = await self._operators.let_in(token)
        except TokenRefusedError as refusal:
            self._known.forget(token)
            locked = refusal.guessed and self._lockout.wrong(source)
            _log.warning(
                "token_refused",
                source=source,
                guessed=refusal.guessed,
                locked_out=locked,
            )
            raise _challenge(str(refusal), f'{_CHALLENGE}, error="invalid_token"') from None
        self._known.remember(token)
        try:
            await self._operators.note_use(entrant.token)
        except StoreError as fault:
            # Whoever looks after a full disk has to get in; what they change fails by itself.
            _log.warning("token_use_not_kept", **describe_fault(fault))
        return entrant

    def _source(self, request: web.Request) -> str:
        """Return the address that asks; a proxy's word is taken from configured proxies only."""
        peer = self._sources.peer(request.remote or "")
        if not peer.is_proxy:
            return peer.source.address
        return self._sources.forwarded(
            peer.source, request.headers.getall(FORWARDED_FOR, [])
        ).address


class _KnownTokens:
    """Which tokens were right lately, by their digests."""

    def __init__(self) -> None:
        self._digests: BoundedMap[bytes, bool] = BoundedMap(_KNOWN)

    def has(self, token: str | None) -> bool:
        return token is not None and self._digests.get(_digest(token)) is not None

    def remember(self, token: str) -> None:
        self._digests.put(_digest(token), value=True)

    def forget(self, token: str) -> None:
        self._digests.drop(_digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _shown_token(request: web.Request) -> str | None:
    """Return what stands in the one Authorization header, None without a bearer's."""
    fields = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(fields) != 1:
        return None
    scheme, _, token = fields[0].partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else None


def _challenge(detail: str, challenge: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={hdrs.WWW_AUTHENTICATE: challenge})
