"""The emulator as a backend of Yubico's `yubihsm` library, in the same process."""

from contextlib import AbstractContextManager
from threading import Lock
from typing import Protocol

from yubihsm.backends import YhsmBackend
from yubihsm.exceptions import YubiHsmConnectionError

from hsm.emulator.faults import LostError


class Way(Protocol):
    """A device, or the way to one."""

    def transceive(self, raw: bytes, /) -> bytes:
        """Answer a message."""


class EmulatorBackend(YhsmBackend):
    """One connection to a device. Threads may share it; the device does one thing at a time."""

    def __init__(self, way: Way, turn: AbstractContextManager[bool] | None = None) -> None:
        self._way = way
        self._turn = turn or Lock()

    def another(self) -> "EmulatorBackend":
        """Return a second connection to the same device, which takes its turns with the first."""
        return EmulatorBackend(self._way, self._turn)

    def transceive(self, msg: bytes) -> bytes:
        """Send a message and return the answer; YubiHsmConnectionError when none comes."""
        try:
            return self.answer(msg)
        except LostError as error:
            raise YubiHsmConnectionError(error) from error

    def answer(self, raw: bytes) -> bytes:
        """Do the same for who passes messages on; LostError when no answer comes."""
        with self._turn:
            return self._way.transceive(raw)

    def close(self) -> None:
        """Do nothing: a device outlives its connections."""
