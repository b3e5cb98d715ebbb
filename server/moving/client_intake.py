"""Clients on their way in: API keys sealed at once, compared with what the store has."""

from collections.abc import Sequence
from hmac import compare_digest

from hsm.vault import Vault
from server.accounts.clients import api_key_label
from server.moving.clients_file import MovedClient
from server.moving.ports import IncomingClient, KnownClient
from server.moving.report import Change

MAX_CLIENTS = 50_000
"""Clients of one import: they are made in one transaction."""

_API_KEY_ID = 1


async def sealed_clients(
    vault: Vault, clients: Sequence[tuple[int, MovedClient]]
) -> list[tuple[int, IncomingClient]]:
    """Seal the API keys of clients, each with its line. Vault errors pass through."""
    return [
        (
            line,
            IncomingClient(
                client.client_id,
                client.active,
                client.created_us,
                client.name,
                client.email,
                client.notes,
                await vault.seal_secret(
                    api_key_label(client.client_id, _API_KEY_ID), client.secret
                ),
            ),
        )
        for line, client in clients
    ]


async def has_secret(vault: Vault, client: IncomingClient, stored: KnownClient) -> bool:
    """Tell whether a stored client has a client's API key. Vault errors pass through."""
    label = api_key_label(client.client_id, _API_KEY_ID)
    offered = await vault.open_secret(label, client.api_key)
    same = False
    for key_id, record in stored.records.items():
        secret = await vault.open_secret(api_key_label(client.client_id, key_id), record)
        same |= compare_digest(secret, offered)
    return same


def change_of(client: IncomingClient, stored: KnownClient | None) -> Change:
    """Tell what a line changes: a known client is switched off, and gets what it did not have."""
    if stored is None:
        return Change.NEW
    switched_off = stored.active and not client.active
    told = (client.email and stored.email is None) or (client.notes and stored.notes is None)
    return Change.CHANGED if switched_off or told else Change.UNCHANGED
