"""What goes wrong between a client and its device, on demand."""

import enum
from collections import deque

from hsm.emulator.core import Emulator


class LostError(Exception):
    """No reply comes. What became of the command, the client cannot know."""


class Fault(enum.Enum):
    """One mishap."""

    UNHEARD = "the command never reaches the device"
    REPLY_LOST = "the device does it, and the reply is lost"
    REBOOT = "the device does it, loses power before it answers, and starts again"
    GARBLED = "one bit of the reply turns over"


class Mishaps:
    """The way to a device, on which the faults planned happen one message each, in their order."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._planned: deque[Fault | None] = deque()

    def plan(self, *faults: Fault | None) -> None:
        """Let these happen to the next messages; None lets one by."""
        self._planned.extend(faults)

    def transceive(self, raw: bytes) -> bytes:
        """Answer a message, or raise LostError."""
        fault = self._planned.popleft() if self._planned else None
        if fault is Fault.UNHEARD:
            raise LostError(fault.value)
        answer = self._emulator.transceive(raw)
        if fault is Fault.REBOOT:
            self._emulator.reboot()
        if fault is Fault.REBOOT or fault is Fault.REPLY_LOST:
            raise LostError(fault.value)
        if fault is Fault.GARBLED:
            return answer[:-1] + bytes([answer[-1] ^ 1])
        return answer
