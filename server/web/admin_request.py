"""What the handlers of the admin API read from a request, and what they write to the log."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import structlog
from aiohttp import web
from pydantic import ValidationError

from server.accounts.access import Caller
from server.accounts.text import checked_reason
from server.journal.acts import Cause
from server.web.bodies import BodyFault, read_body
from server.web.json_types import Body, Shown
from server.web.parameters import MAX_PAGE
from server.web.problems import ProblemError, invalid_body
from server.web.route import JSON, Route

PREFIX = "/api/v1"
CALLER = web.RequestKey("caller", Caller)
"""Who asks, once the door has let them in."""

ROUTE = web.RequestKey("route", Route)
"""What was declared of the route that they ask, once they are let past."""


class Admission(NamedTuple):
    """How the caller was let in. again: does it once more, as things are now; ProblemError.

    A body takes its time: whoever sends it slowly must not act on what they lost meanwhile, their
    token, their role or the client that went to another customer.
    """

    again: Callable[[], Awaitable[None]]


ADMISSION = web.RequestKey("admission", Admission)

_DEFAULT_PAGE = 100
_MAX_JSON = 64 * 1024
_JSON_S = 10.0
_MAX_DIGITS = 18

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


ModelT = TypeVar("ModelT", bound=Body)


class DeclarationError(Exception):
    """A handler reads or answers something else than its route declares: a fault of ours."""


def answer(request: web.Request, shown: Shown) -> web.Response:
    """Return an answer of the model and with the status that the route declares."""
    route = request[ROUTE]
    # Exactly: a model that has more in it than declared may have a secret in it.
    if type(shown) is not route.answer or route.media != JSON:
        raise DeclarationError(f"{route.name} does not answer with {type(shown).__name__}")
    return web.Response(
        status=route.status,
        text=shown.model_dump_json(by_alias=True),
        content_type=JSON,
    )


async def read_octets(request: web.Request, *, cap: int, deadline_s: float) -> bytes:
    """Return the body; a problem when it is too large, too slow or broken, or no longer allowed."""
    body = await read_body(request, cap=cap, deadline_s=deadline_s)
    match body:
        case BodyFault.TOO_LARGE:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is larger than {cap:,} octets; send it in parts",
            )
        case BodyFault.SLOW:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {deadline_s:g} s"
            )
        case BodyFault.BROKEN:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the body ended early")
        case bytes():
            await request[ADMISSION].again()
            return body


async def read_json(request: web.Request, model: type[ModelT]) -> ModelT:
    """Return the JSON body as a `model`, which the route declares."""
    if request[ROUTE].body is not model:
        raise DeclarationError(f"{request[ROUTE].name} declares another body")
    if request.content_type != "application/json":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send a JSON body with Content-Type application/json"
        )
    octets = await read_octets(request, cap=_MAX_JSON, deadline_s=_JSON_S)
    try:
        return model.model_validate_json(octets)
    except ValidationError as error:
        raise invalid_body(error) from error


def read_query(request: web.Request, known: Iterable[str]) -> dict[str, str]:
    """Return the query's parameters, each at most once and none that is unknown.

    known: their names, which the route declares.
    """
    found: dict[str, str] = {}
    names = set(known)
    if {parameter.name for parameter in request[ROUTE].query} != names:
        raise DeclarationError(f"{request[ROUTE].name} declares another query")
    for name, value in request.query.items():
        if name not in names:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                f"only these parameters are known here: {', '.join(sorted(names)) or 'none'}",
            )
        if name in found:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"the parameter {name} was given twice")
        if not value.isprintable():
            # No store keeps every such character, and no terminal should see them.
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"{name} holds a character that cannot be shown; use others",
            )
        found[name] = value
    return found


def read_cause(request: web.Request) -> Cause:
    """Return who asks for a change and why, from a request whose query may hold `reason` only."""
    return cause_of(request, read_query(request, ("reason",)))


def cause_of(request: web.Request, query: dict[str, str]) -> Cause:
    """Return who asks for a change and why. InputError for a reason that cannot be shown."""
    return Cause(request[CALLER].actor, checked_reason(query.get("reason", "")))


def whole_number(query: dict[str, str], name: str, *, default: int, largest: int) -> int:
    """Return a parameter that is a whole number from 0 to `largest`."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} must be a whole number")
    if int(text) > largest:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} must be at most {largest:,}")
    return int(text)


def page_limit(query: dict[str, str]) -> int:
    """Return how many entries a page may have (1..MAX_PAGE)."""
    return max(1, whole_number(query, "limit", default=_DEFAULT_PAGE, largest=MAX_PAGE))


def moment(time_us: int) -> str:
    """Return a time (microseconds since the epoch) as RFC 3339 text, UTC, whole seconds."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_down(request: web.Request, action: str, **facts: object) -> None:
    """Log an administrative act: who, what, to whom. facts: ids and counts, never a secret."""
    _log.info("administration", actor=str(request[CALLER].actor), action=action, **facts)
