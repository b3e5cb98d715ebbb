"""The prober's own listener: the status pages, and acknowledgements while the server is away.

A page to acknowledge on has a button that sends a POST: scanners of mail follow links, so opening
one acknowledges nothing.
"""

import base64
import hashlib
import html
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

from aiohttp import hdrs, web

from server.incidents.states import StepRefusedError
from server.notices.link import TOKEN_CHARACTERS, LinkError
from server.probing.vigil import Local
from server.status.document import content_policy
from server.status.files import FORMS, PAGE
from server.web.bare import SERVER_NAME, bare_answer
from server.web.bodies import read_body

_STATUS_AGE_S = 15
_STYLE = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;"
    "margin:3rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_BUTTON = "acknowledge=yes"
_MAX_FORM = 256
_FORM_S = 5.0
_HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.SERVER: SERVER_NAME,
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Acknowledging(Protocol):
    """Takes acknowledgements."""

    def local(self) -> Local | None:
        """Return the incident that is here."""
        ...

    def acknowledge(self, person: str, text: str = "") -> Local:
        """Take it on; StepRefusedError, LookupError."""
        ...


class Reads(Protocol):
    """Reads a link's token: (token, incident, Unix seconds) -> whose it is; LinkError."""

    def __call__(self, token: str, local: Local | None, now_s: int, /) -> Awaitable[str]:
        """Read one."""
        ...


class ProbeDoor:
    """Handlers. documents: the status in all its forms, as it is now, None before the first."""

    def __init__(
        self,
        vigil: Acknowledging,
        reads: Reads,
        *,
        now_s: Callable[[], int],
        documents: Callable[[], Mapping[str, bytes] | None],
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        self._vigil = vigil
        self._reads = reads
        self._now_s = now_s
        self._documents = documents
        self._acknowledged = acknowledged

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        ack = f"/ack/{{token:[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}}}"
        app.router.add_get(ack, self.show)
        app.router.add_post(ack, self.acknowledge)
        app.router.add_get("/status", self.to_status)
        app.router.add_get("/status/{name:.*}", self.status)

    async def show(self, request: web.Request) -> web.Response:
        """Show what would be acknowledged, and a button. Changes nothing."""
        found = await self._read(request)
        if isinstance(found, web.Response):
            return found
        person, local = found
        incident = local.incident
        answered = incident.acknowledged_us is not None
        return _page(
            incident.title,
            f"Noticed by the prober. {incident.history[0].text}",
            "" if answered else f"Acknowledge as {person}",
            "Somebody has acknowledged it." if answered else "",
        )

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Acknowledge as the person whose link it is."""
        body = await read_body(request, cap=_MAX_FORM, deadline_s=_FORM_S)
        if body != _BUTTON.encode():
            # Whatever follows links and sends forms of its own has pressed no button.
            said = "Nothing was changed. Open the link, and use the button on the page."
            return _page("That was not the button", said, "", "", HTTPStatus.BAD_REQUEST)
        found = await self._read(request)
        if isinstance(found, web.Response):
            return found
        person, _ = found
        try:
            local = self._vigil.acknowledge(person)
        except (StepRefusedError, LookupError):
            said = "Somebody else was faster, or it is over. There is nothing left to acknowledge."
            return _page("Already acknowledged", said, "", "", HTTPStatus.CONFLICT)
        self._acknowledged()
        said = f"You have acknowledged it, {person}. The response's clock has stopped."
        return _page(local.incident.title, said, "", "The server is told when it is back.")

    async def to_status(self, _: web.Request) -> web.Response:
        """Lead to the page: what is beside it is found by names relative to it."""
        return web.Response(status=HTTPStatus.FOUND, headers={hdrs.LOCATION: "/status/"})

    async def status(self, request: web.Request) -> web.Response:
        """Show the page, the feed or one of the JSON documents."""
        name = request.match_info["name"] or PAGE
        form, documents = FORMS.get(name), self._documents()
        if form is None:
            return bare_answer(HTTPStatus.NOT_FOUND)
        if documents is None or name not in documents:
            return bare_answer(HTTPStatus.SERVICE_UNAVAILABLE)
        headers = {
            hdrs.CACHE_CONTROL: f"public, max-age={_STATUS_AGE_S}",
            hdrs.SERVER: SERVER_NAME,
            "X-Content-Type-Options": "nosniff",
        }
        if name == PAGE:
            headers["Content-Security-Policy"] = content_policy()
        return web.Response(
            body=documents[name], content_type=form.media_type, charset="utf-8", headers=headers
        )

    async def _read(self, request: web.Request) -> "web.Response | _Found":
        local = self._vigil.local()
        try:
            person = await self._reads(request.match_info["token"], local, self._now_s())
        except LinkError as error:
            return _page("This link does not work", str(error), "", "", HTTPStatus.NOT_FOUND)
        if local is None:
            raise LookupError("a link was read for an incident that is not there")
        return _Found(person, local)


class _Found(NamedTuple):
    person: str
    local: Local


def _page(
    title: str, text: str, button: str, below: str, status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    form = ""
    if button:
        name, _, value = _BUTTON.partition("=")
        form = (
            f'<form method="post"><input type="hidden" name="{name}" value="{value}">'
            f"<button>{html.escape(button)}</button></form>"
        )
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{html.escape(title)}</h1>"
        f"<p>{html.escape(text)}</p>{form}<p>{html.escape(below)}</p></main></body></html>\n"
    )
    return web.Response(
        status=status, text=body, content_type="text/html", charset="utf-8", headers=_HEADERS
    )
