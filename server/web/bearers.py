"""Who asks over HTTPS: the holder of a bearer token (RFC 6750)."""

from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from server.accounts.access import Caller
from server.accounts.operators import OperatorDesk, TokenRefusedError
from server.web.lockout import Lockout
from server.web.problems import ProblemError
from server.web.source import FORWARDED_FOR, SourceReader

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_CHALLENGE = 'Bearer realm="keystead"'


class Bearers:
    """Authenticates by token, and locks out sources that keep showing wrong ones."""

    def __init__(self, operators: OperatorDesk, *, lockout: Lockout, sources: SourceReader) -> None:
        self._operators = operators
        self._lockout = lockout
        self._sources = sources

    async def __call__(self, request: web.Request) -> Caller:
        """Return the operator whose token is shown, or refuse."""
        source = self._source(request)
        wait_s = self._lockout.wait_s(source)
        if wait_s:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens came from your address; try again in {wait_s} s",
                headers={hdrs.RETRY_AFTER: str(wait_s)},
            )
        token = _shown_token(request)
        if token is None:
            raise _challenge("show a token: Authorization: Bearer TOKEN", _CHALLENGE)
        try:
            return await self._operators.let_in(token)
        except TokenRefusedError as refusal:
            locked = refusal.guessed and self._lockout.wrong(source)
            _log.warning(
                "token_refused",
                source=source,
                guessed=refusal.guessed,
                locked_out=locked,
            )
            raise _challenge(str(refusal), f'{_CHALLENGE}, error="invalid_token"') from None

    def _source(self, request: web.Request) -> str:
        """Return the address that asks; a proxy's word is taken from configured proxies only."""
        peer = self._sources.peer(request.remote or "")
        if not peer.is_proxy:
            return peer.source.address
        return self._sources.forwarded(
            peer.source, request.headers.getall(FORWARDED_FOR, [])
        ).address


def _shown_token(request: web.Request) -> str | None:
    """Return what stands in the one Authorization header, None without a bearer's."""
    fields = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(fields) != 1:
        return None
    scheme, _, token = fields[0].partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else None


def _challenge(detail: str, challenge: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={hdrs.WWW_AUTHENTICATE: challenge})
