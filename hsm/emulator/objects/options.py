"""The device's options: what is audited, which algorithms are on, and the FIPS mode."""

import enum

from hsm.emulator.wire.algorithm import Algorithm, known_to
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.firmware import QUIET_LOG, RSA_WRAP, STRICT_FIPS, SYMMETRIC_KEYS, Firmware
from hsm.emulator.wire.refusal import Refusal, RefusedError


class Option(enum.IntEnum):
    """The numbers of the options."""

    FORCE_AUDIT = 1
    COMMAND_AUDIT = 3
    ALGORITHM_TOGGLE = 4
    FIPS_MODE = 5


class Audit(enum.IntEnum):
    """A setting of auditing; FIXED is on until the device is reset."""

    OFF = 0
    ON = 1
    FIXED = 2


class Fips(enum.IntEnum):
    """The FIPS mode; PENDING until the factory's authentication key is gone or changed."""

    OFF = 0
    ON = 1
    PENDING = 3


_RSA_COMMANDS = range(Command.PUT_PUBLIC_WRAP_KEY, Command.IMPORT_WRAPPED_RSA + 1)
_AES_COMMANDS = range(Command.PUT_SYMMETRIC_KEY, Command.ENCRYPT_CBC + 1)
_NEVER_LOGGED = frozenset(
    {
        Command.ECHO,
        Command.DEVICE_INFO,
        Command.GET_LOG_ENTRIES,
        Command.SESSION_MESSAGE,
        Command.ERROR,
    }
)
_A = Algorithm
_NOT_APPROVED_OLD = frozenset({_A.RSA_PKCS1_SHA1, _A.RSA_PSS_SHA1, _A.EC_ECDSA_SHA1, _A.EC_ED25519})
_NOT_APPROVED = frozenset(
    {_A.RSA_PKCS1_SHA1, _A.RSA_PSS_SHA1, _A.EC_K256, _A.EC_ECDSA_SHA1, _A.RSA_PKCS1_DECRYPT}
)


def auditable(firmware: Firmware) -> list[Command]:
    """List the commands whose auditing can be set."""
    unknown: set[int] = {Command.ERROR}
    if firmware < SYMMETRIC_KEYS:
        unknown.update(_AES_COMMANDS)
    if firmware < RSA_WRAP:
        unknown.update(_RSA_COMMANDS)
    return [command for command in Command if command not in unknown]


class Options:
    """The settings of one device. fips_model: whether it is one of the FIPS series."""

    def __init__(self, firmware: Firmware, *, fips_model: bool) -> None:
        self._firmware = firmware
        self.fips_model = fips_model
        self.reset()

    def reset(self) -> None:
        """Return to what the factory set."""
        default = Audit.OFF if self._firmware >= QUIET_LOG else Audit.ON
        self.force_audit = Audit.OFF
        self.audit = {
            command: Audit.OFF if command in _NEVER_LOGGED else default
            for command in auditable(self._firmware)
        }
        self.enabled = dict.fromkeys(known_to(self._firmware), True)
        self.fips = Fips.OFF

    def audited(self, command: int) -> bool:
        """Tell whether a command is logged. An unknown one is not: it was never executed."""
        return self.audit.get(Command(command), Audit.OFF) is not Audit.OFF

    def require(self, algorithm: Algorithm) -> None:
        """Raise RefusedError(ALGORITHM_DISABLED) unless an algorithm is known and on."""
        if not self.enabled.get(algorithm, False):
            raise RefusedError(Refusal.ALGORITHM_DISABLED)

    @property
    def not_approved(self) -> frozenset[Algorithm]:
        """What the FIPS mode turns off."""
        return _NOT_APPROVED if self._firmware >= STRICT_FIPS else _NOT_APPROVED_OLD

    @property
    def strict_fips(self) -> bool:
        """Whether the mode waits for the factory's key to go, and admits no exception."""
        return self._firmware >= STRICT_FIPS
