"""Sessions of operators in a browser: a token is shown once, then a cookie stands for it.

In memory, of the process that serves the page: a start ends them all. What is kept of a cookie is
its digest, and of the token its number: whoever reads the memory finds neither. What a session
may do is asked anew each time; here it only ends by itself.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple

from server.clock import Clock

LIFE_S = 8 * 3600.0
IDLE_S = 30 * 60.0
MOST = 500
MOST_OF_ONE = 8
"""Sessions at once, and of one token: the one that was used longest ago makes room."""

_OCTETS = 32
MAX_COOKIE = 64
"""Characters of a cookie that is looked at."""


class _Session(NamedTuple):
    token: int
    ends: float
    used: float


class Sessions:
    """Who is signed in. random_octets: anything but the system's own is for tests."""

    def __init__(
        self,
        *,
        clock: Clock,
        most: int = MOST,
        most_of_one: int = MOST_OF_ONE,
        random_octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._clock = clock
        self._most = most
        self._most_of_one = most_of_one
        self._random_octets = random_octets
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        """Return how many there are, with those that ended unnoticed."""
        return len(self._sessions)

    def begin(self, token: int) -> str:
        """Begin a session for the token of this number; return its cookie, this once."""
        now = self._clock.monotonic()
        self._drop_ended(now)
        own = [digest for digest, one in self._sessions.items() if one.token == token]
        if len(own) >= self._most_of_one:
            self._drop_idlest(own)
        if len(self._sessions) >= self._most:
            self._drop_idlest(list(self._sessions))
        secret = self._random_octets(_OCTETS)
        cookie = urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")
        self._sessions[_digest(cookie)] = _Session(token, now + LIFE_S, now)
        return cookie

    def token_of(self, cookie: str) -> int | None:
        """Return the number of the token that a session stands for; None: there is no such one.

        Found by the digest of what was shown: how long it takes tells nothing of others'.
        """
        if len(cookie) > MAX_COOKIE:
            return None
        digest, now = _digest(cookie), self._clock.monotonic()
        found = self._sessions.get(digest)
        if found is None or _is_over(found, now):
            self._sessions.pop(digest, None)
            return None
        self._sessions[digest] = found._replace(used=now)
        return found.token

    def end(self, cookie: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_digest(cookie), None)

    def _drop_ended(self, now: float) -> None:
        for digest in [one for one, found in self._sessions.items() if _is_over(found, now)]:
            del self._sessions[digest]

    def _drop_idlest(self, among: list[bytes]) -> None:
        del self._sessions[min(among, key=lambda digest: self._sessions[digest].used)]


def _is_over(session: _Session, now: float) -> bool:
    return now >= session.ends or now - session.used >= IDLE_S


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
