"""FIDO devices at USB, through `fido2`, found without opening anything.

`fido2` finds them by opening every HID device. The OTP interface of a YubiKey must not be opened
(to other programs that looks like a removal: KeePassXC 7207), so on Linux the kernel's own
descriptions are read. On Windows a FIDO device wants an administrator, and none is looked for.
"""

import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from fido2.ctap import STATUS, CtapError
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor, parse_report_descriptor

from agent.ports import (
    CardBusyError,
    CardRemovedError,
    FidoDevices,
    NotPermittedError,
    ReaderFailedError,
)
from agent.whitelist import permit_message

_YUBICO = 0x1050
_ANSWER_WITHIN_S = 2.0
_HID_CLASS = Path("/sys/class/hidraw")
_BUSY = (CtapError.ERR.CHANNEL_BUSY, CtapError.ERR.LOCK_REQUIRED)


class SysfsFidoDevices:
    """Linux. directory: of the kernel's descriptions."""

    def __init__(self, directory: Path = _HID_CLASS) -> None:
        self._directory = directory

    def paths(self) -> Sequence[str]:
        """Return the device files of Yubico's FIDO devices."""
        try:
            names = sorted(os.listdir(self._directory))  # noqa: PTH208 - asked for often
        except OSError:
            return ()
        return [f"/dev/{name}" for name in names if self._is_ours(self._directory / name)]

    def open(self, path: str) -> "HidDevice":
        """Open one of them."""
        return open_device(path)

    def _is_ours(self, directory: Path) -> bool:
        try:
            identity = (directory / "device" / "uevent").read_text(errors="replace")
            if f":{_YUBICO:08X}:" not in identity:
                return False
            parse_report_descriptor((directory / "device" / "report_descriptor").read_bytes())
        except (OSError, ValueError):
            return False
        return True


class IokitFidoDevices:
    """macOS, whose own list is of FIDO devices alone."""

    def paths(self) -> Sequence[str]:
        """Return the names of Yubico's FIDO devices."""
        import fido2.hid  # noqa: PLC0415 - of this platform alone

        listed: Callable[[], Sequence[HidDescriptor]] = fido2.hid.list_descriptors
        return [str(one.path) for one in listed() if one.vid == _YUBICO]

    def open(self, path: str) -> "HidDevice":
        """Open one of them."""
        return open_device(path)


class NoFidoDevices:
    """Where FIDO devices are not for us: Windows."""

    def paths(self) -> Sequence[str]:
        """Return none."""
        return ()

    def open(self, path: str) -> "HidDevice":
        """Refuse."""
        raise NotPermittedError(path)


def fido_devices() -> FidoDevices:
    """Return the way to FIDO devices at this platform."""
    kinds: dict[str, Callable[[], FidoDevices]] = {
        "linux": SysfsFidoDevices,
        "darwin": IokitFidoDevices,
    }
    return kinds.get(sys.platform, NoFidoDevices)()


class HidDevice:
    """A FIDO device with a channel of its own."""

    def __init__(self, descriptor: HidDescriptor, connection: CtapHidConnection) -> None:
        self._connection = connection
        self._device = _translated(lambda: _Impatient(descriptor, connection))

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
        return HidDevice(descriptor, _Punctual(connection))
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
    """A connection whose answers come in time or not at all, where it is a file."""

    def __init__(self, inner: CtapHidConnection) -> None:
        self._inner = inner

    def read_packet(self) -> bytes:
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
