"""The verification door: HTTP in, `Verifier`, HTTP out.

`GET /wsapi/2.0/verify` reads the query exactly as it was sent. `POST` reads the form body the
same way, and only the body: a parameter has one place, so that "given twice" stays decidable
and nothing of a POST ends up in the logs of a proxy. Every protocol answer is 200, also
errors; only over the rate limit it is 429 (half of the known clients refuse any other code).
"""

import asyncio
import secrets
from functools import partial
from typing import Protocol as Seam

import structlog
from aiohttp import hdrs, web
from multidict import istr

from server.clock import Clock
from server.metrics.layout import Bucket, Rejected
from server.metrics.tally import Tally
from server.otp.verdict import LimitAdvice, Source, Verdict
from server.usage.counter import UsageCounter
from server.usage.kinds import Outcome, outcome_of
from server.web.bare import bare_answer
from server.web.bodies import BodyFault, read_body
from server.web.faults import describe_fault
from server.web.repeats import SHORTCUT, Shortcut
from server.web.reply import PLAIN, Reply
from server.web.source import SourceReader
from validation.answer import Answer, compose
from validation.request import Protocol
from validation.signature import EMPTY_KEY
from validation.status import Status

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

MAX_FORM = 16 * 1024
"""Octets of a form body; as much as a query that is read at all."""

_FORM = "application/x-www-form-urlencoded"
_OK = 200
_TOO_MANY_REQUESTS = 429
_RETRY_AFTER = hdrs.RETRY_AFTER
_POLICY = istr("RateLimit-Policy")
_LIMIT = istr("RateLimit")
_REQUEST_ID = istr("X-Request-Id")


class VerifiesOtps(Seam):
    """What the door needs of the verification room."""

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        """Decide one request, given its query string or form body as it was sent."""
        ...


def verify_app(
    verifier: VerifiesOtps,
    *,
    tally: Tally,
    clock: Clock,
    sources: SourceReader,
    usage: UsageCounter | None = None,
    legacy: bool = True,
    body_s: float = 5.0,
) -> web.Application:
    """Return the application of the verification door; `runner.serve` puts it on a socket.

    sources: who is believed about where a request comes from; usage: counts answers per client,
    None: nobody does; legacy: serve protocol 1 at /wsapi/verify too; body_s: seconds for a form
    body.
    """
    door = VerifyDoor(
        verifier, tally=tally, clock=clock, sources=sources, usage=usage, body_s=body_s
    )
    app = web.Application()
    app[SHORTCUT] = Shortcut(
        b"GET /wsapi/2.0/verify?",
        door.source,
        partial(door.reply, Protocol.V2),
        clock,
        door.unanswered,
    )
    # No HEAD: it would consume an OTP and say nothing about it.
    app.router.add_get("/wsapi/2.0/verify", partial(door.answer, Protocol.V2), allow_head=False)
    app.router.add_post("/wsapi/2.0/verify", partial(door.form, Protocol.V2))
    if legacy:
        app.router.add_get("/wsapi/verify", partial(door.answer, Protocol.V1), allow_head=False)
    return app


class VerifyDoor:
    """Turns requests into calls of the verifier, and verdicts into answers."""

    def __init__(
        self,
        verifier: VerifiesOtps,
        *,
        tally: Tally,
        clock: Clock,
        sources: SourceReader,
        usage: UsageCounter | None,
        body_s: float,
    ) -> None:
        self._verify = verifier.verify
        self._tally = tally
        self._clock = clock
        self.source = sources.of
        self._body_s = body_s
        self._count = None if usage is None else usage.answered
        self._fault = None if usage is None else usage.fault

    def unanswered(self) -> None:
        """Count a request that gets no answer of the protocol because of a fault of ours."""
        self._tally.verified(Outcome.BAD)
        if self._fault is not None:
            self._fault()

    async def form(self, protocol: Protocol, request: web.Request) -> web.Response:
        """Answer a request whose parameters are in a form body."""
        body = await read_body(request, cap=MAX_FORM, deadline_s=self._body_s)
        if body is BodyFault.SLOW:
            self._tally.rejected(Rejected.SLOW_BODY)
            return bare_answer(408, close=True)
        if body is BodyFault.BROKEN:
            self._tally.rejected(Rejected.MALFORMED)
            return bare_answer(400, close=True)
        if body is BodyFault.TOO_LARGE:
            # As an overlong query: the protocol's MISSING_PARAMETER. The rest is not read.
            self._tally.rejected(Rejected.TOO_LARGE)
            answer = await self.answer(protocol, request, b"")
            answer.force_close()
            return answer
        # Another content type is no form, so it has no parameters: MISSING_PARAMETER.
        query = body if request.content_type == _FORM else b""
        return await self.answer(protocol, request, query)

    async def answer(
        self, protocol: Protocol, request: web.Request, query: bytes | str | None = None
    ) -> web.Response:
        """Answer a request whose parameters are `query`; without one, the target's query."""
        if query is None:
            # The raw target: aiohttp's own `query` decodes by other rules than the protocol's.
            query = request.raw_path.partition("?")[2]
        source = self.source(request.remote or "", request.headers)
        return (await self.reply(protocol, query, source)).response()

    async def reply(self, protocol: Protocol, query: bytes | str, source: Source) -> Reply:
        """Return the reply to a query, whatever happens."""
        tally, monotonic = self._tally, self._clock.monotonic
        began = monotonic()
        try:
            verdict = await self._verify(query, protocol, source)
        except Exception as fault:  # noqa: BLE001 - a door: every request gets an answer
            return self._broken(fault, began)
        except asyncio.CancelledError:
            self.unanswered()  # at a stop, when it took too long
            raise
        tally.answered(verdict.status, monotonic() - began)
        tally.verified(outcome_of(verdict))
        if self._count is not None:
            self._count(verdict)
        if verdict.shadowed:
            tally.shadowed()
        if verdict.limit is not None:
            return self._limited(verdict.body, verdict.limit)
        return Reply(_OK, verdict.body)

    def _limited(self, body: bytes, limit: LimitAdvice) -> Reply:
        """Answer over the limit (draft-ietf-httpapi-ratelimit-headers)."""
        self._tally.limited(Bucket.SOURCE if limit.policy_name == "source" else Bucket.CLIENT)
        headers = PLAIN.copy()
        headers[_RETRY_AFTER] = str(limit.retry_after_s)
        headers[_POLICY] = f'"{limit.policy_name}";q={limit.quota};w={limit.window_s}'
        headers[_LIMIT] = f'"{limit.policy_name}";r={limit.remaining};t={limit.retry_after_s}'
        return Reply(_TOO_MANY_REQUESTS, body, headers)

    def _broken(self, fault: Exception, began: float) -> Reply:
        """Answer BACKEND_ERROR for a fault nobody foresaw.

        It cannot be told which client asked, so there is no key to sign with but the empty one.
        The request id joins the answer to the log line, which holds nothing of the request.
        """
        request_id = secrets.token_hex(8)
        _log.error("verify_fault", request_id=request_id, **describe_fault(fault))
        self._tally.unexpected()
        self.unanswered()
        self._tally.answered(Status.BACKEND_ERROR, self._clock.monotonic() - began)
        body = compose(Answer(Status.BACKEND_ERROR, self._clock.now_us()), EMPTY_KEY)
        headers = PLAIN.copy()
        headers[_REQUEST_ID] = request_id
        return Reply(_OK, body, headers)
