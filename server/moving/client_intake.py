"""Clients on their way in: API keys sealed at once, compared with what the store has."""

from collections.abc import Sequence
from hmac import compare_digest

from hsm.vault import Vault
from server.accounts.clients import api_key_label
from server.moving.clients_file import MovedClient
from server.moving.ports import File, Gathering, IncomingClient, KnownClient, MoveBook
from server.moving.report import Change, Report

MAX_CLIENTS = 50_000
"""Clients of one import: they are made in one transaction."""

_API_KEY_ID = 1


class ClientIntake:
    """Takes clients from the lines of a file. Store and vault errors pass through."""

    def __init__(self, book: MoveBook, vault: Vault, gathering: Gathering, report: Report) -> None:
        self._book = book
        self._vault = vault
        self._gathering = gathering
        self._report = report
        self._taken = 0

    async def take(self, clients: Sequence[tuple[int, MovedClient]]) -> None:
        """Gather clients, each with its line."""
        self._taken += len(clients)
        if self._taken > MAX_CLIENTS:
            self._report.blame(
                File.CLIENTS,
                clients[0][0],
                f"more than {MAX_CLIENTS:,} clients; split the file and import the parts",
            )
            return
        known = await self._book.known_clients([client.client_id for _, client in clients])
        gathered: list[tuple[int, int, IncomingClient | None]] = []
        for line, client in clients:
            stored = known.get(client.client_id)
            if stored is not None and not await self._has_secret(client, stored):
                self._report.blame(
                    File.CLIENTS,
                    line,
                    f"the Client ID {client.client_id} is known already, with another API key;"
                    " remove the line to keep the client that is there",
                )
                continue
            change = _change(client, stored)
            self._report.count(File.CLIENTS, change)
            incoming = None if change is Change.UNCHANGED else await self._incoming(client, change)
            gathered.append((line, client.client_id, incoming))
        await self._gathering.add_clients(gathered)

    async def _incoming(self, client: MovedClient, change: Change) -> IncomingClient:
        api_key = None
        if change is Change.NEW:
            label = api_key_label(client.client_id, _API_KEY_ID)
            api_key = await self._vault.seal_secret(label, client.secret)
        return IncomingClient(
            client.client_id,
            client.active,
            client.created_us,
            client.name,
            client.email,
            client.notes,
            api_key,
        )

    async def _has_secret(self, client: MovedClient, stored: KnownClient) -> bool:
        same = False
        for key_id, record in stored.records.items():
            label = api_key_label(client.client_id, key_id)
            secret = await self._vault.open_secret(label, record)
            same |= compare_digest(secret, client.secret)
        return same


def _change(client: MovedClient, stored: KnownClient | None) -> Change:
    """Tell what a line changes: a known client is switched off, and gets what it did not have."""
    if stored is None:
        return Change.NEW
    switched_off = stored.active and not client.active
    told = (client.email and stored.email is None) or (client.notes and stored.notes is None)
    return Change.CHANGED if switched_off or told else Change.UNCHANGED
