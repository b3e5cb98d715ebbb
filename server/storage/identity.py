"""What ties a store to the rest of an installation: who seals its records, its bucket salt."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Protocol

from server.clock import Clock
from server.journal.acts import Cause, Deed, Subject
from server.journal.checkpoint import key_id_of
from server.storage.refusals import StoreRefusedError

SEALING_KEY_ID = "sealing_key_id"
IN_HSM = "hsm"
"""In the place of a key file's id: records are sealed under data keys that an HSM unwraps."""
DATA_KEYS = "data_keys"
_OTP_OBJECT = "otp_object"
_SALT = "bucket_salt"
_SALT_OCTETS = 16
STORE_ID = "store_id"
STORE_EPOCH = "store_epoch"
FIRST_EPOCH = "0"
_JOURNAL_KEY = "journal_key_"

KEYS_READ_EVERY_S = 5.0
"""How soon a machine that comes new is known to the others by its links."""


class ForeignStoreError(StoreRefusedError):
    """The store's records were sealed under another key than the one at hand."""


class Meta(Protocol):
    """Named values of a store."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        """Return the value that stands: the proposed one, stored now, when there was none.

        deed: what goes into the journal if it is stored now.
        """
        ...

    async def swap_meta(self, name: str, before: str, after: str, deed: Deed) -> bool:
        """Put `after` in the place of `before`; False when another value stands there."""
        ...


async def bind_sealing_key(store: Meta, key_id: bytes, file: object, *, cause: Cause) -> None:
    """Record at first use which key file seals this store's records; refuse another one later.

    Without this a wrong key file would show only as every single OTP ending in BACKEND_ERROR.
    """
    ours = key_id.hex()
    deed = Deed(cause.act("store.init"), Subject("store", ""), None, {"sealing_key": ours})
    known = await store.settle_meta(SEALING_KEY_ID, ours, deed)
    if known == IN_HSM:
        raise ForeignStoreError(
            f"the store's records are sealed under data keys of an HSM, and {file} opens none of"
            " them. Put hsm.key (and emulator, if it has no HSM of its own) back into secrets/, or"
            " use the right database"
        )
    if known != ours:
        raise ForeignStoreError(
            f"the store was filled under sealing key {known}, and {file} holds key {ours}, which"
            " opens none of its records. Put the right key file back, or use the right database"
        )


async def bind_hsm(store: Meta, *, cause: Cause) -> str:
    """Record at first use that an HSM's data keys seal this store's records.

    Return IN_HSM, or the id of the key file that sealed records of before.
    """
    deed = Deed(cause.act("store.init"), Subject("store", ""), None, {"sealing_key": IN_HSM})
    return await store.settle_meta(SEALING_KEY_ID, IN_HSM, deed)


async def release_key_file(store: Meta, key_id: bytes, *, cause: Cause) -> None:
    """Say that nothing in the store is sealed by the key file any more; nothing if that is said."""
    was = key_id.hex()
    act = cause.act("store.release_key_file")
    deed = Deed(act, Subject("store", ""), {"sealing_key": was}, {"sealing_key": IN_HSM})
    await store.swap_meta(SEALING_KEY_ID, was, IN_HSM, deed)


async def stored_otp_object(store: Meta) -> int | None:
    """Return the HSM's object that seals OTP keys, None for the manifest's."""
    text = await store.meta(_OTP_OBJECT)
    return None if text is None else int(text)


async def store_otp_object(store: Meta, before: int, after: int, *, cause: Cause) -> None:
    """Note that another object of the HSM seals OTP keys from now on; nothing if it stands so."""
    act = cause.act("vault.otp_object")
    deed = Deed(act, Subject("store", ""), {"otp_object": before}, {"otp_object": after})
    if await store.settle_meta(_OTP_OBJECT, str(after), deed) != str(after):
        await store.swap_meta(_OTP_OBJECT, str(before), str(after), deed)


async def store_id(store: Meta) -> str:
    """Return what tells this store from others, also in copies that were restored."""
    return await store.settle_meta(STORE_ID, secrets.token_hex(_SALT_OCTETS))


async def store_epoch(store: Meta) -> str:
    """Return what tells a restored store from what it was before."""
    return await store.settle_meta(STORE_EPOCH, FIRST_EPOCH)


async def introduce_journal_key(store: Meta, public_key: bytes, *, cause: Cause) -> bool:
    """Note in the journal, once, that checkpoints are signed with this key from now on.

    Return whether it was new. Several machines on one store may have a key each.
    """
    key_id = key_id_of(public_key).hex()
    after = {"public_key": public_key.hex()}
    deed = Deed(cause.act("journal.key"), Subject("journal_key", key_id), None, after)
    name = f"{_JOURNAL_KEY}{key_id}"
    if await store.meta(name) is not None:
        return False
    await store.settle_meta(name, public_key.hex(), deed)
    return True


class StoredValues(Protocol):
    """Named values of a store, many at once."""

    async def metas(self, prefix: str) -> Mapping[str, str]:
        """Return all named values whose names begin so."""
        ...


class StoredJournalKeys:
    """The public journal keys of all machines, by their ids: with them links are checked.

    All are read together, the first time that one is not known and then at most every so often:
    whoever makes up ids neither keeps the store busy nor another machine's key from being found.
    """

    def __init__(self, store: StoredValues, clock: Clock, *, own: bytes | None = None) -> None:
        self._store = store
        self._clock = clock
        self._known = {} if own is None else {key_id_of(own): own}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def public_key(self, key_id: bytes) -> bytes | None:
        """Return a key (32 octets, Ed25519), None when no machine has introduced it.

        A machine's key is found KEYS_READ_EVERY_S after it was introduced at the latest.
        """
        if key_id not in self._known and self._is_old():
            async with self._reading:
                if self._is_old():  # nobody has read while we waited
                    await self._read()
        return self._known.get(key_id)

    def _is_old(self) -> bool:
        now = self._clock.monotonic()
        return self._read_at is None or now - self._read_at >= KEYS_READ_EVERY_S

    async def _read(self) -> None:
        at = self._clock.monotonic()
        for text in (await self._store.metas(_JOURNAL_KEY)).values():
            public_key = bytes.fromhex(text)
            self._known[key_id_of(public_key)] = public_key
        self._read_at = at


async def bucket_salt(store: Meta) -> bytes:
    """Return the salt of unsigned buckets, made at first use: the same for every process."""
    return bytes.fromhex(await store.settle_meta(_SALT, secrets.token_hex(_SALT_OCTETS)))
