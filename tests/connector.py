"""A YubiHSM 2 behind a connector, for services in processes of their own: it dies and comes back.

with ConnectorThread(Emulator()) as connector:
    ceremony(connector.url, folder)       # makes it what the manifest says; secrets in `folder`
    connector.stop(); connector.start()   # on the same port, with the same device
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from hsm import credentials, manifest
from hsm.ceremony.perform import perform
from hsm.ceremony.reach import DEADLINE_S, Secrets
from hsm.device.address import device_at
from hsm.emulator.core import Emulator
from server.web.connector import Connector


class ConnectorThread:
    """One device behind the connector's HTTP, on a free port that stays its own."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, on the port of before."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready.set,), daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        """Die: connections are cut, nothing listens any more."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop = self._thread = None

    def _run(self, ready: Callable[[], None]) -> None:
        loop = asyncio.new_event_loop()
        serial = self.emulator.device.identity.serial
        connector = Connector(self.emulator.transceive, serial, host="127.0.0.1", port=self.port)
        runner = web.AppRunner(connector.application(), access_log=None, shutdown_timeout=0.0)
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._loop = loop
        ready()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()


def ceremony(url: str, folder: Path) -> tuple[Path, Path]:
    """Make a device what the packaged manifest says; return the files of the two secrets."""
    host, held = folder / "host.key", folder / "ceremony.key"
    secrets = Secrets(credentials.create(host, "host"), credentials.create(held, "ceremony"))
    perform(device_at(url, DEADLINE_S), manifest.validation(), secrets)
    return host, held
