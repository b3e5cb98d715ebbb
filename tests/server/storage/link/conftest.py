"""One more keeper of the store's promises: SQLite at the far end of a link."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.maintenance.plan import Maintenance
from server.otp.batcher import Batcher
from server.otp.ports import ClientRecord, Entry, KeyRecord, Outcome
from server.storage.link.remote import RemoteStore
from server.storage.sqlite.store import SqliteStore
from server.usage.ports import Parcel
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import SqliteKeeper
from tests.server.storage.link.linked import linked


class LinkedStore:
    """A worker's view: batches and reads through the link, the books where they always are."""

    def __init__(self, remote: RemoteStore, books: SqliteStore) -> None:
        self._remote = remote
        self._books = books

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        return await self._remote.spend_and_advance(batch)

    async def client(self, client_id: int) -> ClientRecord | None:
        return await self._remote.client(client_id)

    async def key(self, public_id: str) -> KeyRecord | None:
        return await self._remote.key(public_id)

    async def add_usage(self, parcel: Parcel) -> int:
        return await self._remote.add_usage(parcel)

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        return await self._remote.public_maintenance(since_s)

    def __getattr__(self, name: str) -> object:
        return getattr(self._books, name)


class LinkKeeper(SqliteKeeper):
    """Every handle has a link of its own, as every worker has; one batcher merges them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, POLICY)
        self._links = AsyncExitStack()
        self._batcher: Batcher | None = None

    async def open(self) -> LinkedStore:  # type: ignore[override] # the same promises, kept afar
        store = await super().open()
        if self._batcher is None:
            self._batcher = Batcher(store, clock=self.clock)
        link = await self._links.enter_async_context(linked(self._batcher, store, store, store))
        return LinkedStore(link.store, store)

    async def close(self) -> None:
        await self._links.aclose()
        if self._batcher is not None:
            await self._batcher.close()
        await super().close()


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[LinkKeeper]:
    """Return the keeper that this directory's tests of the contract run against."""
    made = LinkKeeper(tmp_path / "keystead.db")
    yield made
    await made.close()
