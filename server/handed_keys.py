"""What the process with the HSM hands to those that open and seal beside it: from memory to memory.

It goes through a pair of sockets to workers and through a pipe to the reader of imports, never to
a disk, an argument or the environment.
"""

from typing import NamedTuple, Self

from hsm.rings import Rings
from hsm.sealed_vault import SealedVault


class HandedKeys(NamedTuple):
    """The keys of a process's vault."""

    rings: Rings

    def encode(self) -> bytes:
        """Return octets that travel; `decode` is its inverse."""
        return self.rings.encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what `encode` wrote; ValueError."""
        return cls(Rings.decode(octets))

    def vault(self, *, opened: int) -> SealedVault:
        """Return a vault with these keys. opened: how many opened OTP keys it remembers."""
        return SealedVault(self.rings, opened=opened)
