"""The door of the reference's key storage module: `/wsapi/decrypt?otp=`, for this machine only.

Whoever asks learns counters and spends nothing, so nobody but a program on the same machine is
answered: not a proxy of ours, which speaks for strangers, and nobody whom any proxy let in.
"""

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


class DecryptDoor:
    """Answers loopback peers; to all others there is nothing at this path."""

    def __init__(self, decrypter: DecryptsOtps, sources: SourceReader) -> None:
        self._decrypter = decrypter
        self._sources = sources

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the reference's clients ask with and without the last slash."""
        paths = ("/wsapi/decrypt", "/wsapi/decrypt/")
        return [web.get(path, self.decrypt, allow_head=False) for path in paths]

    async def decrypt(self, request: web.Request) -> web.Response:
        """Answer one OTP."""
        source, is_proxy = self._sources.peer(request.remote or "")
        forwarded = any(name in request.headers for name in _SIGNS_OF_A_PROXY)
        if is_proxy or forwarded or not source.exempt:
            return bare_answer(_NOT_FOUND)
        given = request.query.getall("otp", [])
        text = given[0] if len(given) == 1 else "" if not given else "twice"
        line = await self._decrypter.answer(text)
        return web.Response(text=f"{line}\n", headers=PLAIN)
