"""Where a server is: HTTPS, or plain HTTP on this machine. Pure."""

from typing import NamedTuple
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"https": 443, "http": 80}


class ServerUrlError(ValueError):
    """Not the URL of a server. The message is for people."""


class ServerUrl(NamedTuple):
    """A server. path: before the agent's own, without a slash at the end."""

    secure: bool
    host: str
    port: int
    path: str


def parse_server_url(text: str) -> ServerUrl:
    """Read the URL of a server. ServerUrlError."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ServerUrlError(f"{text!r} is no URL, like https://keystead.example.org") from None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not host:
        raise ServerUrlError(f"{text!r} is no URL, like https://keystead.example.org")
    if parts.username is not None or parts.query or parts.fragment:
        raise ServerUrlError("the server's URL has no user, no query and no fragment")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ServerUrlError(
            "reports go over HTTPS; plain HTTP is for a server on this machine (127.0.0.1) alone"
        )
    return ServerUrl(parts.scheme == "https", host, port, parts.path.rstrip("/"))
