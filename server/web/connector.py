"""The two pages of Yubico's connector before one device in this process, for its other users."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from hsm.emulator.faults import LostError

CONNECTOR_VERSION = "3.0.7"
"""The connector whose answers these are. It knows no limit but that of the largest message."""
_SHORTEST, _LONGEST = 3, 3139


class Connector:
    """The connector's pages. serial: the device's; host, port: where clients find it."""

    def __init__(
        self, transceive: Callable[[bytes], bytes], serial: int, *, host: str, port: int
    ) -> None:
        self._transceive = transceive
        self._serial = serial
        self._host = host
        self._port = port
        self._turn = asyncio.Lock()

    def application(self) -> web.Application:
        """Return what answers."""
        made = web.Application(client_max_size=_LONGEST)
        made.router.add_post("/connector/api", self._api)
        made.router.add_get("/connector/status", self._status)
        return made

    async def _api(self, request: web.Request) -> web.Response:
        length = request.content_length
        if length is None or not _SHORTEST <= length <= _LONGEST:
            return web.Response(status=400)
        message = await request.read()
        async with self._turn:
            # In a thread: making a large RSA key takes seconds, and the status page answers on.
            try:
                answer = await asyncio.to_thread(self._transceive, message)
            except LostError:
                # As when the connector dies: the connection is cut, and no answer comes.
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
        return web.Response(body=answer, content_type="application/octet-stream")

    async def _status(self, _request: web.Request) -> web.Response:
        lines = {
            "status": "OK",
            "serial": str(self._serial),
            "version": CONNECTOR_VERSION,
            "pid": "EMULATOR",
            "address": self._host,
            "port": str(self._port),
        }
        return web.Response(text="".join(f"{name}={value}\n" for name, value in lines.items()))
