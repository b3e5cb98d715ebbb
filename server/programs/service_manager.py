"""Tells systemd how the service is, in its datagrams (sd_notify(3)); silent under anything else.

Three messages are all we need of that protocol, so there is no library for it here.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Self

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Whoever started the service and wants to hear of it.

    address: of its datagram socket, None when nobody listens (a path, or "@" and an abstract
    name); watchdog_s: it counts us as hung after so many seconds without a word, None: never.
    """

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        # sd_notify(3) spells the zero octet of Linux's abstract names as "@".
        self._address = address and ("\0" + address[1:] if address[0] == "@" else address)
        self._watchdog_s = watchdog_s

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Read the variables of sd_notify(3) and remove them: no child of ours may answer."""
        address, period, pid = (environment.pop(name, "") for name in _VARIABLES)
        meant = pid in {"", str(os.getpid())}
        watchdog_s = int(period) / 1e6 if meant and period.isdecimal() and int(period) else None
        return cls(address or None, watchdog_s)

    def say(self, *lines: str) -> None:
        """Send one message. Nobody hears it: no harm is done."""
        if self._address is None:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._address)

    def ready(self, status: str) -> None:
        """Say that the service accepts, after its start or after a reload."""
        self.say("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """Say that a reload has begun; `ready` ends it."""
        moment_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.say("RELOADING=1", f"MONOTONIC_USEC={moment_us}", f"STATUS={status}")

    def stopping(self) -> None:
        """Say that the service ends by itself or as it was told."""
        self.say("STOPPING=1", "STATUS=finishing what was accepted")

    @asynccontextmanager
    async def watchdog(self) -> AsyncIterator[None]:
        """Show that the event loop turns, as often as was asked for."""
        if self._watchdog_s is None:
            yield
            return
        task = asyncio.get_running_loop().create_task(self._show_life(self._watchdog_s / 3))
        try:
            yield
        finally:
            task.cancel()

    async def _show_life(self, every_s: float) -> None:
        while True:
            self.say("WATCHDOG=1")
            await asyncio.sleep(every_s)
