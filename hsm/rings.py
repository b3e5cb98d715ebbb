"""Rings of sealing keys: what a vault opens records with, and which key it seals new ones with.

There is a ring for each purpose, so that the secrets of OTPs can be taken away from the host
(strict mode) while the service's own secrets stay. A key says which records are its own by its
id, which each record begins with.
"""

import base64
import enum
import json
from typing import NamedTuple, Self

from hsm.keyfile import SealingKey


class Purpose(enum.StrEnum):
    """What a key seals."""

    OTP = "otp"
    """The secrets of YubiKeys."""
    SECRETS = "secrets"
    """What the service itself reads back: API keys."""


class KeyRing(NamedTuple):
    """Keys of one purpose. active: seals; None: nothing can be sealed. others: open only."""

    active: SealingKey | None = None
    others: tuple[SealingKey, ...] = ()

    @property
    def keys(self) -> tuple[SealingKey, ...]:
        """All keys, the active one first."""
        return self.others if self.active is None else (self.active, *self.others)

    def with_others(self, *more: SealingKey) -> Self:
        """Return the ring with more keys that open."""
        return self._replace(others=(*self.others, *more))


class Rings(NamedTuple):
    """All that a vault's memory holds. It goes from process to process, never to a disk."""

    otp: KeyRing = KeyRing()
    secrets: KeyRing = KeyRing()

    @classmethod
    def single(cls, key: SealingKey) -> Self:
        """Return the rings of an installation with one key for everything: a key file."""
        return cls(KeyRing(key), KeyRing(key))

    def of(self, purpose: Purpose) -> KeyRing:
        """Return the ring of a purpose."""
        return self.otp if purpose is Purpose.OTP else self.secrets

    def encode(self) -> bytes:
        """Return what goes through a pipe or a pair of sockets; `decode` is its inverse."""
        return json.dumps(
            {
                purpose.value: [
                    self.of(purpose).active is not None,
                    [base64.b64encode(key.key).decode() for key in self.of(purpose).keys],
                ]
                for purpose in Purpose
            }
        ).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what `encode` wrote; ValueError. No message shows what was read."""
        try:
            value = json.loads(octets)
            rings = []
            for purpose in Purpose:
                is_active, texts = value[purpose.value]
                keys = [SealingKey.of(base64.b64decode(text, validate=True)) for text in texts]
                active = keys.pop(0) if is_active else None
                rings.append(KeyRing(active, tuple(keys)))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            raise ValueError("these are no rings of keys") from None
        return cls(*rings)
