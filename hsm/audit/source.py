"""The device whose log is read: how full it is without a session, the rest as the auditor."""

from typing import NamedTuple, Protocol

from yubihsm.core import AuthSession, DeviceInfo
from yubihsm.defs import COMMAND, ERROR

from hsm.audit.entry import LogRead, MalformedLogError
from hsm.device.errors import DeviceRefusedError, Outage, SessionBrokenError
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.logins import device_info


class Used(NamedTuple):
    """How full the log is. serial: the device's; entries of size."""

    serial: int
    entries: int
    size: int


class LogSource(Protocol):
    """A device, as far as its log goes. Blocks; raises DeviceError."""

    def used(self) -> Used:
        """Return how full the log is. Asked outside of a session: anybody may have answered."""
        ...

    def read(self) -> tuple[int, LogRead]:
        """Return the serial number and the whole log."""
        ...

    def forget(self, serial: int, number: int) -> None:
        """Let the device forget its entries up to a number, if it is this device."""
        ...


class AuditedDevice:
    """Keeps `LogSource`. login: the auditor's."""

    def __init__(self, device: Device, login: Login) -> None:
        self._device = device
        self._login = login

    def used(self) -> Used:
        """Return how full the log is."""
        info = device_info(self._device)
        return Used(info.serial, info.log_used, info.log_size)

    def read(self) -> tuple[int, LogRead]:
        """Return the serial number and the whole log, both from within one session."""
        with open_session(self._device, self._login) as session:
            serial = _serial(session)
            reply = session.send_secure_cmd(COMMAND.GET_LOG_ENTRIES)
        try:
            return serial, LogRead.parse(reply)
        except MalformedLogError:
            raise SessionBrokenError(self._device.where, Outage.NONSENSE) from None

    def forget(self, serial: int, number: int) -> None:
        """Let the device forget its entries up to a number, if it is this device."""
        try:
            with open_session(self._device, self._login) as session:
                self._require(serial, _serial(session))
                session.set_log_index(number)
        except DeviceRefusedError as error:
            # The entry is not there any more: its forgetting was asked for before, and only the
            # answer was lost; or it was overwritten, which the next reading finds.
            if error.code != ERROR.INVALID_DATA:
                raise

    def _require(self, serial: int, found: int) -> None:
        if found != serial:
            raise DeviceRefusedError(
                f"at {self._device.where} is device {found} now, and the log that was read is that"
                f" of {serial}: nothing was taken out of it"
            )


def _serial(session: AuthSession) -> int:
    return DeviceInfo.parse(session.send_secure_cmd(COMMAND.DEVICE_INFO)).serial
