"""Randomness for secrets that leave: the HSM's and this host's, mixed.

Why both: an OTP secret lives as long as the YubiKey it is programmed into. A device whose
generator is weak, or a connector that makes its answers up, must not be able to choose it; nor
must a host that was just cloned from a snapshot. HKDF-SHA256 (RFC 5869) over the two, one after
the other, is as hard to guess as the better of them: extraction keeps the entropy of the part
that an attacker does not know, whatever the other part is. An exclusive or would do so too, if
whoever made one part could not have seen the other; extraction does not need that condition.
"""

import os
from collections.abc import Callable
from typing import TypeAlias

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsm.vault import VaultError

Randomness: TypeAlias = Callable[[int], bytes]
"""n -> n octets that nobody can guess."""

SOURCE_OCTETS = 32
"""Octets asked of each source: as many as the hash gives."""

_INFO = b"keystead provisioning randomness v1\0"


class WeakRandomnessError(VaultError):
    """A source of randomness does not work; nothing may be made of it."""


class MixedRandomness:
    """Randomness of an HSM and of this host. Callable as `Randomness`.

    device: `AuthSession.get_pseudo_random` of a role that may (provisioner, sealer); host: this
    system's. Raises WeakRandomnessError, and what the device raises.
    """

    def __init__(self, device: Randomness, host: Randomness = os.urandom) -> None:
        self._device = device
        self._host = host
        self._before: bytes | None = None

    def __call__(self, octets: int) -> bytes:
        """Return so many octets (1..8160)."""
        device = self._from_device()
        host = self._host(SOURCE_OCTETS)
        if len(host) != SOURCE_OCTETS:
            raise WeakRandomnessError("this host's randomness came short: nothing was made")
        return HKDF(SHA256(), octets, salt=None, info=_INFO).derive(device + host)

    def _from_device(self) -> bytes:
        """Return a block of the device's, which is no block of a generator that stands still."""
        block = self._device(SOURCE_OCTETS)
        if len(block) != SOURCE_OCTETS or len(set(block)) == 1 or block == self._before:
            raise WeakRandomnessError(
                "the HSM's randomness is short, constant or repeated: nothing was made. Take the"
                " device out of service, and find out what answers in its place"
            )
        self._before = block
        return block
