"""What the moving room needs of the outside: a place to gather, and the store's own book.

A file is read in pieces by a `Reader`, which puts what the lines say, sealed, on a `Shelf` beside
the store. There it is compared with the store as a `Gathering`; when everything was found right
the `MoveBook` takes it over, all or nothing.
"""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from server.journal.acts import Deed
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
    """A client on its way in. api_key: sealed as key 1.

    is_known: the store has it already, and it is changed: switched off, never on, and told its
    e-mail address and notes when it has none.
    """

    client_id: int
    active: bool
    created_us: int
    name: str
    email: str
    notes: str
    api_key: bytes
    is_known: bool = False


class Shelf(Protocol):
    """Takes in what the files say. Raises StoreError when there is no room."""

    async def add_keys(self, keys: Sequence[tuple[int, IncomingKey, bytes]]) -> None:
        """Gather keys, each with its line and a proof of its secrets."""
        ...

    async def add_counters(self, counters: Sequence[tuple[int, Counters]]) -> None:
        """Gather counters, each with its line."""
        ...

    async def add_clients(self, clients: Sequence[tuple[int, IncomingClient]]) -> None:
        """Gather clients, each with its line."""
        ...

    async def order(self) -> None:
        """Bring what was gathered into order; nothing is added afterwards."""
        ...

    async def repeats(self, file: File, limit: int) -> Sequence[tuple[int, int]]:
        """Return up to `limit` lines that repeat an earlier one's id: (line, first line)."""
        ...


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

    def new_ids(self) -> AsyncIterator[Sequence[str]]:
        """Yield only the public ids of the new keys."""
        ...

    async def clients(self) -> Sequence[IncomingClient]:
        """Return new and changed clients."""
        ...

    async def seals(self) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Return what its new keys, and API keys of new clients, are sealed under."""
        ...


class Gathering(Gathered, Protocol):
    """What was read, while it is compared with the store. Raises StoreError."""

    async def open(self) -> None:
        """Begin; whoever read the files is done."""
        ...

    def proofs(self) -> AsyncIterator[Sequence[tuple[str, int, bytes]]]:
        """Yield public ids of keys, their lines and proofs, in order."""
        ...

    async def mark_known(self, public_ids: Sequence[str]) -> None:
        """Say that the store has these keys."""
        ...

    async def all_clients(self) -> Sequence[tuple[int, IncomingClient]]:
        """Return all clients, each with its line."""
        ...

    async def mark_clients(self, known: Mapping[int, bool]) -> None:
        """Say which clients the store has, and whether that changes them."""
        ...

    def counters_of_others(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters whose key is not one of the new ones."""
        ...

    async def sort_out(self, raised: Sequence[str], kept: Sequence[str]) -> None:
        """Say which of the last page's public ids are to be raised, and which kept."""
        ...


class Fault(NamedTuple):
    """A line that cannot be taken. said: what is wrong and what to do, never what it holds."""

    file: File
    line: int
    said: str


class Reading(NamedTuple):
    """What was read. records: records of each file that came; faults: the first of fault_count."""

    records: dict[File, int]
    faults: list[Fault]
    fault_count: int


class Reader(Protocol):
    """Reads pieces of files onto a shelf, wherever it works. Raises StoreError and VaultError."""

    async def read(self, file: File, piece: bytes) -> None:
        """Read whole lines of a file, in their order."""
        ...

    async def finish(self) -> Reading:
        """Return what was read, when all of it lies in order on the shelf."""
        ...


class Workbench(NamedTuple):
    """Where one import is made."""

    reader: Reader
    gathering: Gathering


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

    async def move_in(self, gathered: Gathered, progress: Progress, *, deed: Deed) -> None:
        """Take over everything, or nothing: ConflictError. deed: the journal's entry with it.

        Keys and clients appear together in one small transaction, with their counters. Counters
        of keys that exist become the maximum of both; many of them are raised shortly before,
        in pieces, and stay raised whatever happens: counters never go back.
        """
        ...

    async def record_export(self, deed: Deed) -> None:
        """Write into the journal that a file is about to leave."""
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
