"""The management key of PIV: what writing asks for, and everybody knows until it is changed."""

from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

DEFAULT = bytes.fromhex("0102030405060708") * 3


class ManagementKeyType(IntEnum):
    """Its algorithms."""

    TDES = 0x03
    AES128 = 0x08
    AES192 = 0x0A
    AES256 = 0x0C

    @property
    def size(self) -> int:
        """The length of such a key, in bytes."""
        return {"TDES": 24, "AES128": 16, "AES192": 24, "AES256": 32}[self.name]

    @property
    def block(self) -> int:
        """The length of a challenge, in bytes."""
        return 8 if self is ManagementKeyType.TDES else 16

    @property
    def since(self) -> tuple[int, int]:
        """The firmware that knows it first."""
        return (1, 0) if self is ManagementKeyType.TDES else (5, 4)


@dataclass(frozen=True)
class ManagementKey:
    """One. touch: whether using it asks for a touch."""

    type: ManagementKeyType = ManagementKeyType.TDES
    value: bytes = field(default=DEFAULT, repr=False)
    touch: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it is still what the factory set."""
        return self.value == DEFAULT

    def encrypted(self, block: bytes) -> bytes:
        """Encrypt one block."""
        tdes = self.type is ManagementKeyType.TDES
        algorithm = TripleDES(self.value) if tdes else algorithms.AES(self.value)
        # One block of a challenge: the standard asks for the bare cipher.
        worker = Cipher(algorithm, modes.ECB()).encryptor()  # noqa: S305
        return worker.update(block) + worker.finalize()
