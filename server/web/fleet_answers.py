"""Answers of the pages of the fleet: a document with its headers, some words, or somewhere else."""

from http import HTTPStatus

from aiohttp import hdrs, web

from server.fleet_page import document, places
from server.fleet_page.document import Frame
from server.fleet_page.places import Way
from server.web.bare import SERVER_NAME
from server.web.sessions import IDLE_S, LIFE_S

OVERVIEW = Way(places.ROOT, "Overview")


def page_answer(octets: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a document."""
    return web.Response(
        body=octets, status=status, content_type="text/html", charset="utf-8", headers=_headers()
    )


def words_answer(
    status: HTTPStatus, title: str, text: str, *, operator: str = "", link: Way | None = None
) -> web.Response:
    """Return a page of a few words. operator: who looks, if they may see anything at all."""
    frame = Frame(title, operator=operator)
    return page_answer(document.write("message", frame, text=text, link=link), status)


def form_answer(status: HTTPStatus, to: str, fault: str = "") -> web.Response:
    """Return the form that asks for a token. to: where to go afterwards."""
    hours, idle = int(LIFE_S // 3600), int(IDLE_S // 60)
    octets = document.write("sign_in", Frame("Sign in"), to=to, fault=fault, hours=hours, idle=idle)
    answer = page_answer(octets, status)
    if status is HTTPStatus.UNAUTHORIZED:
        # There has to be one; browsers know no such scheme, and show the form.
        answer.headers[hdrs.WWW_AUTHENTICATE] = 'Form realm="keystead fleet"'
    return answer


def gone_to(address: str) -> web.Response:
    """Send a browser to an address of ours, with a GET."""
    headers = {**_headers(), hdrs.LOCATION: address}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def _headers() -> dict[str, str]:
    return {
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.SERVER: SERVER_NAME,
        "Content-Security-Policy": document.house().header,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Not `no-referrer`: with that a browser does not say of which page a form was.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
