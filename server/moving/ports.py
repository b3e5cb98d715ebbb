"""What the moving room needs of the outside: a place to gather, and the store's own book.

A file is read in pieces. What its lines say is gathered in a `Gathering`, sealed, beside the
store; when everything was found right the `MoveBook` takes it over, all or nothing.
"""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from server.moving.counters_file import Counters
from server.otp.ports import NewKey


class File(enum.StrEnum):
    """The three files of the reference server."""

    KEYS = "keys"
    CLIENTS = "clients"
    COUNTERS = "counters"


class KnownKey(NamedTuple):
    """A key that the store has already, with its sealed record."""

    generation: int
    record: bytes
    counters: Counters


class KnownClient(NamedTuple):
    """A client that the store has already. records: sealed API keys by key id, oldest first."""

    active: bool
    email: str | None
    notes: str | None
    records: Mapping[int, bytes]


class IncomingKey(NamedTuple):
    """A key to be made. created_us: 0 = now; counters: None = it was never used."""

    key: NewKey
    created_us: int
    counters: Counters | None


class IncomingClient(NamedTuple):
    """A client to be made (name, api_key sealed as key 1), or what to change of a known one.

    A known client is only ever switched off, never on; api_key is None then.
    """

    client_id: int
    active: bool
    created_us: int
    name: str
    email: str
    notes: str
    api_key: bytes | None


class Gathered(Protocol):
    """What an import brings, in order of public ids, in pages of a few hundred."""

    def new_keys(self) -> AsyncIterator[Sequence[IncomingKey]]:
        """Yield the keys that the store does not have, with the counters they come with."""
        ...

    def raised(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters of keys that the store has."""
        ...

    def kept(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters of keys that nobody has: kept for the day when they come."""
        ...

    async def clients(self) -> Sequence[IncomingClient]:
        """Return new and changed clients."""
        ...


class Gathering(Gathered, Protocol):
    """Takes in what the files say. Raises StoreError when there is no room."""

    async def add_keys(self, keys: Sequence[tuple[int, IncomingKey]]) -> None:
        """Gather keys, each with its line, that the store does not have."""
        ...

    async def add_known_keys(self, keys: Sequence[tuple[int, str]]) -> None:
        """Note lines and public ids of keys that the store has with the same secrets."""
        ...

    async def add_counters(self, counters: Sequence[tuple[int, Counters]]) -> None:
        """Gather counters, each with its line."""
        ...

    async def add_clients(self, clients: Sequence[tuple[int, int, IncomingClient | None]]) -> None:
        """Gather lines, ids and what they bring; None: the client stays as it is."""
        ...

    async def order(self) -> None:
        """Bring what was gathered into order; nothing is added afterwards."""
        ...

    async def repeats(self, file: File, limit: int) -> Sequence[tuple[int, int]]:
        """Return up to `limit` lines that repeat an earlier one's id: (line, first line)."""
        ...

    def counters_of_others(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters whose key is not one of the new ones."""
        ...

    async def sort_out(self, raised: Sequence[str], kept: Sequence[str]) -> None:
        """Say which of the last page's public ids are to be raised, and which kept."""
        ...

    async def close(self) -> None:
        """Forget everything."""
        ...


class StoredKey(NamedTuple):
    """A key on its way out."""

    public_id: str
    serial: str
    generation: int
    record: bytes
    created_us: int


class StoredClient(NamedTuple):
    """A client on its way out. records: sealed API keys by key id, oldest first."""

    client_id: int
    name: str
    active: bool
    created_us: int
    email: str | None
    notes: str | None
    records: Mapping[int, bytes]


class ConflictError(Exception):
    """Somebody added a key or client of an import while it ran. Nothing was imported."""


class AbandonedError(Exception):
    """Whoever asked for an import has gone away."""


Progress = Callable[[int], Awaitable[None]]
"""Told how many rows were written so far. AbandonedError from it ends the import: it is undone."""


class MoveBook(Protocol):
    """The store's side of moving. Raises StoreError."""

    async def known_keys(self, public_ids: Sequence[str]) -> Mapping[str, KnownKey]:
        """Return those of the keys that exist."""
        ...

    async def known_clients(self, client_ids: Sequence[int]) -> Mapping[int, KnownClient]:
        """Return those of the clients that exist."""
        ...

    async def kept_counters(self, public_ids: Sequence[str]) -> Mapping[str, Counters]:
        """Return counters that an earlier import brought for keys which nobody has."""
        ...

    async def move_in(self, gathered: Gathered, progress: Progress) -> None:
        """Take over everything, or nothing: ConflictError.

        Keys and clients appear together in one small transaction, with their counters. Counters
        of keys that exist become the maximum of both; many of them are raised shortly before,
        in pieces, and stay raised whatever happens: counters never go back.
        """
        ...

    async def keys_out(self, after: str | None, limit: int) -> Sequence[StoredKey]:
        """Return up to `limit` keys beyond `after`, in order."""
        ...

    async def counters_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        """Return up to `limit` keys' counters beyond `after`, in order."""
        ...

    async def kept_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        """Return up to `limit` kept counters beyond `after`, in order."""
        ...

    async def clients_out(self, after: int, limit: int) -> Sequence[StoredClient]:
        """Return up to `limit` clients beyond `after`, in order."""
        ...
