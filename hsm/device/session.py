"""A session with a device that is made anew whenever there is doubt. It has one owner.

The library's session counts messages; the device counts too. One lost answer, or two threads on
one session, and the two never agree again. So: whatever failed after something was sent, this
session is discarded, and what may be asked twice is asked once more in a new one.
"""

import contextlib
import struct
from typing import NamedTuple

from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import COMMAND, ERROR
from yubihsm.exceptions import (
    YubiHsmAuthenticationError,
    YubiHsmDeviceError,
    YubiHsmError,
)

from hsm.device import errors
from hsm.device.errors import DeviceUnavailableError, Outage, SessionBrokenError
from hsm.device.kept_session import KeptSession
from hsm.device.line import Device, Line, LineError, OutOfStepError

_STRANGE = (YubiHsmError, ValueError, IndexError, TypeError, struct.error)
"""What the library raises: its own errors, and these for answers that it did not expect."""

_ABSENT = frozenset({ERROR.OBJECT_NOT_FOUND, ERROR.INVALID_ID, ERROR.AUTHENTICATION_FAILED})
# The device says that the session is none of its own: there is nothing left to be closed.
_GONE = frozenset({ERROR.INVALID_SESSION, ERROR.AUTHENTICATION_FAILED})


class Login(NamedTuple):
    """With what a session begins: a role, the id of an authentication key, and its two keys.

    encryption, mac: 16 octets each, secrets.
    """

    role: int
    encryption: bytes
    mac: bytes

    def __repr__(self) -> str:
        return f"Login(role=0x{self.role:04x}, <hidden>)"


def begin(hsm: YubiHsm, where: str, login: Login) -> AuthSession:
    """Begin a session. Raises DeviceError: every failure by what it means here."""
    try:
        return hsm.create_session(*login)
    except YubiHsmAuthenticationError:
        raise errors.wrong_credential(where, login.role) from None
    except YubiHsmDeviceError as error:
        if error.code in _ABSENT:
            raise errors.wrong_credential(where, login.role) from None
        raise translated(error, where) from None
    except _STRANGE as error:
        raise translated(error, where) from None


def greet(line: Line, where: str) -> YubiHsm:
    """Ask the device what it is, as the library does first. Raises DeviceError."""
    try:
        return YubiHsm(line)
    except _STRANGE as error:
        raise translated(error, where) from None


def translated(error: Exception, where: str) -> Exception:
    """Translate whatever the library raised: DeviceError, or InvalidOtpError."""
    if isinstance(error, LineError):
        kind = SessionBrokenError if error.sent else DeviceUnavailableError
        return kind(where, error.outage)
    if isinstance(error, OutOfStepError):
        return SessionBrokenError(where, Outage.LOST, _known(error.code))
    if isinstance(error, YubiHsmError):
        return errors.translated(error, where)
    return SessionBrokenError(where, Outage.NONSENSE)


class DeviceSession:
    """Asks one device, in the sessions of one role that it begins itself. One owner, one thread."""

    def __init__(self, device: Device, login: Login) -> None:
        self.where = device.where
        self._login = login
        self._line = Line(device)
        self._hsm: YubiHsm | None = None
        self._session: AuthSession | None = None
        self._left: AuthSession | None = None

    def __repr__(self) -> str:
        return f"DeviceSession({self.where}, role 0x{self._login.role:04x})"

    @property
    def stands(self) -> bool:
        """Whether there is a session that nothing speaks against."""
        return self._session is not None

    def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        """Do a command and return the answer's payload.

        again: whether it may be done twice, for when it is unknown whether it was done.
        Raises DeviceError and InvalidOtpError.
        """
        if not again and self.stands:
            # The device ends sessions that are silent. That is found out with what may be asked
            # twice, or the first command after a silence would be lost.
            self.keep_alive()
        try:
            return self._once(command, payload)
        except SessionBrokenError as broken:
            # Who did not answer in time would take as long again.
            if not again or broken.outage is Outage.SILENT:
                raise
        return self._once(command, payload)

    def open(self) -> None:
        """Have a session. Raises DeviceError."""
        if self._session is None:
            self._session = self._begin()

    def keep_alive(self) -> None:
        """Say something: a device ends sessions silent for 30 s. Raises DeviceError."""
        self.ask(COMMAND.ECHO, b"k", again=True)

    def close(self) -> None:
        """End the session, if that can still be said, and hang up."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(*_STRANGE):
                session.close()
        self._line.close()

    def _once(self, command: COMMAND, payload: bytes) -> bytes:
        session = self._session
        if session is None:
            session = self._session = self._begin()
        try:
            return session.send_secure_cmd(command, payload)
        except _STRANGE as error:
            meant = translated(error, self.where)
            if isinstance(meant, SessionBrokenError):
                self._discard(meant)
            raise meant from None

    def _discard(self, broken: SessionBrokenError) -> None:
        self._left = None if broken.code in _GONE else self._session
        self._session = None
        self._hang_up()

    def _hang_up(self) -> None:
        self._line.close()
        self._hsm = None

    def _begin(self) -> AuthSession:
        """Begin a session. After a failure the device is first asked what it is.

        A device that is busy with something long does afterwards all that it was sent meanwhile.
        Were that beginnings of sessions, which everybody has given up, they would take all places.
        """
        hsm = self._hsm
        if hsm is None:
            hsm = self._hsm = greet(self._line, self.where)
        self._free()
        try:
            return KeptSession(begin(hsm, self.where, self._login))
        except SessionBrokenError:
            self._hang_up()
            raise

    def _free(self) -> None:
        """Free the place of a session that was discarded: a device has sixteen.

        Whether its last command arrived is unknown, so this message may be sealed wrongly. Then
        the device ends the session for that reason.
        """
        left, self._left = self._left, None
        if left is None:
            return
        try:
            left.close()
        except LineError as error:
            self._hang_up()
            raise translated(error, self.where) from None
        except _STRANGE:
            pass  # it is ended, this way or that


def _known(code: int) -> ERROR | None:
    try:
        return ERROR(code)
    except ValueError:
        return None
