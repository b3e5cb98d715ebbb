"""Clients as the verifier uses them: the record with its API keys opened."""

from typing import NamedTuple

from hsm.vault import Vault
from server.otp.bounded_map import BoundedMap
from server.otp.ports import ClientRecord, Directory
from server.otp.record_cache import RecordCache
from server.otp.verdict import shown_rate
from validation.gcra import Rate
from validation.signature import ApiKey


class OpenClient(NamedTuple):
    """A client's record and its live API keys, oldest first. `ApiKey` hides its secret.

    rate, quota: the limit the client is told of, and how many sessions it holds.
    """

    record: ClientRecord
    keys: tuple[ApiKey, ...]
    rate: Rate
    quota: int


def api_key_label(client_id: int, key_id: int) -> str:
    """Name what a sealed API key is bound to; the accounts room seals under the same name."""
    return f"client-key/{client_id}/{key_id}"


def client_cache(directory: Directory, vault: Vault, *, limit: int) -> RecordCache[int, OpenClient]:
    """Return a cache of opened clients; its loads raise StoreUnavailableError or VaultError."""

    async def load(client_id: int) -> OpenClient | None:
        record = await directory.client(client_id)
        if record is None:
            return None
        held = cache.held(client_id)
        if held is not None and held.record == record:
            return held  # confirmed unchanged: a flood of bad signatures opens no secret again
        keys = [
            ApiKey(await vault.open_secret(api_key_label(client_id, key.key_id), key.record))
            for key in record.api_keys
        ]
        rate = shown_rate(record.policy)
        return OpenClient(record, tuple(keys), rate, rate.burst)

    cache: RecordCache[int, OpenClient] = RecordCache(load, BoundedMap(limit))
    return cache
