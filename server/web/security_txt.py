"""`/.well-known/security.txt` (RFC 9116): whom to tell about a vulnerability of this deployment.

The operator's file `security.txt` of the data directory, served as it is. One that the RFC calls
unusable is not served: a wrong address, or one that was given up, swallows what should be told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiohttp import hdrs, web

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

PATH = "/.well-known/security.txt"
MAX_OCTETS = 32 * 1024
_HEADERS = {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8", hdrs.CACHE_CONTROL: "max-age=3600"}


def faults(octets: bytes, now: datetime) -> Sequence[str]:
    """Return what makes a security.txt unusable at `now`, in words; nothing when it can be used."""
    if len(octets) > MAX_OCTETS:
        return [f"it has more than {MAX_OCTETS} octets"]
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return ["it is not UTF-8"]
    fields = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (line.partition(":") for line in text.splitlines())
        if colon and not name.startswith("#")
    ]
    found = []
    if not any(name == "contact" and ":" in value for name, value in fields):
        found.append("it has no Contact with a mailto:, https: or tel: address")
    ends = [value for name, value in fields if name == "expires"]
    if len(ends) != 1:
        found.append("it needs one Expires")
    else:
        found += _expiry(ends[0], now)
    return found


def _expiry(text: str, now: datetime) -> Sequence[str]:
    try:
        ends = datetime.fromisoformat(text)
    except ValueError:
        ends = None
    if ends is None or ends.tzinfo is None:
        return ["its Expires is not a time with a zone, like 2027-01-01T00:00:00Z"]
    if ends <= now:
        return [f"it expired at {text}"]
    return []


def read(path: Path) -> bytes | None:
    """Return the file to serve, None when there is none or it cannot be used: then it is logged."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("security_txt_not_served", file=str(path), reason=error.strerror)
        return None
    found = faults(octets, datetime.now(UTC))
    if found:
        _log.warning("security_txt_not_served", file=str(path), reason="; ".join(found))
        return None
    return octets


def add_route(app: web.Application, octets: bytes) -> None:
    """Serve `octets` as the security.txt of an application."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=octets, headers=_HEADERS)

    app.router.add_get(PATH, answer)
