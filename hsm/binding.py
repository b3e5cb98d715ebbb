"""What binds a record to its row where the HSM does not: a MAC, made with a key of the host's.

An AEAD of a YubiHSM 2 opens wherever it lies. Who can write to the database could copy the one of
his own key into another's row, and log in as the other. So every such record carries a MAC over
the row it belongs to, and is checked before a device is asked.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsm.keyfile import KEY_ID_OCTETS, KEY_OCTETS, SealingKey
from hsm.vault import OtpKeyBinding
from validation.modhex import is_modhex
from validation.otp import MAX_PUBLIC_ID_LETTERS

MAC_OCTETS = 16
_DERIVATION = b"keystead record binding v1\0"
_DOMAIN = b"keystead strict otp key v1\0"
_MAX_GENERATION = 2**63 - 1


class BindingKey(NamedTuple):
    """A key for MACs. key_id: 4 octets, in every record; key: 32 octets."""

    key_id: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show the id, which every record holds, never the key."""
        return f"BindingKey({self.key_id.hex()}, <hidden>)"

    @classmethod
    def derive(cls, data_key: SealingKey) -> Self:
        """Make the binding key that goes with a data key; it has that one's id."""
        derived = HKDF(SHA256(), KEY_OCTETS, salt=None, info=_DERIVATION).derive(data_key.key)
        return cls(data_key.key_id, derived)


class Binder:
    """Makes and checks MACs. keys: all whose records are good, the one for new records first."""

    __slots__ = ("_active", "_keys")

    def __init__(self, keys: Sequence[BindingKey]) -> None:
        if not keys:
            raise ValueError("at least one binding key is needed")
        if any(len(key.key_id) != KEY_ID_OCTETS or len(key.key) != KEY_OCTETS for key in keys):
            raise ValueError(f"a binding key has {KEY_OCTETS} octets, its id {KEY_ID_OCTETS}")
        self._active = keys[0]
        self._keys: Mapping[bytes, bytes] = dict(keys)
        if len(self._keys) != len(keys):
            raise ValueError("two binding keys have the same id")

    def __repr__(self) -> str:
        return f"Binder({', '.join(key_id.hex() for key_id in self._keys)})"

    @property
    def active(self) -> bytes:
        """The id of the key that new records are bound with."""
        return self._active.key_id

    def mac(self, key_id: bytes, binding: OtpKeyBinding, content: bytes) -> bytes:
        """Return 16 octets over a row and a content, which always has the same length.

        KeyError for a key that is not among ours; ValueError and OverflowError for a row that
        cannot be one.
        """
        key = self._keys[key_id]
        public_id, generation = binding
        name = public_id.encode("ascii")
        context = b"%b%c%b%b%b" % (
            _DOMAIN,
            len(name),
            name,
            generation.to_bytes(8, "big"),
            content,
        )
        return hmac.digest(key, context, "sha256")[:MAC_OCTETS]


def require_binding(binding: OtpKeyBinding) -> None:
    """Raise ValueError for what no OTP key can be bound to."""
    public_id, generation = binding
    if len(public_id) > MAX_PUBLIC_ID_LETTERS or not is_modhex(public_id):
        raise ValueError("a public id has 0 to 16 lower-case modhex letters")
    if not 1 <= generation <= _MAX_GENERATION:
        raise ValueError("generations count from 1")
