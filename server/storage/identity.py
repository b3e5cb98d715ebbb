"""What ties a store to the rest of an installation: its sealing key's id, its bucket salt."""

import secrets
from typing import Protocol

from server.storage.refusals import StoreRefusedError

_KEY_ID = "sealing_key_id"
_SALT = "bucket_salt"
_SALT_OCTETS = 16


class ForeignStoreError(StoreRefusedError):
    """The store's records were sealed under another key than the one at hand."""


class Meta(Protocol):
    """Named values of a store."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def set_meta(self, name: str, value: str) -> None:
        """Store a named value durably."""
        ...


async def bind_sealing_key(store: Meta, key_id: bytes, file: object) -> None:
    """Record at first use which key seals this store's records; refuse another one later.

    Without this a wrong key file would show only as every single OTP ending in BACKEND_ERROR.
    """
    ours = key_id.hex()
    known = await _settled(store, _KEY_ID, ours)
    if known != ours:
        raise ForeignStoreError(
            f"the store was filled under sealing key {known}, and {file} holds key {ours}, which"
            " opens none of its records. Put the right key file back, or use the right database"
        )


async def bucket_salt(store: Meta) -> bytes:
    """Return the salt of unsigned buckets, made at first use: the same for every process."""
    return bytes.fromhex(await _settled(store, _SALT, secrets.token_hex(_SALT_OCTETS)))


async def _settled(store: Meta, name: str, proposed: str) -> str:
    """Return the value that stands, which is the proposed one when there was none."""
    known = await store.meta(name)
    if known is not None:
        return known
    await store.set_meta(name, proposed)
    # Read again: two nodes may begin on one empty database in the same moment.
    return await store.meta(name) or proposed
