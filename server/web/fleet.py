"""The door of hosts with an agent: enrolments and signed reports (docs/agent.md).

A listener of its own, in the process that owns the store; where verifications have processes of
their own, reports cost them the store's time and no more. Whatever is refused is a problem with a
code, and is counted.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
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
from server.fleet.enrolling import MAX_OCTETS
from server.fleet.enrolling import UnknownFormatError as UnknownEnrolmentError
from server.fleet.enrolment import BadTokenError
from server.fleet.pace import TooFastError
from server.fleet.proof import ProofRefusedError
from server.fleet.receipt import Receipt
from server.fleet.reception import BusyError, Reception
from server.fleet.server_identity import ServerIdentity
from server.fleet.signatures import BadSignatureError
from server.journal.canonical import MalformedError
from server.otp.ports import StoreError
from server.web.bare import SERVER_NAME
from server.web.bodies import BodyFault, read_body
from server.web.faults import describe_fault
from server.web.problems import ProblemError, problem_answer

ENROLMENTS = "/fleet/v1/enrolments"
REPORTS = "/fleet/v1/reports"

_BODY_S = 10.0
_RETRY_S = 30
_FORMAT = 1
_HOST_LENGTH = 32
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _problem(status: HTTPStatus, code: str, detail: str) -> ProblemError:
    return ProblemError(status, detail, more={"code": code})


_REFUSALS = {
    Receipt.UNKNOWN_HOST: (
        HTTPStatus.FORBIDDEN,
        "unknown-host",
        "this host is not enrolled here, or not any more",
    ),
    Receipt.ERASED: (
        HTTPStatus.GONE,
        "erased",
        "this host was erased: it has to be enrolled anew to report",
    ),
    Receipt.CLASH: (
        HTTPStatus.CONFLICT,
        "sequence-taken",
        (
            "another report had this number: the host was copied or put back to an older state."
            " Enrol it anew"
        ),
    ),
    Receipt.FULL: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-keys",
        "this host reported more keys than one host may: ask your operator, who can erase it",
    ),
}


class FleetDoor:
    """Handlers over the reception.

    identity: signs the answer to an enrolment; more: other handlers, by path, whose refusals are
    told and counted as these are.
    """

    def __init__(
        self,
        reception: Reception,
        identity: ServerIdentity | None = None,
        more: Iterable[tuple[str, Handler]] = (),
    ) -> None:
        self._reception = reception
        self._identity = identity
        self._more = tuple(more)
        # The same for all: there are some hundred a second.
        self._accepted = json.dumps({"policy": reception.policy.to_json()}).encode()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._translate])
        app.router.add_post(ENROLMENTS, self.enrol)
        app.router.add_post(REPORTS, self.report)
        for path, handler in self._more:
            app.router.add_post(path, handler)
        app.on_response_prepare.append(_guard_headers)
        return app

    async def enrol(self, request: web.Request) -> web.Response:
        """Let a host in."""
        body = await body_of(request, MAX_OCTETS)
        host_id, admission = await self._reception.enrol(body, _signature(request))
        status = HTTPStatus.OK if admission.again else HTTPStatus.CREATED
        self._reception.outcomes["enrolled-again" if admission.again else "enrolled"] += 1
        policy = self._reception.policy.to_json()
        value = {"format": _FORMAT, "host": host_id, "policy": policy}
        if self._identity is None:
            return web.json_response(value, status=status)
        value["server_key"] = policy["server_key"]
        answer = json.dumps(value).encode()
        signature = self._identity.sign_answer(ENROLMENTS, body, status.value, answer)
        return web.Response(
            status=status,
            body=answer,
            content_type="application/json",
            headers={SIGNATURE_HEADER: signature},
        )

    async def report(self, request: web.Request) -> web.Response:
        """Take a report: it is durable when the answer is 202."""
        host_id = require_host(request.headers.get(HOST_HEADER, ""))
        body = await body_of(request, MAX_REPORT_OCTETS)
        receipt = await self._reception.report(host_id, body, _signature(request))
        if receipt in _REFUSALS:
            raise refusal_of(receipt)
        self._reception.outcomes[receipt.value] += 1
        return web.Response(
            status=HTTPStatus.ACCEPTED, body=self._accepted, content_type="application/json"
        )

    @web.middleware
    async def _translate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
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


OUTCOMES = (
    *("again", "enrolled", "enrolled-again", "new"),
    *("bad-signature", "bad-token", "erased", "fault", "later", "malformed", "media-type"),
    *("no-such-request", "sequence-taken", "slow", "too-fast", "too-large", "too-many-keys"),
    *("unknown-format", "unknown-host"),
    *("claim-again", "claim-new", "claims-off", "too-many-claims"),
)
"""What is counted here: there from the start, so that the first one of a kind is seen to rise."""

_CODES: tuple[tuple[tuple[type[Exception], ...], HTTPStatus, str], ...] = (
    (
        (UnknownFormatError, UnknownEnrolmentError),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "unknown-format",
    ),
    ((MalformedReportError, MalformedError), HTTPStatus.BAD_REQUEST, "malformed"),
    ((BadSignatureError,), HTTPStatus.UNAUTHORIZED, "bad-signature"),
    ((BadTokenError,), HTTPStatus.FORBIDDEN, "bad-token"),
)
"""The first that fits counts: an unknown format is a malformed report, too."""


def _problem_of(fault: Exception) -> ProblemError:
    if isinstance(fault, ProblemError):
        return fault
    for kinds, status, code in _CODES:
        if isinstance(fault, kinds):
            return _problem(status, code, str(fault))
    if isinstance(fault, ProofRefusedError):
        return _problem(HTTPStatus.FORBIDDEN, fault.code, str(fault))
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


def require_host(host_id: str) -> str:
    """Return an id that a host can have; a problem."""
    if len(host_id) != _HOST_LENGTH or not host_id.isalnum():
        raise refusal_of(Receipt.UNKNOWN_HOST)
    return host_id


def refusal_of(receipt: Receipt) -> ProblemError:
    """Return the problem that a host is told.

    A new one each time: an exception that is raised again keeps the frames of every time before,
    with the requests in them, and a stranger could fill the memory with them.
    """
    return _problem(*_REFUSALS[receipt])


async def body_of(request: web.Request, cap: int) -> bytes:
    """Return the body, which is JSON of at most `cap` octets; a problem."""
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


def _signature(request: web.Request) -> str:
    return request.headers.get(SIGNATURE_HEADER, "")


async def _guard_headers(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    answer.headers[hdrs.SERVER] = SERVER_NAME
