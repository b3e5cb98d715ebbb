"""What everybody may read: `/status/maintenance.ics`, on the verification listener.

An application of its own, and read-only. It shows what this process knows already: no request goes
to the store or the vault, so it stands while they are down and costs verifications nothing.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple, Protocol

import structlog
from aiohttp import hdrs, web

from server.maintenance.feed import MEDIA_TYPE, write_calendar
from server.maintenance.plan import Maintenance
from server.web.bare import SERVER_NAME, bare_answer
from server.web.faults import describe_fault

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

MAX_AGE_S = 60
_RETRY_S = 5


class Announced(Protocol):
    """Knows what was announced (`server.maintenance.watch`)."""

    @property
    def announced(self) -> Sequence[Maintenance] | None:
        """What was read last; None before anything was."""
        ...


class _Written(NamedTuple):
    source: Sequence[Maintenance]
    octets: bytes
    tag: str


def status_app(announced: Announced) -> web.Application:
    """Return the application below /status."""
    app = web.Application()
    app.router.add_get("/maintenance.ics", MaintenanceFeed(announced).answer)
    return app


class MaintenanceFeed:
    """Serves the calendar, written anew only when something was announced."""

    def __init__(self, announced: Announced) -> None:
        self._announced = announced
        self._written: _Written | None = None
        self._turn = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        """Show the calendar; 304 to whoever has it."""
        known = self._announced.announced
        if known is None:
            return _later()
        try:
            written = await self._write(known)
        except Exception as fault:  # noqa: BLE001 - it would count as downtime of validation
            _log.error("status_fault", request_id=secrets.token_hex(8), **describe_fault(fault))
            return _later()
        headers = {
            hdrs.CACHE_CONTROL: f"public, max-age={MAX_AGE_S}",
            hdrs.ETAG: written.tag,
            hdrs.SERVER: SERVER_NAME,
        }
        if written.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(
            body=written.octets, content_type=MEDIA_TYPE, charset="utf-8", headers=headers
        )

    async def _write(self, known: Sequence[Maintenance]) -> _Written:
        """Return the calendar; of many who ask at once, one writes it, beside the event loop."""
        async with self._turn:
            if self._written is None or self._written.source != known:
                octets = await asyncio.to_thread(write_calendar, known)
                digest = hashlib.sha256(octets).hexdigest()[:32]
                self._written = _Written(known, octets, f'"{digest}"')
            return self._written


def _later() -> web.Response:
    refusal = bare_answer(HTTPStatus.SERVICE_UNAVAILABLE)
    refusal.headers[hdrs.RETRY_AFTER] = str(_RETRY_S)
    return refusal
