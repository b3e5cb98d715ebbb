"""Which hosts may be probed: those that a person named, and Yubico's own service never.

A probe is a request every half minute for years: sent to the wrong place it is a nuisance, and
the validation service that others run may not be tested with it. So there is no default host.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Iterable
from urllib.parse import urlsplit

NEVER = ("yubico.com",)
"""Domains refused with all that is below them, whatever the list says."""

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class HostRefusedError(ValueError):
    """The host is none that may be probed; says what to do."""


def admit(url: str, allowed: Collection[str]) -> str:
    """Return the host of a URL, in its one spelling, if it is on the list; HostRefusedError.

    allowed: names or addresses, no wildcards.
    """
    host = _host_of(url)
    if host not in {canonical(name) for name in allowed}:
        raise HostRefusedError(
            f"{host} is not on the list of hosts that may be probed. If the service there is"
            f' yours, write: allowed_hosts = ["{host}"]'
        )
    return host


def admit_aliases(host: str, resolve: "Callable[[str], Iterable[str]] | None" = None) -> None:
    """Refuse a name of one's own that DNS leads to a host which is never probed."""
    for alias in (resolve or _aliases)(host):
        _refuse_never(alias.rstrip(".").lower())


def canonical(host: str) -> str:
    """Return the one spelling of a host: lower case, no root dot, addresses the usual way.

    Letters of other alphabets are read as a browser reads them (IDNA), so that no second spelling
    of a refused name passes. HostRefusedError for what is no name.
    """
    plain = host.removeprefix("[").removesuffix("]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii").rstrip(".").lower()
        except UnicodeError:
            plain = ""
    if not _NAME.fullmatch(plain):
        raise HostRefusedError(f"{host!r} is not the plain name or address of a host")
    _refuse_never(plain)
    return plain


def _refuse_never(host: str) -> None:
    if any(host == domain or host.endswith(f".{domain}") for domain in NEVER):
        raise HostRefusedError(f"{host}: Yubico's service is never probed")


def _host_of(url: str) -> str:
    # A URL parser and an HTTP client may disagree about these; none belongs into an address.
    if any(sign in url for sign in "\\@") or any(sign.isspace() for sign in url):
        raise HostRefusedError(f"{url!r} is not a plain URL such as https://otp.example.org")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # refuses what is no number
    except ValueError:
        host = None
    else:
        if parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
            host = None
    if not host:
        raise HostRefusedError(f"{url!r} is not a URL such as https://otp.example.org")
    return canonical(host)


def _aliases(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)
    except OSError:
        return []  # nothing can be sent there either
    return [name for *_, name, _ in found if name]
