"""Data keys: what records are sealed with, made from the HSM's random and kept wrapped by it.

The store has them all in one value, wrapped, so that they travel with every backup and are of no
use without the HSM. A key's states are those of NIST SP 800-57 as far as they apply here:

    prepared --> active --> retired --> destroyed
        '---------------------------------^

A prepared key opens and does not seal yet, so that every process has it before the first record
is sealed with it. Of each purpose one key is active. Of a destroyed one only its name is left.
"""

import base64
import enum
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from hsm.keyfile import KEY_ID_OCTETS, SealingKey
from hsm.rings import KeyRing, Purpose, Rings
from hsm.vault import VaultError

_FORMAT = 1
_MAX_KEYS = 64


class DataKeyError(VaultError):
    """The data keys are not usable, or not so. The message says what to do."""


class KeyState(enum.StrEnum):
    """What a data key is for now."""

    PREPARED = "prepared"
    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


_LEGAL = {
    KeyState.PREPARED: frozenset({KeyState.ACTIVE, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.RETIRED}),
    KeyState.RETIRED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset[KeyState](),
}


class DataKey(NamedTuple):
    """A data key as it is stored.

    key_id: 4 octets; wrapped_by: the id of the HSM's wrap key; wrapped: what WRAP_DATA answered,
    nothing of a destroyed one.
    """

    key_id: bytes
    purpose: Purpose
    state: KeyState
    wrapped_by: int
    wrapped: bytes

    @property
    def name(self) -> str:
        """The id as it is shown, and as a record's header has it."""
        return self.key_id.hex()


class DataKeys(NamedTuple):
    """All data keys of a store, in the order in which they were made."""

    keys: tuple[DataKey, ...] = ()

    def find(self, key_id: bytes) -> DataKey:
        """Return one; DataKeyError."""
        for key in self.keys:
            if key.key_id == key_id:
                return key
        raise DataKeyError(f"the store has no data key {key_id.hex()}")

    def active(self, purpose: Purpose) -> DataKey | None:
        """Return the key that seals, None when there is none."""
        return next((key for key in self.of(purpose) if key.state is KeyState.ACTIVE), None)

    def of(self, purpose: Purpose) -> tuple[DataKey, ...]:
        """Return the keys of a purpose."""
        return tuple(key for key in self.keys if key.purpose is purpose)

    @property
    def usable(self) -> tuple[DataKey, ...]:
        """The keys that open something."""
        return tuple(key for key in self.keys if key.state is not KeyState.DESTROYED)

    def with_new(self, key: DataKey) -> Self:
        """Add a prepared key; DataKeyError when one has this id, or there are too many."""
        if key.state is not KeyState.PREPARED or any(key.key_id == one.key_id for one in self.keys):
            raise DataKeyError(f"data key {key.name} is not a new one")
        keys = self.keys
        if len(keys) >= _MAX_KEYS:
            # A key that was destroyed is a name in the journal, too: the oldest makes room.
            gone = next((one for one in keys if one.state is KeyState.DESTROYED), None)
            if gone is None:
                raise DataKeyError(f"a store has at most {_MAX_KEYS} data keys that open something")
            keys = tuple(one for one in keys if one is not gone)
        return self._replace(keys=(*keys, key))

    def activated(self, key_id: bytes) -> Self:
        """Let a prepared key seal from now on, and retire the one that did."""
        fresh = self.find(key_id)
        before = self.active(fresh.purpose)
        keys = self if before is None else self.moved(before.key_id, KeyState.RETIRED)
        return keys.moved(key_id, KeyState.ACTIVE)

    def retired(self, key_id: bytes) -> Self:
        """Let a key seal nothing more, without a successor: strict mode has none for OTP keys."""
        return self.moved(key_id, KeyState.RETIRED)

    def destroyed(self, key_id: bytes) -> Self:
        """Forget a key. Whoever does it has made sure that nothing is sealed with it any more."""
        return self.moved(key_id, KeyState.DESTROYED)

    def moved(self, key_id: bytes, state: KeyState) -> Self:
        """Take a key to another state; DataKeyError for a step that there is not."""
        key = self.find(key_id)
        if state not in _LEGAL[key.state]:
            raise DataKeyError(f"data key {key.name} is {key.state} and cannot become {state}")
        wrapped = b"" if state is KeyState.DESTROYED else key.wrapped
        changed = key._replace(state=state, wrapped=wrapped)
        return self._replace(keys=tuple(changed if one is key else one for one in self.keys))

    def rings(self, opened: Mapping[bytes, SealingKey]) -> Rings:
        """Put unwrapped keys, by their ids, on rings; KeyError when one is missing."""
        rings = []
        for purpose in Purpose:
            active = self.active(purpose)
            rings.append(
                KeyRing(
                    None if active is None else opened[active.key_id],
                    tuple(
                        opened[key.key_id]
                        for key in self.usable
                        if key.purpose is purpose and key is not active
                    ),
                )
            )
        return Rings(*rings)

    def encode(self) -> str:
        """Return the stored value; `decode` is its inverse."""
        rows = [
            {
                "id": key.name,
                "purpose": key.purpose.value,
                "state": key.state.value,
                "wrapped_by": key.wrapped_by,
                "wrapped": base64.b64encode(key.wrapped).decode(),
            }
            for key in self.keys
        ]
        return json.dumps({"format": _FORMAT, "keys": rows}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a stored value; DataKeyError when somebody altered it beyond use."""
        try:
            value = json.loads(text)
            if value["format"] != _FORMAT:
                raise DataKeyError(
                    f"the store's data keys have format {value['format']!r}, written by a newer"
                    " Keystead: use that version"
                )
            keys = cls(tuple(map(_read, value["keys"])))
            keys._require_sound()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise DataKeyError(
                "the store's data keys are damaged (meta, data_keys): restore a backup, and find"
                " out who wrote to the database"
            ) from None
        return keys

    def _require_sound(self) -> None:
        """Raise ValueError for what no code of ours has written."""
        if len({key.key_id for key in self.keys}) != len(self.keys):
            raise ValueError("two keys with one id")
        for purpose in Purpose:
            if sum(key.state is KeyState.ACTIVE for key in self.of(purpose)) > 1:
                raise ValueError("two active keys of one purpose")


def _read(row: Mapping[str, object]) -> DataKey:
    key = DataKey(
        bytes.fromhex(str(row["id"])),
        Purpose(str(row["purpose"])),
        KeyState(str(row["state"])),
        int(str(row["wrapped_by"])),
        base64.b64decode(str(row["wrapped"]), validate=True),
    )
    if len(key.key_id) != KEY_ID_OCTETS or bool(key.wrapped) is (key.state is KeyState.DESTROYED):
        raise ValueError("no data key")
    return key


Unwrap = Callable[[DataKey], SealingKey]
"""Asks the HSM for a data key."""


def unwrapped(keys: DataKeys, unwrap: Unwrap) -> Rings:
    """Return the rings of a store's data keys; whatever `unwrap` raises passes through."""
    return keys.rings({key.key_id: unwrap(key) for key in keys.usable})
