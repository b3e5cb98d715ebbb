"""The line to a device: connects when it is needed, is hung up on any doubt, and names what failed.

What travels outside a session is authenticated by nothing. So an error that answers a session's
message from outside the session is never taken for the device's answer to the command: it says
that the two are out of step, whoever said it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from yubihsm.backends import YhsmBackend
from yubihsm.defs import COMMAND
from yubihsm.exceptions import YubiHsmConnectionError, YubiHsmError

from hsm.device.errors import Outage

DEADLINE_S = 1.0
"""For one command, by default. Opening an OTP takes a device some milliseconds."""

_SESSION_MESSAGE = bytes([COMMAND.SESSION_MESSAGE])
_SESSION_REPLY = bytes([COMMAND.SESSION_MESSAGE | 0x80])
_ERROR = bytes([COMMAND.ERROR])
_HEADER = 3


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the host knows it.

    where: its address, for messages; connect: makes a connection to it, whose errors are the
    library's; waits: whether asking it means waiting, which an event loop must not do.
    """

    where: str
    connect: Callable[[], YhsmBackend]
    waits: bool = True


class LineError(YubiHsmConnectionError):
    """No answer came. sent: whether the command may have reached the device."""

    def __init__(self, outage: Outage, *, sent: bool) -> None:
        super().__init__(outage.value)
        self.outage = outage
        self.sent = sent


class OutOfStepError(YubiHsmError):
    """Somebody on the line, the device perhaps, does not know the session. code: its answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"an answer from outside the session (0x{code:02x})")
        self.code = code


class Line(YhsmBackend):
    """A backend for the library that can be hung up and connects again. One thread's own."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._backend: YhsmBackend | None = None

    def transceive(self, msg: bytes) -> bytes:
        """Send a message and return the answer. Raises LineError and OutOfStepError."""
        backend = self._backend
        if backend is None:
            backend = self._connect()
        try:
            answer = backend.transceive(msg)
        except LineError:
            self.close()
            raise
        except YubiHsmConnectionError:
            self.close()
            raise LineError(Outage.LOST, sent=True) from None
        if not _is_whole(answer):
            self.close()
            raise LineError(Outage.NONSENSE, sent=True)
        if answer[:1] == _ERROR and msg[:1] == _SESSION_MESSAGE:
            raise OutOfStepError(answer[_HEADER])
        return answer

    def close(self) -> None:
        """Hang up: an answer that comes late is never taken for that of another command."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def _connect(self) -> YhsmBackend:
        try:
            self._backend = self._device.connect()
        # pyusb has an error of its own for a machine without libusb, a ValueError.
        except (YubiHsmConnectionError, OSError, ValueError):
            raise LineError(Outage.UNREACHABLE, sent=False) from None
        return self._backend


def _is_whole(answer: bytes) -> bool:
    """Tell whether it is a message: what it is(1), the length(2), so much; errors have one octet.

    The library takes it for granted, and stumbles over what is not.
    """
    length = len(answer) - _HEADER
    if length < 0 or int.from_bytes(answer[1:_HEADER]) != length:
        return False
    if answer[:1] == _ERROR:
        return length == 1
    return length > 0 or answer[:1] != _SESSION_REPLY
