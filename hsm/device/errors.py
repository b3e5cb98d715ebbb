"""What goes wrong with a device, in words: out of reach, out of step, or it says no.

The library's exceptions are translated once, here. An outage says nothing about an OTP; that
an OTP is wrong is the device's own word, spoken inside the session (`InvalidOtpError`). A
translated error keeps the number of the device's answer, never what was sent or received.
"""

import enum

from yubihsm.defs import ERROR
from yubihsm.exceptions import (
    YubiHsmAuthenticationError,
    YubiHsmConnectionError,
    YubiHsmDeviceError,
    YubiHsmError,
    YubiHsmInvalidRequestError,
)

from hsm.vault import VaultError, VaultUnavailableError
from validation.otp import InvalidOtpError


class DeviceError(VaultError):
    """A device did not do what it was asked. code: its own answer, when it gave one."""

    def __init__(self, message: str, code: ERROR | None = None) -> None:
        super().__init__(message)
        self.code = code


class Outage(enum.Enum):
    """Why nothing can be had from a device now, and what to do about it."""

    UNREACHABLE = (
        "cannot be reached: is its connector running, the device plugged in, the address right?"
    )
    NO_DEVICE = "does not answer its connector: is it plugged in, and does nobody else use it?"
    SILENT = "did not answer in time: it is busy with something long, or hangs"
    LOST = "was cut off before its answer came: what became of the command is unknown"
    NONSENSE = (
        "got an answer that is none of a YubiHSM 2's: is the address that of a connector, and"
        " nothing in between that answers for it?"
    )
    SESSIONS_FULL = (
        "has no session free, it has 16: they end by themselves after 30 idle seconds. Have fewer"
        " programs speak to this device if that goes on"
    )
    LOG_FULL = (
        "has a full log and does nothing that it must log: the audit pump has to read the log."
        " Is it running?"
    )
    STORAGE = "cannot use its storage: it is full or defective"
    CLOSED = "is no longer used by this program, which is closing"
    CROWDED = "has as many commands waiting as may wait: it is slower than what is asked of it"
    RESTING = "failed a moment ago and is being tried again: nothing is asked of it meanwhile"


class DeviceUnavailableError(DeviceError, VaultUnavailableError):
    """Nothing can be had from the device now. It says nothing about what was asked."""

    def __init__(
        self, where: str, outage: Outage, code: ERROR | None = None, *, before: str = ""
    ) -> None:
        """Take the address, the cause, the device's answer, and what it failed with before."""
        said = f"the HSM at {where} {outage.value}.{_answered(code)}"
        super().__init__(f"{said} Before: {before}" if before else said, code)
        self.where = where
        self.outage = outage


class SessionBrokenError(DeviceUnavailableError):
    """The session and the device are no longer in step. It is of no more use; a new one may be."""


class DeviceRefusedError(DeviceError):
    """The device is there and says no: a credential, a right or an object is not as it should be.

    Asking again changes nothing. `code` tells the cases apart.
    """

    @property
    def of_device(self) -> bool:
        """Whether it lies with this device, so that another one may well do the command."""
        return self.code in _OF_DEVICE


_OUTAGES = {
    ERROR.SESSIONS_FULL: Outage.SESSIONS_FULL,
    ERROR.LOG_FULL: Outage.LOG_FULL,
    ERROR.STORAGE_FAILED: Outage.STORAGE,
}
_OUT_OF_STEP = frozenset({ERROR.INVALID_SESSION, ERROR.AUTHENTICATION_FAILED, ERROR.SESSION_FAILED})

# Not what was sent is wrong, but how the device is made; another of a pool may be made rightly.
_OF_DEVICE = frozenset(
    {
        ERROR.AUTHENTICATION_FAILED,
        ERROR.INVALID_COMMAND,
        ERROR.INSUFFICIENT_PERMISSIONS,
        ERROR.OBJECT_NOT_FOUND,
        ERROR.DEMO_MODE,
        ERROR.ALGORITHM_DISABLED,
    }
)

_REFUSALS = {
    ERROR.INVALID_COMMAND: "does not know the command: is its firmware too old?",
    ERROR.INVALID_DATA: (
        "refuses the data: what was to be opened is not of its key, or what was to be made is"
        " not allowed"
    ),
    ERROR.WRONG_LENGTH: "refuses the length of the data",
    ERROR.INSUFFICIENT_PERMISSIONS: (
        "does not allow it to this role: compare its roles and objects with the manifest"
    ),
    ERROR.OBJECT_NOT_FOUND: (
        "has no such object, or not in this role's domains: compare it with the manifest"
    ),
    ERROR.INVALID_ID: "has no object of this id, or it may not be used so",
    ERROR.OBJECT_EXISTS: "has an object of this id already, and replaces none",
    ERROR.SSH_CA_CONSTRAINT_VIOLATION: "refuses the request for an SSH certificate",
    ERROR.ALGORITHM_DISABLED: "has the algorithm disabled, or its firmware is too old for it",
    ERROR.DEMO_MODE: "is in demonstration mode: it is no device for this",
}


def wrong_credential(where: str, role: int) -> DeviceRefusedError:
    """Say that no session begins with this credential. role: id of the authentication key."""
    return DeviceRefusedError(
        f"the HSM at {where} does not accept the credential of authentication key 0x{role:04x}:"
        " the key is absent, or made from another secret. Is it the right device, and the secret"
        " file the one of its ceremony?",
        ERROR.AUTHENTICATION_FAILED,
    )


def of_code(where: str, code: ERROR) -> DeviceError | InvalidOtpError:
    """Translate what a device answered inside a session."""
    if code == ERROR.INVALID_OTP:
        return InvalidOtpError("the HSM says that it is not of this key")
    if code in _OUT_OF_STEP:
        return SessionBrokenError(where, Outage.LOST, code)
    outage = _OUTAGES.get(code)
    if outage is not None:
        return DeviceUnavailableError(where, outage, code)
    said = _REFUSALS.get(code, "refuses the command")
    return DeviceRefusedError(f"the HSM at {where} {said}.{_answered(code)}", code)


def translated(error: YubiHsmError, where: str) -> DeviceError | InvalidOtpError:
    """Translate the library's exception; where: the device's address, for the person who reads.

    Raise the result `from None`: the library's own texts add nothing.
    """
    if isinstance(error, YubiHsmDeviceError):
        return of_code(where, error.code)
    if isinstance(error, YubiHsmConnectionError):
        return SessionBrokenError(where, Outage.LOST)
    if isinstance(error, YubiHsmInvalidRequestError):
        return DeviceRefusedError(f"the HSM at {where} was not asked: the command is too long.")
    if isinstance(error, YubiHsmAuthenticationError):
        return DeviceRefusedError(
            f"the HSM at {where} does not know the secret of the role: was another secret file"
            " used at its ceremony?",
            ERROR.AUTHENTICATION_FAILED,
        )
    return SessionBrokenError(where, Outage.NONSENSE)


def _answered(code: ERROR | None) -> str:
    return "" if code is None else f" (It answered 0x{code.value:02x}, {code.name}.)"
