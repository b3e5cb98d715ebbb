"""`keystead emulator`: a YubiHSM 2 in software behind the HTTP of Yubico's connector."""

import asyncio
import signal
import socket
from typing import Any

from aiohttp import web

from hsm.emulator.core import Emulator
from hsm.emulator.timing import Paced
from hsm.emulator.wire.firmware import Firmware
from server.address import Address
from server.programs.exits import CommandError, Exit
from server.programs.hardening import keep_memory_private
from server.programs.listening import listen
from server.programs.terminal import complain, say
from server.web.connector import Connector


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
    connector = Connector(transceive, serial, host=where.host, port=where.port)
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
