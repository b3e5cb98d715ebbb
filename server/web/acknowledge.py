"""`/status/ack/TOKEN` on the verification listener: the page of a link to acknowledge by.

There because it is the door that people reach from outside. GET and HEAD change nothing, as mail
scanners fetch what they find; the page's button sends a POST. No fault here is one of validation.
"""

import asyncio
import secrets

import structlog
from aiohttp import hdrs, web

from server.clock import Clock
from server.notices import page
from server.notices.acknowledging import AcknowledgementSource, Found, Verdict
from server.notices.link import NOT_OURS, is_token
from server.notices.page import FORM, FORM_TYPE, MAX_FORM, Page
from server.otp.ports import StoreError
from server.otp.verdict import Source
from server.web.bare import SERVER_NAME
from server.web.bodies import read_body
from server.web.faults import describe_fault
from server.web.lockout import Lockout
from server.web.source import FORWARDED_FOR, SourceReader

PATH = "/status/ack/{token}"

_WRONG_LINKS = 30
_LOCKOUT_S = 300.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class AcknowledgePages:
    """Serves the pages. sources: who is believed about where a request comes from."""

    def __init__(
        self,
        source: AcknowledgementSource,
        sources: SourceReader,
        clock: Clock,
        *,
        body_s: float = 5.0,
        answer_s: float = 10.0,
    ) -> None:
        self._source = source
        self._sources = sources
        self._body_s = body_s
        self._answer_s = answer_s
        self._lockout = Lockout(attempts=_WRONG_LINKS, lockout_s=_LOCKOUT_S, clock=clock)

    def register(self, app: web.Application) -> None:
        """Put the page on an application, before what else is below /status."""
        app.router.add_get(PATH, self.look)
        app.router.add_post(PATH, self.press)

    async def look(self, request: web.Request) -> web.Response:
        """Show what is behind a link."""
        return await self._answer(request, press=False)

    async def press(self, request: web.Request) -> web.Response:
        """Acknowledge, if the page's button was used."""
        body = await read_body(request, cap=MAX_FORM, deadline_s=self._body_s)
        if request.content_type != FORM_TYPE or body != FORM:
            answer = _response(page.not_the_button())
            answer.force_close()  # what was not read is not the next request
            return answer
        return await self._answer(request, press=True)

    async def _answer(self, request: web.Request, *, press: bool) -> web.Response:
        source = self._from(request)
        wait_s = 0 if source.exempt else self._lockout.wait_s(source.address)
        if wait_s:
            answer = _response(page.slow_down(wait_s))
            answer.headers[hdrs.RETRY_AFTER] = str(wait_s)
            return answer
        return _response(await self._find(request.match_info["token"], source, press=press))

    async def _find(self, token: str, source: Source, *, press: bool) -> Page:
        found = Found(Verdict.REFUSED, NOT_OURS)
        try:
            if is_token(token):  # else nobody far away is asked
                async with asyncio.timeout(self._answer_s):
                    found = await self._source.acknowledgement(token, press=press)
        except TimeoutError:
            # While the store hangs, strangers' requests must not pile up where OTPs are verified.
            _log.warning("acknowledgement_not_found_out", error="no answer in time")
            return page.unavailable()
        except StoreError as error:
            _log.warning("acknowledgement_not_found_out", error=str(error))
            return page.unavailable()
        except Exception as fault:  # noqa: BLE001 - a door: what it does not know is told to nobody
            request_id = secrets.token_hex(8)
            _log.error("acknowledgement_fault", request_id=request_id, **describe_fault(fault))
            return page.unavailable()
        if found.verdict is Verdict.REFUSED and not source.exempt:
            self._lockout.wrong(source.address)
        if found.verdict is Verdict.DONE:
            _log.info("acknowledged", incident=found.incident_id, person=found.person)
        return page.show(found)

    def _from(self, request: web.Request) -> Source:
        source, is_proxy = self._sources.peer(request.remote or "")
        if is_proxy:
            return self._sources.forwarded(source, request.headers.getall(FORWARDED_FOR, ()))
        return source


def _response(shown: Page) -> web.Response:
    answer = web.Response(
        status=shown.status, text=shown.html, content_type="text/html", charset="utf-8"
    )
    answer.headers.update(page.HEADERS)
    answer.headers[hdrs.SERVER] = SERVER_NAME
    return answer
