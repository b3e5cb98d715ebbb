"""One FIDO device at USB, opened: `fido2`'s channel, with a deadline and without its patience.

What is plugged in may be anything that calls itself a YubiKey: it may answer never, or "wait" for
ever, or say that its packets have room for nothing.
"""

import select
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from fido2.ctap import STATUS, CtapError
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor

from agent.ports import (
    CardBusyError,
    CardRemovedError,
    NotPermittedError,
    ReaderFailedError,
)
from agent.whitelist import permit_message

_PACKET = 64
"""What all of Yubico's have. With less room than a packet's head `fido2` would write for ever."""

_ANSWER_WITHIN_S = 2.0
_DEADLINE_S = 5.0
"""For all that one device is asked."""

_BUSY = (CtapError.ERR.CHANNEL_BUSY, CtapError.ERR.LOCK_REQUIRED)


class HidDevice:
    """A FIDO device with a channel of its own."""

    def __init__(
        self,
        descriptor: HidDescriptor,
        connection: CtapHidConnection,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if (descriptor.report_size_in, descriptor.report_size_out) != (_PACKET, _PACKET):
            raise ReaderFailedError("a FIDO device whose packets are of another size")
        self._connection = punctual = _Punctual(connection, monotonic)
        self._device = _translated(lambda: _Impatient(descriptor, punctual))

    def call(self, kind: int, message: bytes) -> bytes:
        """Say one thing that is on the list."""
        permitted = permit_message(kind, message)
        answer: bytes = _translated(lambda: self._device.call(kind, permitted))
        return answer

    def close(self) -> None:
        """Let it go."""
        self._connection.close()


def open_device(path: str) -> HidDevice:
    """Open a FIDO device. NotPermittedError, CardRemovedError, ReaderFailedError."""
    import fido2.hid  # noqa: PLC0415 - of this platform alone

    describe: Callable[[str], HidDescriptor] = fido2.hid.get_descriptor
    connect_to: Callable[[HidDescriptor], CtapHidConnection] = fido2.hid.open_connection

    def connect() -> tuple[HidDescriptor, CtapHidConnection]:
        descriptor = describe(path)
        return descriptor, connect_to(descriptor)

    descriptor, connection = _translated(connect)
    try:
        return HidDevice(descriptor, connection)
    except Exception:
        connection.close()
        raise


class _GivesUp(Event):
    """`fido2` tries a busy device again until its event is set: here it never waits."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the library's own
        return True


class _Impatient(CtapHidDevice):
    """One try: a device that is busy with somebody's login is left alone."""

    def call(
        self,
        cmd: int,
        data: bytes = b"",
        event: Event | None = None,
        on_keepalive: Callable[[STATUS], None] | None = None,
    ) -> bytes:
        return super().call(cmd, data, event or _GivesUp(), on_keepalive)


class _Punctual(CtapHidConnection):
    """A connection whose answers come in time or not at all, each and all together."""

    def __init__(self, inner: CtapHidConnection, monotonic: Callable[[], float]) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._until = monotonic() + _DEADLINE_S

    def read_packet(self) -> bytes:
        # Each "wait" is an answer in time; without this a device holds the thread for ever.
        if self._monotonic() >= self._until:
            raise TimeoutError("a FIDO device takes too long")
        handle = getattr(self._inner, "handle", None)
        if isinstance(handle, int) and not select.select([handle], [], [], _ANSWER_WITHIN_S)[0]:
            raise TimeoutError("a FIDO device does not answer")
        return self._inner.read_packet()

    def write_packet(self, data: bytes) -> None:
        self._inner.write_packet(data)

    def close(self) -> None:
        self._inner.close()


def _translated(do: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
    try:
        return do()
    except CtapError as error:
        if error.code in _BUSY:
            raise CardBusyError(str(error)) from None
        raise ReaderFailedError(str(error)) from None
    except PermissionError as error:
        raise NotPermittedError(str(error)) from None
    except (FileNotFoundError, BrokenPipeError) as error:
        raise CardRemovedError(str(error)) from None
    # A device that was pulled out, or answers what no device does: `fido2` raises whatever it
    # comes upon (struct.error, IndexError, ConnectionFailure, OSError).
    except Exception as error:  # noqa: BLE001
        raise ReaderFailedError(f"{type(error).__name__}: {error}") from None
