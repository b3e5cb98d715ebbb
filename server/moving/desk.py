"""The desk for moving: one import at a time, and the reference's files on their way out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from hsm.vault import OtpKeyBinding, RevealingVault
from server.accounts.clients import api_key_label
from server.journal.acts import Cause
from server.moving import clients_file, counters_file, keys_file
from server.moving.clients_file import MovedClient
from server.moving.imports import Import
from server.moving.keys_file import MovedKey
from server.moving.ports import File, MoveBook, StoredClient, Workbench
from server.moving.states import export_deed

_PAGE = 256


class ImportUnderWayError(Exception):
    """Another import has not ended yet."""

    def __init__(self) -> None:
        super().__init__("another import is under way; wait for its end, then try again")


class RotatingError(Exception):
    """A client has two API keys, and the file has room for one."""

    def __init__(self, client_id: int) -> None:
        super().__init__(
            f"client {client_id} has two live API keys, and the file has room for one: finish its"
            f" rotation first (keystead client rotate {client_id} --finish)"
        )


class MovingDesk:
    """What an operator may move. Store and vault errors pass through.

    workbench: makes a place for an import, and clears it away at the end of its context.
    """

    def __init__(
        self,
        book: MoveBook,
        vault: RevealingVault,
        workbench: Callable[[], AbstractAsyncContextManager[Workbench]],
    ) -> None:
        self._book = book
        self._vault = vault
        self._workbench = workbench
        self._importing = asyncio.Lock()

    @asynccontextmanager
    async def importing(self) -> AsyncIterator[Import]:
        """Begin an import; whatever it gathered is gone afterwards. ImportUnderWayError."""
        if self._importing.locked():
            raise ImportUnderWayError
        async with self._importing, self._workbench() as (reader, gathering):
            yield Import(self._book, self._vault, reader=reader, gathering=gathering)

    async def export(self, file: File, *, cause: Cause) -> AsyncGenerator[str, None]:
        """Yield a file's text in pieces. Keys and clients come with their secrets, in the clear.

        Nothing leaves before the journal tells of it. Clients are at hand as a whole by then: one
        that cannot be written refuses them all, and is no export. RotatingError.
        """
        pieces = self._pieces(file)
        ready = [piece async for piece in pieces] if file is File.CLIENTS else []
        await self._book.record_export(export_deed(cause.act("export"), file))
        for piece in ready:
            yield piece
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def _pieces(self, file: File) -> AsyncGenerator[str, None]:
        match file:
            case File.KEYS:
                return self._keys()
            case File.CLIENTS:
                return self._clients()
            case File.COUNTERS:
                return self._counters()

    async def _keys(self) -> AsyncGenerator[str, None]:
        yield f"# ykksm 1\n# {keys_file.COLUMNS}\n"
        after = None
        while page := await self._book.keys_out(after, _PAGE):
            lines = []
            for key in page:
                binding = OtpKeyBinding(key.public_id, key.generation)
                secrets = await self._vault.reveal_otp_key(binding, key.record)
                moved = MovedKey(key.public_id, key.serial, secrets, key.created_us)
                lines.append(moved.format())
            yield "".join(lines)
            after = page[-1].public_id

    async def _counters(self) -> AsyncGenerator[str, None]:
        yield f"# {counters_file.COLUMNS}\n"
        for read in (self._book.counters_out, self._book.kept_out):
            after = None
            while page := await read(after, _PAGE):
                yield "".join(counters.format() for counters in page)
                after = page[-1].public_id

    async def _clients(self) -> AsyncGenerator[str, None]:
        yield f"# {clients_file.COLUMNS}\n"
        after = 0
        while page := await self._book.clients_out(after, _PAGE):
            yield "".join([(await self._moved(client)).format() for client in page])
            after = page[-1].client_id

    async def _moved(self, client: StoredClient) -> MovedClient:
        if len(client.records) != 1:
            raise RotatingError(client.client_id)
        ((key_id, record),) = client.records.items()
        return MovedClient(
            client.client_id,
            client.active,
            client.created_us,
            await self._vault.open_secret(api_key_label(client.client_id, key_id), record),
            client.email or "",
            _notes(client),
        )


def _notes(client: StoredClient) -> str:
    """Return the notes; of a client that was made here, its name, the only thing it has."""
    if client.notes is None and client.email is None:
        return client.name
    return client.notes or ""
