"""On which way a request came, as far as secrets are concerned.

A token that is typed into a page over plain HTTP can be read by everybody on the way. So it is
asked for only on this host, over TLS, and behind a reverse proxy of ours that speaks TLS.
"""

import enum

from aiohttp import web
from multidict import istr

from server.web.source import SourceReader, read_address

_FORWARDED_PROTO = istr("X-Forwarded-Proto")
_FETCH_SITE = istr("Sec-Fetch-Site")
_ORIGIN = istr("Origin")


class Carriage(enum.Enum):
    """How private the way is."""

    SECURE = enum.auto()
    """TLS, to us or to a proxy of ours."""
    LOCAL = enum.auto()
    """Plain HTTP that did not leave this host."""
    OPEN = enum.auto()
    """Plain HTTP over a network."""


def carriage_of(request: web.Request, sources: SourceReader) -> Carriage:
    """Return on which way a request came. A proxy's word is taken from configured ones only."""
    if request.secure:
        return Carriage.SECURE
    host = request.remote or ""
    if sources.peer(host).is_proxy:
        fields = ",".join(request.headers.getall(_FORWARDED_PROTO, []))
        # The last one is the word of the proxy next to us; others may be a stranger's.
        said = fields.rpartition(",")[2].strip().lower()
        return Carriage.SECURE if said == "https" else Carriage.OPEN
    address = read_address(host)
    is_here = address is not None and address.is_loopback
    return Carriage.LOCAL if is_here else Carriage.OPEN


def is_from_own_page(request: web.Request) -> bool:
    """Tell whether a form was sent by a page of the same origin, as far as a browser tells.

    A program that tells nothing carries no cookies of a browser's either.
    """
    site = request.headers.get(_FETCH_SITE)
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get(_ORIGIN)
    return origin is None or origin.partition("://")[2] == request.host
