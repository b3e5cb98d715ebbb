"""The desk for moving: one import at a time, and the reference's files on their way out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from hsm.vault import OtpKeyBinding, RevealingVault
from server.accounts.clients import api_key_label
from server.journal.acts import Actor, Cause
from server.moving import clients_file, counters_file, keys_file
from server.moving.clients_file import MovedClient
from server.moving.imports import Import
from server.moving.keys_file import MovedKey
from server.moving.ports import File, MoveBook, StoredClient, Workbench
from server.moving.states import export_deed

_PAGE = 256

RECEIVE_WITHIN_S = 3600.0
"""How long an import's files may take to come: longer than a gigabyte over a slow line, and not
for ever, since there is one import at a time."""


class ImportUnderWayError(Exception):
    """Another import has not ended yet."""

    def __init__(self) -> None:
        super().__init__("another import is under way; wait for its end, then try again")


class NoImportError(Exception):
    """Nobody's files are on their way."""

    def __init__(self) -> None:
        super().__init__("no import is waiting for its files; there is nothing to end")


class ImportEndedError(Exception):
    """An import whose files were on their way was ended: it took too long, or somebody did."""


class RotatingError(Exception):
    """A client has two API keys, and the file has room for one."""

    def __init__(self, client_id: int) -> None:
        super().__init__(
            f"client {client_id} has two live API keys, and the file has room for one: finish its"
            f" rotation first (keystead client rotate {client_id} --finish)"
        )


class MovingDesk:
    """What an operator may move. Store and vault errors pass through.

    workbench: makes a place for an import, and clears it away at the end of its context;
    receive_within_s: seconds that an import's files may take to come.
    """

    def __init__(
        self,
        book: MoveBook,
        vault: RevealingVault,
        workbench: Callable[[], AbstractAsyncContextManager[Workbench]],
        *,
        receive_within_s: float = RECEIVE_WITHIN_S,
    ) -> None:
        self._book = book
        self._vault = vault
        self._workbench = workbench
        self._importing = asyncio.Lock()
        self._receive_within_s = receive_within_s
        self._receiving: asyncio.Timeout | None = None
        self._ended_by: Actor | None = None

    @asynccontextmanager
    async def importing(self) -> AsyncIterator[Import]:
        """Begin an import; whatever it gathered is gone afterwards. ImportUnderWayError."""
        if self._importing.locked():
            raise ImportUnderWayError
        async with self._importing, self._workbench() as (reader, gathering):
            yield Import(self._book, self._vault, reader=reader, gathering=gathering)

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Wait within this for an import's files: its sender cannot hold the place for ever.

        Raises ImportEndedError.
        """
        try:
            async with asyncio.timeout(self._receive_within_s) as self._receiving:
                yield
        except TimeoutError:
            why = f"its files were not here within {self._receive_within_s:g} s"
            if self._ended_by is not None:
                why = f"{self._ended_by} ended it"
            raise ImportEndedError(f"{why}; nothing was imported") from None
        finally:
            self._receiving = self._ended_by = None

    def end_import(self, actor: Actor) -> None:
        """End the import whose files are on their way; NoImportError.

        One that has all its files is checked and written by ourselves, and ends by itself.
        """
        if self._receiving is None:
            raise NoImportError
        self._ended_by = actor
        self._receiving.reschedule(asyncio.get_running_loop().time())

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
