"""The door of hosts with an agent: enrolments and signed reports (docs/agent.md).

A listener of its own, in the process that owns the store; where verifications have processes of
their own, reports cost them the store's time and no more. Whatever is refused is a problem with a
code, and is counted.
"""

import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from agent.report import (
    HOST_HEADER,
    MAX_REPORT_OCTETS,
    SIGNATURE_HEADER,
    MalformedReportError,
    UnknownFormatError,
)
from server.fleet.claiming import MAX_OCTETS as MAX_CLAIM_OCTETS
from server.fleet.claiming import ClaimsOffError, UnknownClaimFormatError
from server.fleet.enrolling import MAX_OCTETS
from server.fleet.enrolling import UnknownFormatError as UnknownEnrolmentError
from server.fleet.enrolment import BadTokenError
from server.fleet.pace import TooFastError
from server.fleet.receipt import Receipt
from server.fleet.reception import BusyError, Reception
from server.fleet.signatures import BadSignatureError
from server.journal.canonical import MalformedError
from server.otp.ports import StoreError
from server.web.bare import SERVER_NAME
from server.web.bodies import BodyFault, read_body
from server.web.faults import describe_fault
from server.web.problems import ProblemError, problem_answer

ENROLMENTS = "/fleet/v1/enrolments"
REPORTS = "/fleet/v1/reports"
CLAIMS = "/fleet/v1/claims"

_BODY_S = 10.0
_RETRY_S = 30
_FORMAT = 1
_HOST_LENGTH = 32
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _problem(status: HTTPStatus, code: str, detail: str) -> ProblemError:
    return ProblemError(status, detail, more={"code": code})


_UNKNOWN_HOST = _problem(
    HTTPStatus.FORBIDDEN, "unknown-host", "this host is not enrolled here, or not any more"
)
_REFUSALS = {
    Receipt.UNKNOWN_HOST: _UNKNOWN_HOST,
    Receipt.ERASED: _problem(
        HTTPStatus.GONE, "erased", "this host was erased: it has to be enrolled anew to report"
    ),
    Receipt.CLASH: _problem(
        HTTPStatus.CONFLICT,
        "sequence-taken",
        "another report had this number: the host was copied or put back to an older state. Enrol"
        " it anew",
    ),
    Receipt.FULL: _problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-keys",
        "this host reported more keys than one host may: ask your operator, who can erase it",
    ),
}

_CLAIM_REFUSALS = {
    **_REFUSALS,
    Receipt.CLASH: _problem(
        HTTPStatus.CONFLICT,
        "sequence-taken",
        "a newer claim about this key is here: the host was copied or put back to an older state."
        " Enrol it anew",
    ),
    Receipt.FULL: _problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-claims",
        "this host claims something of more keys than one host may: ask your operator",
    ),
}


class FleetDoor:
    """Handlers over the reception."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._translate])
        app.router.add_post(ENROLMENTS, self.enrol)
        app.router.add_post(REPORTS, self.report)
        app.router.add_post(CLAIMS, self.claim)
        app.on_response_prepare.append(_guard_headers)
        return app

    async def enrol(self, request: web.Request) -> web.Response:
        """Let a host in."""
        body = await _body(request, MAX_OCTETS)
        host_id, admission = await self._reception.enrol(body, _signature(request))
        status = HTTPStatus.OK if admission.again else HTTPStatus.CREATED
        self._reception.outcomes["enrolled-again" if admission.again else "enrolled"] += 1
        answer = {"format": _FORMAT, "host": host_id, "policy": self._reception.policy.to_json()}
        return web.json_response(answer, status=status)

    async def report(self, request: web.Request) -> web.Response:
        """Take a report: it is durable when the answer is 202."""
        host_id = _host_id(request)
        body = await _body(request, MAX_REPORT_OCTETS)
        receipt = await self._reception.report(host_id, body, _signature(request))
        if (refusal := _REFUSALS.get(receipt)) is not None:
            raise refusal
        self._reception.outcomes[receipt.value] += 1
        return web.json_response(
            {"policy": self._reception.policy.to_json()}, status=HTTPStatus.ACCEPTED
        )

    async def claim(self, request: web.Request) -> web.Response:
        """Take what a host's user says of a key: it is durable when the answer is 202."""
        host_id = _host_id(request)
        body = await _body(request, MAX_CLAIM_OCTETS)
        receipt = await self._reception.claim(host_id, body, _signature(request))
        if (refusal := _CLAIM_REFUSALS.get(receipt)) is not None:
            raise refusal
        self._reception.outcomes[f"claim-{receipt.value}"] += 1
        return web.json_response({}, status=HTTPStatus.ACCEPTED)

    @web.middleware
    async def _translate(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn every refusal and fault into a problem, and count it by its code."""
        allow = ""
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            allow = refusal.headers.get(hdrs.ALLOW, "")
            status = HTTPStatus(refusal.status)
            problem = _problem(status, "no-such-request", "there is nothing like this here")
        except Exception as fault:  # noqa: BLE001 - a door: what it does not know is a plain 500
            problem = _problem_of(fault)
        self._reception.outcomes[str(problem.more.get("code", "fault"))] += 1
        return problem_answer(problem, allow=allow)


_CODES: tuple[tuple[tuple[type[Exception], ...], HTTPStatus, str], ...] = (
    (
        (UnknownFormatError, UnknownEnrolmentError, UnknownClaimFormatError),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "unknown-format",
    ),
    ((MalformedReportError, MalformedError), HTTPStatus.BAD_REQUEST, "malformed"),
    ((BadSignatureError,), HTTPStatus.UNAUTHORIZED, "bad-signature"),
    ((BadTokenError,), HTTPStatus.FORBIDDEN, "bad-token"),
    ((ClaimsOffError,), HTTPStatus.UNPROCESSABLE_ENTITY, "claims-off"),
)
"""The first that fits counts: an unknown format is a malformed report, too."""


def _problem_of(fault: Exception) -> ProblemError:
    if isinstance(fault, ProblemError):
        return fault
    for kinds, status, code in _CODES:
        if isinstance(fault, kinds):
            return _problem(status, code, str(fault))
    if isinstance(fault, TooFastError):
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            str(fault),
            headers={hdrs.RETRY_AFTER: str(_RETRY_S)},
            more={"code": "too-fast"},
        )
    if isinstance(fault, BusyError | StoreError):
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "reports cannot be stored now: nothing is lost, send it again later",
            headers={hdrs.RETRY_AFTER: str(_RETRY_S)},
            more={"code": "later"},
        )
    request_id = secrets.token_hex(8)
    _log.error("fleet_fault", request_id=request_id, **describe_fault(fault))
    words = f"something went wrong here; the log says what, under {request_id}"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", words)


async def _body(request: web.Request, cap: int) -> bytes:
    if request.content_type != "application/json":
        raise _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "send application/json")
    body = await read_body(request, cap=cap, deadline_s=_BODY_S)
    match body:
        case BodyFault.TOO_LARGE:
            raise _problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"more than {cap:,} octets"
            )
        case BodyFault.SLOW:
            raise _problem(HTTPStatus.REQUEST_TIMEOUT, "slow", "the body did not come in time")
        case BodyFault.BROKEN:
            raise _problem(HTTPStatus.REQUEST_TIMEOUT, "slow", "the body ended early")
        case bytes():
            return body


def _host_id(request: web.Request) -> str:
    host_id = request.headers.get(HOST_HEADER, "")
    if len(host_id) != _HOST_LENGTH or not host_id.isalnum():
        raise _UNKNOWN_HOST
    return host_id


def _signature(request: web.Request) -> str:
    return request.headers.get(SIGNATURE_HEADER, "")


async def _guard_headers(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    answer.headers[hdrs.SERVER] = SERVER_NAME
