"""What goes wrong between a client and its device, on demand."""

import enum
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class LostError(Exception):
    """No reply comes. What became of the command, the client cannot know."""


class Fault(enum.Enum):
    """One mishap."""

    UNHEARD = "the command never reaches the device"
    REPLY_LOST = "the device does it, and the reply is lost"
    REBOOT = "the device does it, loses power before it answers, and starts again"
    GARBLED = "one bit of the reply turns over"
    LATE = "the reply comes late"


class Device(Protocol):
    """What answers, and can lose its power."""

    def reboot(self) -> None:
        """Start again."""

    def transceive(self, raw: bytes, /) -> bytes:
        """Answer a message."""


class Mishaps:
    """The way to a device, on which the faults planned happen one message each, in their order.

    late_s: how late a late reply is; wait: spends so many seconds.
    """

    def __init__(
        self,
        device: Device,
        *,
        late_s: float = 1.0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._device = device
        self._late_s = late_s
        self._wait = wait
        self._planned: deque[Fault | None] = deque()

    def plan(self, *faults: Fault | None) -> None:
        """Let these happen to the next messages; None lets one by."""
        self._planned.extend(faults)

    def transceive(self, raw: bytes) -> bytes:
        """Answer a message, or raise LostError."""
        fault = self._planned.popleft() if self._planned else None
        if fault is Fault.UNHEARD:
            raise LostError(fault.value)
        answer = self._device.transceive(raw)
        if fault is Fault.REBOOT:
            self._device.reboot()
        if fault is Fault.REBOOT or fault is Fault.REPLY_LOST:
            raise LostError(fault.value)
        if fault is Fault.LATE:
            self._wait(self._late_s)
        if fault is Fault.GARBLED:
            return answer[:-1] + bytes([answer[-1] ^ 1])
        return answer
