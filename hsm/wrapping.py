"""Data keys in the HSM's hands: made of its random, wrapped and unwrapped with its wrap key.

What is wrapped says what it is: version (1) | purpose (1) | id (4) | key (32). The device adds a
hidden zero octet in front, so that no exported object can be unwrapped as data. All of it is
checked after unwrapping, so that a writer of the database cannot pass one key off as another.
"""

from yubihsm.core import AuthSession
from yubihsm.exceptions import YubiHsmDeviceError
from yubihsm.objects import WrapKey

from hsm.data_keys import DataKey, DataKeyError, KeyState
from hsm.keyfile import KEY_ID_OCTETS, KEY_OCTETS, SealingKey
from hsm.rings import Purpose

_VERSION = 1
_PURPOSES = {Purpose.OTP: 1, Purpose.SECRETS: 2}
_OCTETS = 2 + KEY_ID_OCTETS + KEY_OCTETS


def make(session: AuthSession, wrap_key: int, purpose: Purpose) -> DataKey:
    """Make a new data key, prepared. session: of a role that wraps data and asks for random.

    wrap_key: the object's id.
    """
    key = SealingKey.of(session.get_pseudo_random(KEY_OCTETS))
    plain = bytes([_VERSION, _PURPOSES[purpose]]) + key.key_id + key.key
    wrapped = WrapKey(session, wrap_key).wrap_data(plain)
    return DataKey(key.key_id, purpose, KeyState.PREPARED, wrap_key, wrapped)


def unwrap(session: AuthSession, key: DataKey) -> SealingKey:
    """Return the key itself. session: of a role that unwraps data. DataKeyError.

    What the device answers when it does not open passes through untranslated when it says that
    it cannot be asked now.
    """
    try:
        plain = WrapKey(session, key.wrapped_by).unwrap_data(key.wrapped)
    except YubiHsmDeviceError as error:
        if error.code.name not in {"INVALID_DATA", "OBJECT_NOT_FOUND", "WRONG_LENGTH"}:
            raise
        raise DataKeyError(
            f"data key {key.name} of the store does not open in this HSM ({error.code.name}): it"
            " was wrapped by another device, or altered. Use the HSM, or the secrets/emulator,"
            " that belongs to this store"
        ) from None
    return _parse(key, plain)


def _parse(key: DataKey, plain: bytes) -> SealingKey:
    head = bytes([_VERSION, _PURPOSES[key.purpose]]) + key.key_id
    if len(plain) == _OCTETS and plain.startswith(head):
        found = SealingKey.of(plain[len(head) :])
        if found.key_id == key.key_id:
            return found
    raise DataKeyError(
        f"data key {key.name} of the store is not the key that it says: somebody put another one"
        " in its place. Restore a backup, and find out who wrote to the database"
    )
