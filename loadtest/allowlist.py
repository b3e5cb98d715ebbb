"""Which hosts may be put under load: the loopback, and what a person named on purpose.

A load test sent to the wrong place is an attack. So the list is short by default, a host that
is not on it is refused before the first request, and Yubico's public service never is a target.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""What may be loaded without naming it."""

NEVER = ("yubico.com",)
"""Domains refused with all that is below them, whatever the list says."""


class HostRefusedError(ValueError):
    """The target is none that may be put under load."""


def admit(target: str, named: Collection[str] = ()) -> str:
    """Return the host of the URL `target` if it may be put under load.

    named: further hosts (names or addresses, no wildcards) that somebody allowed on purpose.
    Raises HostRefusedError, with what to do, otherwise.
    """
    host = _host_of(target)
    if any(host == domain or host.endswith(f".{domain}") for domain in NEVER):
        raise HostRefusedError(f"{host}: Yubico's service is never a target of a load test")
    allowed = LOOPBACK | {_canonical(name) for name in named}
    if host not in allowed:
        raise HostRefusedError(
            f"{host} is not on the list of hosts that may be put under load; "
            f"if it is yours to load, name it: --keystead-allow-host {host}"
        )
    return host


def _host_of(target: str) -> str:
    """Return the host a client would really connect to, in canonical form."""
    # A URL parser and an HTTP client may disagree about these; none belongs in a target.
    if any(sign in target for sign in "\\@") or any(sign.isspace() for sign in target):
        raise HostRefusedError(f"{target!r} is not a plain URL such as http://127.0.0.1:8080")
    try:
        parts = urlsplit(target)
        host = parts.hostname
    except ValueError:
        host = None
    else:
        if parts.scheme not in {"http", "https"}:
            host = None
    if not host:
        raise HostRefusedError(f"{target!r} is not a URL such as http://127.0.0.1:8080")
    return _canonical(host)


def _canonical(host: str) -> str:
    """Return one spelling per host: lower case, no root dot, addresses written the usual way."""
    plain = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain
