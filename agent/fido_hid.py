"""FIDO devices at USB, through `fido2`, found without opening anything.

`fido2` finds them by opening every HID device. The OTP interface of a YubiKey must not be opened
(to other programs that looks like a removal: KeePassXC 7207), so on Linux the kernel's own
descriptions are read. On Windows a FIDO device wants an administrator, and none is looked for.
The library is loaded when the first device is there: on other hosts it costs nothing.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.ports import FidoDevice, FidoDevices, NotPermittedError

if TYPE_CHECKING:
    from fido2.hid.base import HidDescriptor

_YUBICO = 0x1050
_HID_CLASS = Path("/sys/class/hidraw")


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

    def open(self, path: str) -> FidoDevice:
        """Open one of them."""
        return _open(path)

    def _is_ours(self, directory: Path) -> bool:
        try:
            identity = (directory / "device" / "uevent").read_text(errors="replace")
            if f":{_YUBICO:08X}:" not in identity:
                return False
            description = (directory / "device" / "report_descriptor").read_bytes()
        except OSError:
            return False
        return _is_fido(description)


class IokitFidoDevices:
    """macOS, whose own list is of FIDO devices alone."""

    def paths(self) -> Sequence[str]:
        """Return the names of Yubico's FIDO devices."""
        import fido2.hid  # noqa: PLC0415 - of this platform alone

        listed: Callable[[], Sequence[HidDescriptor]] = fido2.hid.list_descriptors
        return [str(one.path) for one in listed() if one.vid == _YUBICO]

    def open(self, path: str) -> FidoDevice:
        """Open one of them."""
        return _open(path)


class NoFidoDevices:
    """Where FIDO devices are not for us: Windows."""

    def paths(self) -> Sequence[str]:
        """Return none."""
        return ()

    def open(self, path: str) -> FidoDevice:
        """Refuse."""
        raise NotPermittedError(path)


def fido_devices() -> FidoDevices:
    """Return the way to FIDO devices at this platform."""
    kinds: dict[str, Callable[[], FidoDevices]] = {
        "linux": SysfsFidoDevices,
        "darwin": IokitFidoDevices,
    }
    return kinds.get(sys.platform, NoFidoDevices)()


def _is_fido(description: bytes) -> bool:
    from fido2.hid.base import parse_report_descriptor  # noqa: PLC0415

    try:
        parse_report_descriptor(description)
    # It comes from whatever is plugged in: a description that the parser does not take is of
    # no device of ours, and must not end the agent.
    except Exception:  # noqa: BLE001
        return False
    return True


def _open(path: str) -> FidoDevice:
    from agent.fido_device import open_device  # noqa: PLC0415

    return open_device(path)
