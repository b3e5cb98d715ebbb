"""Which hosts may be put under load: the loopback, and what a person named on purpose.

A load test sent to the wrong place is an attack. So the list is short by default, a host that
is not on it is refused before the first request, and Yubico's public service never is a target:
not by its name, not by another spelling of it, not by an alias, not by way of a redirect.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""What may be loaded without naming it."""

NEVER = ("yubico.com",)
"""Domains refused with all that is below them, whatever the list says."""

_PLAIN_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class HostRefusedError(ValueError):
    """The target is none that may be put under load."""


def admit(target: str, named: Collection[str] = ()) -> str:
    """Return the host of the URL `target` if it may be put under load.

    named: further hosts (names or addresses, no wildcards) that somebody allowed on purpose.
    Raises HostRefusedError, with what to do, otherwise.
    """
    host = _host_of(target)
    allowed = LOOPBACK | {_canonical(name) for name in named}
    if host not in allowed:
        raise HostRefusedError(
            f"{host} is not on the list of hosts that may be put under load; "
            f"if it is yours to load, name it: --allow-host {host}"
        )
    return host


def aliases(host: str) -> list[str]:
    """Return the name that DNS leads `host` to in the end; none when it cannot be asked."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)
    except OSError:
        return []  # nothing can be sent there either
    return [canonical for *_, canonical, _ in found if canonical]


def admit_alias(host: str, resolve: Callable[[str], list[str]] = aliases) -> None:
    """Refuse a name of one's own that is an alias of a host which never is a target."""
    for alias in resolve(host):
        _refuse_never(alias.rstrip(".").lower())


def admit_redirect(location: str, named: Collection[str] = ()) -> None:
    """Refuse the target of a redirect as if it had been asked for. None is ever followed."""
    if "//" in location.partition("?")[0]:
        admit(location if urlsplit(location).scheme else f"http:{location}", named)


def _refuse_never(host: str) -> None:
    if any(host == domain or host.endswith(f".{domain}") for domain in NEVER):
        raise HostRefusedError(f"{host}: Yubico's service is never a target of a load test")


def _host_of(target: str) -> str:
    """Return the host a client would really connect to, in canonical form."""
    # A URL parser and an HTTP client may disagree about these; none belongs in a target.
    if any(sign in target for sign in "\\@") or any(sign.isspace() for sign in target):
        raise HostRefusedError(f"{target!r} is not a plain URL such as http://127.0.0.1:8080")
    try:
        parts = urlsplit(target)
        host = parts.hostname
        _ = parts.port  # refuses what is no number
    except ValueError:
        host = None
    else:
        if parts.scheme not in {"http", "https"}:
            host = None
    if not host:
        raise HostRefusedError(f"{target!r} is not a URL such as http://127.0.0.1:8080")
    return _canonical(host)


def _canonical(host: str) -> str:
    """Return one spelling per host: lower case, no root dot, addresses written the usual way.

    Other alphabets' dots and letters are read as a browser reads them (IDNA), so that no second
    spelling of a refused name passes. Raises HostRefusedError for what is no name at all.
    """
    plain = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii").rstrip(".").lower()
        except UnicodeError:
            plain = ""
    if not _PLAIN_NAME.fullmatch(plain):
        raise HostRefusedError(f"{host!r} is not the plain name or address of a host")
    _refuse_never(plain)
    return plain
