"""The status as everybody reads it: page, feed and JSON below /status, and /api/v2 beside it.

It shows what this process knows already: no request goes to the store or the vault, so the pages
stand while they are down. A document is written when somebody asks for it, beside the event loop
and at most every few seconds, whatever the number of readers.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, Protocol

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from server.clock import Clock
from server.otp.sources import SourceLimiter
from server.otp.verdict import Source
from server.status.document import content_policy
from server.status.files import FORMS, PAGE, Site
from server.status.snapshot import Snapshot
from server.web.bare import SERVER_NAME, bare_answer
from server.web.faults import describe_fault

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

FRESH_S = 5
"""How long a document is shown as it was written: the time alone changes what it says."""

MAX_AGE_S = 10
_RETRY_S = 5
_API = "api/v2/"


class Shown(Protocol):
    """Knows how things are (`server.status.watch`)."""

    @property
    def snapshot(self) -> Snapshot | None:
        """What was read last; None before anything was."""
        ...


class _Written(NamedTuple):
    source: Snapshot
    at: float
    octets: bytes
    tag: str


class StatusPages:
    """Serves every form of the status.

    source: whose budget a request spends; limiter: what charges it, apart from verifications.
    """

    def __init__(
        self,
        shown: Shown,
        site: Site,
        *,
        clock: Clock,
        source: Callable[[str, CIMultiDictProxy[str]], Source],
        limiter: SourceLimiter,
    ) -> None:
        self._shown = shown
        self._site = site
        self._clock = clock
        self._source = source
        self._limiter = limiter
        self._written: dict[str, _Written] = {}
        self._turn = asyncio.Lock()

    def add_pages(self, below_status: web.Application) -> None:
        """Register what lies below /status."""
        for path in ("", "/"):
            below_status.router.add_get(path, partial(self.answer, PAGE))
        for name in FORMS:
            below_status.router.add_get(f"/{name}", partial(self.answer, name))

    def add_api(self, app: web.Application) -> None:
        """Register the JSON where programs that know only a host look for it."""
        for name in FORMS:
            if name.startswith(_API):
                app.router.add_get(f"/{name}", partial(self.answer, name))

    async def answer(self, name: str, request: web.Request) -> web.Response:
        """Show a document; 304 to whoever has it."""
        source = self._source(request.remote or "", request.headers)
        advice = None if source.exempt else self._limiter.spend(source.address)
        if advice is not None:
            return _later(HTTPStatus.TOO_MANY_REQUESTS, advice.retry_after_s)
        snapshot = self._shown.snapshot
        if snapshot is None:
            return _later(HTTPStatus.SERVICE_UNAVAILABLE, _RETRY_S)
        try:
            written = await self._write(name, snapshot)
            headers = {**_headers(name), hdrs.ETAG: written.tag}
        except Exception as fault:  # noqa: BLE001 - it would count as downtime of validation
            _log.error("status_fault", request_id=secrets.token_hex(8), **describe_fault(fault))
            return _later(HTTPStatus.SERVICE_UNAVAILABLE, _RETRY_S)
        if written.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(
            body=written.octets,
            content_type=FORMS[name].media_type,
            charset="utf-8",
            headers=headers,
        )

    async def _write(self, name: str, snapshot: Snapshot) -> _Written:
        """Return a document; of many who ask at once, one writes it, beside the event loop."""
        async with self._turn:
            known = self._written.get(name)
            now = self._clock.monotonic()
            if known is None or known.source is not snapshot or now - known.at >= FRESH_S:
                now_s = self._clock.now_us() // 1_000_000
                octets = await asyncio.to_thread(FORMS[name].write, snapshot, now_s, self._site)
                digest = hashlib.sha256(octets).hexdigest()[:32]
                known = self._written[name] = _Written(snapshot, now, octets, f'"{digest}"')
            return known


def _headers(name: str) -> Mapping[str, str]:
    headers = {
        hdrs.CACHE_CONTROL: f"public, max-age={MAX_AGE_S}",
        hdrs.SERVER: SERVER_NAME,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if name == PAGE:
        return headers | {"Content-Security-Policy": content_policy()}
    # Widgets on other sites read it, as they read Statuspage's. It is public and the same for all.
    return headers | {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}


def _later(status: HTTPStatus, retry_s: int) -> web.Response:
    refusal = bare_answer(status)
    refusal.headers[hdrs.RETRY_AFTER] = str(retry_s)
    return refusal
