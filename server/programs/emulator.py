"""`keystead emulator`: a YubiHSM 2 in software behind the HTTP of Yubico's connector."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hsm.emulator.core import Emulator
from hsm.emulator.faults import LostError
from hsm.emulator.timing import Paced
from hsm.emulator.wire.firmware import Firmware
from server.address import Address
from server.programs.exits import CommandError, Exit
from server.programs.hardening import keep_memory_private
from server.programs.listening import listen
from server.programs.terminal import complain, say

CONNECTOR_VERSION = "3.0.7"
"""The connector whose answers these are. It knows no limit but that of the largest message."""
_SHORTEST, _LONGEST = 3, 3139


class Connector:
    """The connector's two pages before one device, which has this serial number."""

    def __init__(self, transceive: Callable[[bytes], bytes], serial: int, where: Address) -> None:
        self._transceive = transceive
        self._serial = serial
        self._where = where
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
            "address": self._where.host,
            "port": str(self._where.port),
        }
        return web.Response(text="".join(f"{name}={value}\n" for name, value in lines.items()))


def run(listen_at: str, firmware: str, *, fips: bool, timed: bool) -> None:
    """Serve a device as from the factory until SIGTERM or SIGINT; nothing of it is kept."""
    try:
        address, version = Address.parse(listen_at), Firmware.parse(firmware)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    keep_memory_private()
    asyncio.run(_serve(address, Emulator(version, fips_model=fips), timed=timed))


async def _serve(address: Address, emulator: Emulator, *, timed: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    (listening,) = await listen(address, 1, "--listen")
    where = _where(listening)
    device = emulator.device
    serial = device.identity.serial
    transceive = Paced(emulator).transceive if timed else emulator.transceive
    connector = Connector(transceive, serial, where)
    runner = web.AppRunner(connector.application(), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        complain(
            "This is an EMULATOR, not a YubiHSM 2. It protects nothing: its keys lie in this"
            " process' memory and are gone when it ends, anybody who reaches the port may"
            " speak to it, and authentication key 1 has the password everybody knows."
        )
        say(f"ready http://{where} serial={serial} firmware={device.firmware}")
        await stop.wait()
    finally:
        await runner.cleanup()


def _where(listening: socket.socket) -> Address:
    name: tuple[Any, ...] = listening.getsockname()
    return Address(name[0], name[1])
