"""The door of the reference's key storage module: `/wsapi/decrypt?otp=`, for trusted programs only.

Whoever asks learns counters and spends nothing, so nobody is answered but a program on the same
machine, or one that showed a certificate of the operator's authority: not a proxy of ours, which
speaks for strangers, and nobody whom any proxy let in.
"""

import enum
from typing import Protocol

from aiohttp import hdrs, web

from server.web.bare import bare_answer
from server.web.reply import PLAIN
from server.web.source import FORWARDED_FOR, SourceReader

_NOT_FOUND = 404
_SIGNS_OF_A_PROXY = (FORWARDED_FOR, hdrs.FORWARDED, hdrs.VIA, hdrs.X_FORWARDED_HOST, "X-Real-IP")


class DecryptsOtps(Protocol):
    """What the door needs of the verification room."""

    async def answer(self, text: str) -> str:
        """Return one line for an OTP."""
        ...


class Admitted(enum.Enum):
    """Who is answered."""

    LOOPBACK = enum.auto()
    MUTUAL_TLS = enum.auto()


class DecryptDoor:
    """Answers those who are admitted; to all others there is nothing at this path."""

    def __init__(
        self, decrypter: DecryptsOtps, sources: SourceReader, *, admitted: Admitted
    ) -> None:
        self._decrypter = decrypter
        self._sources = sources
        self._admitted = admitted

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the reference's clients ask with and without the last slash."""
        paths = ("/wsapi/decrypt", "/wsapi/decrypt/")
        return [web.get(path, self.decrypt, allow_head=False) for path in paths]

    async def decrypt(self, request: web.Request) -> web.Response:
        """Answer one OTP."""
        if not self._is_admitted(request):
            return bare_answer(_NOT_FOUND)
        given = request.query.getall("otp", [])
        text = given[0] if len(given) == 1 else "" if not given else "twice"
        line = await self._decrypter.answer(text)
        return web.Response(text=f"{line}\n", headers=PLAIN)

    def _is_admitted(self, request: web.Request) -> bool:
        source, is_proxy = self._sources.peer(request.remote or "")
        if is_proxy or any(name in request.headers for name in _SIGNS_OF_A_PROXY):
            return False
        match self._admitted:
            case Admitted.LOOPBACK:
                return source.exempt
            case Admitted.MUTUAL_TLS:
                # There is one only if the handshake verified it: ssl.SSLSocket.getpeercert.
                transport = request.transport
                return transport is not None and bool(transport.get_extra_info("peercert"))
