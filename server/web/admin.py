"""The admin door: the operator's API on a Unix socket in the data directory.

Only the service's own user and root get in: the socket's mode keeps others out, and the kernel
says who connected. Every refusal is a problem (RFC 9457) with words for a person; faults nobody
foresaw are a plain 500 with a request id that is in the log.
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from hsm.vault import VaultError
from server.accounts.clients import ClientDesk, RotationError, UnknownClientError
from server.accounts.text import InputError
from server.journal.desk import (
    JournalDamagedError,
    JournalDesk,
    UnknownEntryError,
    WitnessError,
)
from server.local_users import local_actor
from server.moving.desk import ImportUnderWayError, MovingDesk, RotatingError
from server.moving.ports import ConflictError
from server.otp.keys import KeyDesk, UnknownKeyError
from server.otp.ksm import KsmError
from server.otp.ports import StoreError, UnknownOutcomeError
from server.web.admin_clients import AdminClients
from server.web.admin_journal import AdminJournal
from server.web.admin_keys import AdminKeys
from server.web.admin_moving import AdminMoving
from server.web.admin_request import ACTOR, PREFIX, read_query
from server.web.faults import describe_fault
from server.web.peer import peer_uid
from server.web.problems import ProblemError, problem_answer

_ROOT = 0
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Status = Callable[[], Awaitable[Mapping[str, object]]]
_Identify = Callable[[asyncio.BaseTransport | None], int | None]


def admin_app(
    *,
    clients: ClientDesk,
    keys: KeyDesk,
    journal: JournalDesk,
    moving: MovingDesk,
    status: _Status,
    identify: _Identify = peer_uid,
) -> web.Application:
    """Return the application of the admin door, to be served on a Unix socket of mode 0600.

    status: what GET /api/v1/status answers; identify: tells a connection's user id. Anybody
    but root and the user of this process gets 403.
    """
    allowed = frozenset({_ROOT, os.geteuid()})

    @web.middleware
    async def let_in(request: web.Request, handler: _Handler) -> web.StreamResponse:
        uid = identify(request.transport)
        if uid is None or uid not in allowed:
            _log.warning("administration_denied", uid=uid)
            raise ProblemError(
                HTTPStatus.FORBIDDEN, "only root and the user of this service may administer it"
            )
        request[ACTOR] = local_actor(uid)
        return await handler(request)

    async def show_status(request: web.Request) -> web.Response:
        read_query(request, ())
        return web.json_response(dict(await status()))

    app = web.Application(middlewares=[_translate, let_in])
    app.router.add_get(PREFIX + "/status", show_status, allow_head=False)
    app.router.add_routes(AdminClients(clients).routes())
    app.router.add_routes(AdminKeys(keys).routes())
    app.router.add_routes(AdminJournal(journal).routes())
    app.router.add_routes(AdminMoving(moving, translate=problem_of).routes())
    return app


@web.middleware
async def _translate(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn every refusal and fault into a problem, and keep all answers out of caches."""
    allow = ""
    try:
        answer = await handler(request)
    except web.HTTPException as refusal:
        allow = refusal.headers.get(hdrs.ALLOW, "")
        problem = _of_http(refusal)
    except Exception as fault:  # noqa: BLE001 - a door: what it does not know is a plain 500
        problem = problem_of(fault)
    else:
        answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        return answer
    return problem_answer(problem, allow=allow)


def _of_http(refusal: web.HTTPException) -> ProblemError:
    """Translate a refusal of aiohttp's own, whose words may quote the request."""
    status = HTTPStatus(refusal.status)
    words = {
        HTTPStatus.NOT_FOUND: "there is nothing at this path",
        HTTPStatus.METHOD_NOT_ALLOWED: "this path knows other methods only",
    }
    return ProblemError(status, words.get(status, status.description or status.phrase))


_REFUSALS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (UnknownClientError, HTTPStatus.NOT_FOUND),
    (UnknownKeyError, HTTPStatus.NOT_FOUND),
    (UnknownEntryError, HTTPStatus.NOT_FOUND),
    (KsmError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RotationError, HTTPStatus.CONFLICT),
    (JournalDamagedError, HTTPStatus.CONFLICT),
    (WitnessError, HTTPStatus.INSUFFICIENT_STORAGE),
    (ImportUnderWayError, HTTPStatus.CONFLICT),
    (ConflictError, HTTPStatus.CONFLICT),
    (RotatingError, HTTPStatus.CONFLICT),
)
"""What the rooms refuse, in words that are meant for the operator."""

_OUTAGES: tuple[tuple[type[Exception], str], ...] = (
    (
        UnknownOutcomeError,
        "whether the change was stored is not known: look, and repeat it if it was not",
    ),
    (StoreError, "the store does not answer; nothing was changed. Try again when it is back"),
    (VaultError, "the vault does not answer; nothing was changed. Try again when it is back"),
)


def problem_of(fault: Exception) -> ProblemError:
    """Translate what the rooms raise; what is not known here is logged and stays unsaid."""
    if isinstance(fault, ProblemError):
        return fault
    for kind, status in _REFUSALS:
        if isinstance(fault, kind):
            line = fault.line if isinstance(fault, KsmError) else None
            return ProblemError(status, str(fault), line=line)
    for kind, detail in _OUTAGES:
        if isinstance(fault, kind):
            _log.error("administration_failed", **describe_fault(fault))
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    request_id = secrets.token_hex(8)
    _log.error("administration_fault", request_id=request_id, **describe_fault(fault))
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"an unforeseen fault; the service's log has it under request id {request_id}",
    )
