"""Firmware versions: what each of them knows."""

from typing import NamedTuple, Self


class Firmware(NamedTuple):
    """A version. Compare with plain tuples: `firmware >= (2, 4, 0)`."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2.4.1`; ValueError names the versions that can be emulated."""
        for known in KNOWN:
            if str(known) == text:
                return cls(*known)
        choices = ", ".join(str(known) for known in KNOWN)
        raise ValueError(f"firmware {text!r} is not emulated; choose one of {choices}")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def message_limit(self) -> int:
        """The longest message in octets."""
        return 3136 if self >= LARGE_MESSAGES else 2048


KNOWN = (Firmware(2, 2, 0), Firmware(2, 3, 1), Firmware(2, 4, 1), Firmware(2, 5, 0))
DEFAULT = KNOWN[2]

# The versions that brought something.
FIRST = Firmware(2, 0, 0)
ALGORITHM_TOGGLE = Firmware(2, 2, 0)
ASYMMETRIC_AUTHENTICATION = Firmware(2, 3, 0)
QUIET_LOG = Firmware(2, 3, 1)  # from here on nothing is logged by default, and AES is there
SYMMETRIC_KEYS = Firmware(2, 3, 1)
LARGE_MESSAGES = RSA_WRAP = PART_NUMBER = STRICT_FIPS = Firmware(2, 4, 0)
PERMISSION_FIRST = Firmware(2, 5, 0)  # a wrap key without the capability is "not permitted"
