"""Who may see the pages of the fleet: a token is shown once in a form, and begins a session.

Nobody gets past without one. What a session may see is what its operator may read of the fleet at
the admin API, asked anew at each request: a token that is revoked shows nothing from then on.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl

import structlog
from aiohttp import hdrs, web

from server.accounts.access import Caller, Permission
from server.accounts.operators import OperatorDesk, TokenRefusedError
from server.fleet_page import places
from server.web.admin_request import CALLER
from server.web.bearers import Bearers
from server.web.bodies import read_body
from server.web.carriage import Carriage, carriage_of, is_from_own_page
from server.web.fleet_answers import form_answer, gone_to, words_answer
from server.web.problems import ProblemError
from server.web.sessions import Sessions
from server.web.source import SourceReader

COOKIE = "keystead_fleet"
FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_FORM = 8192
_FORM_S = 5.0

_OPEN_WAY = (
    "You came over plain HTTP from another machine: whoever is on the way would read your token."
    " Come over TLS, through a reverse proxy that stands in limits.trusted_proxies and sends"
    " X-Forwarded-Proto, or through a tunnel: ssh -L 8081:127.0.0.1:8081 HOST."
)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FleetGate:
    """Lets operators in.

    operators: knows whose a session is; bearers: takes tokens, and locks out who guesses;
    sources: who is believed about where a request comes from; outcomes: what is counted.
    """

    def __init__(
        self,
        operators: OperatorDesk,
        bearers: Bearers,
        sources: SourceReader,
        sessions: Sessions,
        outcomes: Counter[str],
    ) -> None:
        self._operators = operators
        self._bearers = bearers
        self._sources = sources
        self._sessions = sessions
        self._outcomes = outcomes
        self._open: frozenset[web.AbstractRoute] = frozenset()

    def register(self, app: web.Application) -> None:
        """Put the form, and the way out, on an application."""
        self._open = frozenset(
            {
                app.router.add_route(hdrs.METH_GET, "/sign-in", self.ask),
                app.router.add_route(hdrs.METH_POST, "/sign-in", self.sign_in),
            }
        )
        app.router.add_route(hdrs.METH_POST, "/sign-out", self.sign_out)

    @web.middleware
    async def let_in(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let who has a session and may read the fleet past, and nobody else."""
        if carriage_of(request, self._sources) is Carriage.OPEN:
            self._outcomes["plain"] += 1
            return words_answer(HTTPStatus.FORBIDDEN, "Not over plain HTTP", _OPEN_WAY)
        if request.match_info.route in self._open:
            return await handler(request)
        caller = await self._caller(request)
        if caller is None:
            self._outcomes["stranger"] += 1
            to = places.rewritten(request.path_qs)
            return form_answer(HTTPStatus.UNAUTHORIZED, to)
        if not may_read(caller):
            return self._denied(caller)
        request[CALLER] = caller
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        return await handler(request)

    async def ask(self, _request: web.Request) -> web.Response:
        """Ask for a token."""
        return form_answer(HTTPStatus.OK, places.ROOT)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Begin a session for the holder of a token, and go on to what was asked for."""
        form = await _read_form(request)
        if form is None:
            self._outcomes["refused"] += 1
            answer = form_answer(HTTPStatus.BAD_REQUEST, places.ROOT, "Use this form.")
            answer.force_close()  # what was not read is not the next request
            return answer
        to, token = places.rewritten(form.get("to", "")), form.get("token", "").strip()
        if not token:
            return form_answer(HTTPStatus.BAD_REQUEST, to, "Type your token, or paste it.")
        try:
            entrant = await self._bearers.let_in(request, token)
        except ProblemError as refusal:
            return self._refused(refusal, to)
        if not may_read(entrant.caller):
            return self._denied(entrant.caller)
        self._sessions.end(request.cookies.get(COOKIE, ""))
        cookie = self._sessions.begin(entrant.token.number)
        self._outcomes["signed-in"] += 1
        _log.info("fleet_page_sign_in", actor=str(entrant.caller.actor))
        answer = gone_to(to)
        is_secure = carriage_of(request, self._sources) is Carriage.SECURE
        answer.set_cookie(
            COOKIE, cookie, path=places.ROOT, httponly=True, samesite="Strict", secure=is_secure
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        if not is_from_own_page(request):
            self._outcomes["refused"] += 1
            text = "That did not come from this page: nothing was done."
            return words_answer(HTTPStatus.BAD_REQUEST, "Not signed out", text)
        self._sessions.end(request.cookies.get(COOKIE, ""))
        self._outcomes["signed-out"] += 1
        _log.info("fleet_page_sign_out", actor=str(request[CALLER].actor))
        answer = gone_to(places.SIGN_IN)
        answer.del_cookie(COOKIE, path=places.ROOT, httponly=True, samesite="Strict")
        return answer

    async def _caller(self, request: web.Request) -> Caller | None:
        """Return who has the session whose cookie a request shows, as things are now."""
        cookie = request.cookies.get(COOKIE, "")
        token = self._sessions.token_of(cookie)
        if token is None:
            return None
        try:
            return (await self._operators.let_in_again(token)).caller
        except TokenRefusedError:
            self._sessions.end(cookie)
            return None

    def _refused(self, refusal: ProblemError, to: str) -> web.Response:
        is_locked_out = refusal.status is HTTPStatus.TOO_MANY_REQUESTS
        self._outcomes["locked-out" if is_locked_out else "refused"] += 1
        answer = form_answer(
            refusal.status, to, f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."
        )
        wait = refusal.headers.get(hdrs.RETRY_AFTER)
        if wait is not None:
            answer.headers[hdrs.RETRY_AFTER] = wait
        return answer

    def _denied(self, caller: Caller) -> web.Response:
        self._outcomes["denied"] += 1
        text = (
            f"The role {caller.role} does not carry {Permission.FLEET_READ}; ask an admin."
            if not caller.may(Permission.FLEET_READ)
            else "This is about the whole fleet, and you are kept to one customer; ask an admin."
        )
        return words_answer(HTTPStatus.FORBIDDEN, "Not for you", text)


def may_read(caller: Caller) -> bool:
    """Tell whether somebody may read the fleet: what the admin API asks for it, and no less."""
    return caller.may(Permission.FLEET_READ) and caller.customer is None


async def _read_form(request: web.Request) -> Mapping[str, str] | None:
    """Return the fields of the form; None for what our form does not send."""
    if request.content_type != FORM_TYPE or not is_from_own_page(request):
        return None
    body = await read_body(request, cap=_MAX_FORM, deadline_s=_FORM_S)
    if not isinstance(body, bytes):
        return None
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=4, strict_parsing=False))
    except ValueError:
        return None
