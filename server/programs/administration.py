"""The admin API for a command: the running service's, or one of our own on the same store.

Whoever holds the data directory's lock serves the admin API. When nobody does, the command
takes the lock and serves itself, on a private socket in a thread: one code path for both.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.datadir import DataDirectory, InUseError
from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError, Exit
from server.programs.unix_sockets import listen_unix, needs_hsm_socket

if TYPE_CHECKING:
    from server.config import Config

PATIENCE_S = 60.0
"""How long another command may hold the lock, or a service take to start or stop."""

_RETRY_S = 0.05


@contextmanager
def administration(data: DataDirectory, config: "Config") -> Iterator[AdminClient]:
    """Yield a client of the admin API that answers; CommandError when there is none."""
    data.require()
    running = AdminClient(data.admin_socket)
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            with data.locked(), _own_service(data, config) as own:
                yield own
                return
        except InUseError as error:
            if running.answers():
                break
            if time.monotonic() > give_up:
                raise CommandError(
                    f"process {error.pid or '(unknown)'} holds {data.root} but does not answer on"
                    f" {data.admin_socket}. Wait until it has started or stopped, or end it",
                    Exit.UNREACHABLE,
                ) from error
        time.sleep(_RETRY_S)
    yield running


@contextmanager
def _own_service(data: DataDirectory, config: "Config") -> Iterator[AdminClient]:
    """Serve the admin API on `run/command.sock` while the context lasts; we hold the lock."""
    service = _AdminThread(data, config)
    service.start()
    service.ready.wait()
    try:
        if service.failure is not None:
            raise service.failure
        yield AdminClient(service.socket_path)
    finally:
        service.stop()
        service.join()


class _AdminThread(threading.Thread):
    """An event loop with the store and the admin application. failure: why it did not start."""

    def __init__(self, data: DataDirectory, config: "Config") -> None:
        super().__init__(name="admin-api", daemon=True)
        self._data = data
        self._config = config
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self.socket_path = data.run / "command.sock"
        self.ready = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        """Serve until `stop` (threading)."""
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self.failure = error
        finally:
            self.ready.set()

    async def _serve(self) -> None:
        from server import logs, main  # noqa: PLC0415 - the whole server: only when nobody serves

        logs.configure("warning", process="command")  # standard output is the command's answer
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        listener = listen_unix(self.socket_path)
        hsm = None
        try:
            if needs_hsm_socket(self._config, self._data):
                hsm = listen_unix(self._data.hsm_socket)
            async with main.administration(self._config, self._data, listener, hsm):
                self.ready.set()
                await self._stopping.wait()
        finally:
            listener.close()
            self.socket_path.unlink(missing_ok=True)
            if hsm is not None:
                hsm.close()
                self._data.hsm_socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Let the loop end; a no-op when it never began."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
