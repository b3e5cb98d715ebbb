"""A server's answer, read within a deadline and a number of octets: its heads as well.

A socket's own patience is for one step. A server that sends an octet now and then, or heads without
an end ("100 Continue" for ever), would hold the thread that reads.
"""

import io
import time
from collections.abc import Callable
from typing import Any

Monotonic = Callable[[], float]


class TooLongError(ValueError):
    """An answer that is longer than any that means something. The message is for people."""


class MeasuredSocket:
    """Stands where `http.client` has its socket: it writes, closes and makes files of it.

    inner: a socket, or TLS over one, whose steps have a time of their own.
    """

    def __init__(self, inner: Any, monotonic: Monotonic = time.monotonic) -> None:  # noqa: ANN401 - of two kinds
        self._inner = inner
        self._monotonic = monotonic
        self._until = float("-inf")
        self._left = 0

    def begin(self, within_s: float, most: int) -> None:
        """Allow for one answer: seconds from now, octets."""
        self._until = self._monotonic() + within_s
        self._left = most

    def settimeout(self, seconds: float) -> None:
        """Wait so long for one step."""
        self._inner.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._inner.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file to read from."""
        return io.BufferedReader(_Measured(self, self._inner.makefile(mode, buffering=0)))

    def close(self) -> None:
        """Close it, once the files are closed too."""
        self._inner.close()

    def check(self) -> None:
        """Hold that there is time. TimeoutError."""
        if self._monotonic() >= self._until:
            raise TimeoutError("the answer took too long")

    def took(self, octets: int) -> None:
        """Count what was read. TooLongError."""
        self._left -= octets
        if self._left < 0:
            raise TooLongError("the answer is longer than any that means something")


class _Measured(io.RawIOBase):
    def __init__(self, whole: MeasuredSocket, inner: io.RawIOBase) -> None:
        self._whole = whole
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any buffer
        self._whole.check()
        octets: int | None = self._inner.readinto(buffer)
        self._whole.took(octets or 0)
        return octets

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
