"""Connectors for tests: the real front before a device, and one that says what a test tells it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aiohttp import web

from server.web.connector import Connector


class RealConnector:
    """`keystead emulator`'s front in a thread; can be stopped, and started on the same port."""

    def __init__(self, transceive: Callable[[bytes], bytes], path: Path | None = None) -> None:
        self._transceive = transceive
        self._path = path
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._runner: web.AppRunner | None = None
        self._thread.start()
        self.start()

    @property
    def url(self) -> str:
        if self._path is not None:
            return f"http+unix://{self._path}"
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self) -> None:
        """Close the listening socket and all connections."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        connector = Connector(self._transceive, 3_999_999_999, host="h", port=1)
        application = connector.application()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if self._path is not None:
            await web.UnixSite(self._runner, self._path).start()
            return
        listening = socket.create_server(("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening).start()

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


@contextlib.contextmanager
def real_connector(
    transceive: Callable[[bytes], bytes], path: Path | None = None
) -> Iterator[RealConnector]:
    connector = RealConnector(transceive, path)
    try:
        yield connector
    finally:
        connector.end()


class Connection:
    """What a scripted connector does with one connection: reads requests, says what it is told."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.settimeout(20)

    def hear(self) -> bytes:
        """Read one whole request and return its body."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        return body

    def say(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def wait_until_they_hang_up(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(4096):
                pass

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> bytes:
        octets = self._socket.recv(4096)
        if not octets:
            raise EOFError
        return octets


Part = Callable[[Connection], None]


@contextlib.contextmanager
def scripted_connector(*parts: Part) -> Iterator[tuple[int, Sequence[BaseException]]]:
    """Play one part for each connection that comes, in turn; give port and what went wrong."""
    faults: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)

        def play() -> None:
            for part in parts:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                connection = Connection(connected)
                try:
                    part(connection)
                except BaseException as fault:  # noqa: BLE001 - the test judges it
                    faults.append(fault)
                finally:
                    connection.close()

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield listening.getsockname()[1], faults
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()
