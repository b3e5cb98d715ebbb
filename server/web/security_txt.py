"""`/.well-known/security.txt` (RFC 9116): whom to tell about a vulnerability of this deployment.

The operator's file `security.txt` of the data directory, served as it is. One that the RFC calls
unusable is not served: a wrong address, or one that was given up, swallows what should be told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog
from aiohttp import hdrs, web

from server.clock import Clock
from server.web.bare import bare_answer

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

PATH = "/.well-known/security.txt"
MAX_OCTETS = 32 * 1024
_NOT_FOUND = 404
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


class SecurityTxt:
    """A usable file. Made by `read`; serves itself until it expires."""

    def __init__(self, octets: bytes, clock: Clock) -> None:
        self._octets = octets
        self._clock = clock

    @classmethod
    def read(cls, path: Path, clock: Clock) -> Self | None:
        """Return the file to serve, None when there is none or it cannot be used: it is logged."""
        try:
            with path.open("rb") as file:
                octets = file.read(MAX_OCTETS + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("security_txt_not_served", file=str(path), reason=error.strerror)
            return None
        found = faults(octets, _now(clock))
        if found:
            _log.warning("security_txt_not_served", file=str(path), reason="; ".join(found))
            return None
        return cls(octets, clock)

    async def answer(self, _: web.Request) -> web.Response:
        """Serve the file."""
        if faults(self._octets, _now(self._clock)):
            return bare_answer(_NOT_FOUND)
        return web.Response(body=self._octets, headers=_HEADERS)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_us() / 1e6, UTC)
