"""Gathers an import in a SQLite file of its own, beside the store whatever that is.

Secrets come sealed. The file is worth nothing after a crash, so nothing is synced, which would
only make the store's commits wait; the next start removes what lies there. Reading back in order
of public ids lets the store write each of its pages once, however the reference's file was
ordered.
"""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from hsm.seals import SEALED_OCTETS, STRICT, STRICT_OCTETS
from server.moving.counters_file import Counters
from server.moving.ports import File, IncomingClient, IncomingKey
from server.otp.ports import NewKey, StoreUnavailableError

T = TypeVar("T")

_PAGE = 500
_CACHE_KIB = 16 * 1024

_PRAGMAS = f"""
PRAGMA cache_size=-{_CACHE_KIB};
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
PRAGMA temp_store=MEMORY;
"""

_TABLES = """
CREATE TABLE key (id TEXT, line INTEGER, known INTEGER, generation INTEGER, record BLOB,
                  serial TEXT, created_us INTEGER, proof BLOB);
CREATE TABLE counter (id TEXT, line INTEGER, active INTEGER, session INTEGER, use INTEGER,
                      clock INTEGER, nonce TEXT, accepted_us INTEGER, created_us INTEGER);
CREATE TABLE client (id INTEGER, line INTEGER, active INTEGER, created_us INTEGER, name TEXT,
                     email TEXT, notes TEXT, api_key BLOB, known INTEGER, changes INTEGER);
CREATE TABLE raised (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE kept (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_ORDER = """
CREATE INDEX key_by_id ON key (id);
CREATE INDEX counter_by_id ON counter (id);
CREATE INDEX client_by_id ON client (id);
"""

_COUNTERS = "c.id, c.active, c.session, c.use, c.clock, c.nonce, c.accepted_us, c.created_us"

_NEW_KEYS = f"""
SELECT k.id, k.generation, k.record, k.serial, k.created_us, {_COUNTERS}
  FROM key AS k LEFT JOIN counter AS c ON c.id = k.id
 WHERE k.known = 0 AND k.id > ? ORDER BY k.id LIMIT {_PAGE}
"""  # noqa: S608 - only constants are put in

_NEW_IDS = "SELECT id FROM key WHERE known = 0 AND id > ? ORDER BY id LIMIT 500"

_OF_OTHERS = f"""
SELECT {_COUNTERS} FROM counter AS c LEFT JOIN key AS k ON k.id = c.id AND k.known = 0
 WHERE k.id IS NULL AND c.id > ? ORDER BY c.id LIMIT {_PAGE}
"""  # noqa: S608 - only constants are put in

_LISTED = f"""
SELECT {_COUNTERS} FROM {{list}} AS l JOIN counter AS c ON c.id = l.id
 WHERE l.id > ? ORDER BY l.id LIMIT {_PAGE}
"""  # noqa: S608 - only constants are put in

_PROOFS = f"SELECT id, line, proof FROM key WHERE id > ? ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - a constant of ours

_RANGE = """
SELECT min(id), max(id), count(*)
  FROM (SELECT id FROM key WHERE known = 0 {beyond} ORDER BY id LIMIT ?1)
"""

_TABLE_OF = {File.KEYS: "key", File.CLIENTS: "client", File.COUNTERS: "counter"}

_SEALS = f"""
SELECT DISTINCT substr({{column}}, 1, CASE substr({{column}}, 1, 1)
         WHEN x'{STRICT.hex()}' THEN {STRICT_OCTETS} ELSE {SEALED_OCTETS} END)
  FROM {{table}} WHERE known = 0
"""  # noqa: S608 - only constants are put in

_REPEATS = """
SELECT t.line, f.first FROM {table} AS t
  JOIN (SELECT id, min(line) AS first FROM {table} GROUP BY id HAVING count(*) > 1) AS f
    ON f.id = t.id AND t.line > f.first
 ORDER BY t.line LIMIT ?
"""

_BEFORE_ALL = ""
"""Less than every public id but the empty one, which `_pages` asks for by itself."""


class FileGathering:
    """Keeps `Shelf` and `Gathering` of `server.moving.ports` in a file that one import uses.

    Two of them may have the file one after the other: who reads the files, then who compares.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-gather")
        self._connection: sqlite3.Connection | None = None

    async def create(self) -> None:
        """Make the file; StoreUnavailableError."""
        await self._run(self._create)

    async def open(self) -> None:
        """Open the file that was made; StoreUnavailableError."""
        await self._run(self._open)

    async def add_keys(self, keys: Sequence[tuple[int, IncomingKey, bytes]]) -> None:
        """Gather keys, each with its line and a proof of its secrets."""
        await self._insert("key", 8, (_key_row(*each) for each in keys))

    async def add_counters(self, counters: Sequence[tuple[int, Counters]]) -> None:
        """Gather counters, each with its line."""
        await self._insert("counter", 9, ((one[0], line, *one[1:]) for line, one in counters))

    async def add_clients(self, clients: Sequence[tuple[int, IncomingClient]]) -> None:
        """Gather clients, each with its line."""
        rows = ((one[0], line, *one[1:7], 0, 1) for line, one in clients)
        await self._insert("client", 10, rows)

    async def order(self) -> None:
        """Bring what was gathered into order; nothing is added afterwards."""
        await self._run(lambda connection: connection.executescript(_ORDER))

    async def repeats(self, file: File, limit: int) -> Sequence[tuple[int, int]]:
        """Return up to `limit` lines that repeat an earlier one's id: (line, first line)."""
        return await self._fetch(_REPEATS.format(table=_TABLE_OF[file]), limit)

    async def proofs(self) -> AsyncIterator[Sequence[tuple[str, int, bytes]]]:
        """Yield public ids of keys, their lines and proofs, in order."""
        async for page in self._pages(_PROOFS):
            yield page

    async def mark_known(self, public_ids: Sequence[str]) -> None:
        """Say that the store has these keys."""
        rows = [(public_id,) for public_id in public_ids]
        await self._run(lambda _: self._write("UPDATE key SET known = 1 WHERE id = ?", rows))

    async def all_clients(self) -> Sequence[tuple[int, IncomingClient]]:
        """Return all clients, each with its line."""
        rows = await self._fetch("SELECT line, * FROM client ORDER BY line")
        return [(row[0], _client(row[1], *row[3:])) for row in rows]

    async def mark_clients(self, known: Mapping[int, bool]) -> None:
        """Say which clients the store has, and whether that changes them."""
        rows = [(changes, client_id) for client_id, changes in known.items()]
        statement = "UPDATE client SET known = 1, changes = ? WHERE id = ?"
        await self._run(lambda _: self._write(statement, rows))

    async def counters_of_others(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters whose key is not one of the new ones."""
        async for page in self._pages(_OF_OTHERS):
            yield [_counters(row) for row in page]

    async def sort_out(self, raised: Sequence[str], kept: Sequence[str]) -> None:
        """Say which public ids are to be raised, and which kept."""
        await self._insert("raised", 1, ((public_id,) for public_id in raised))
        await self._insert("kept", 1, ((public_id,) for public_id in kept))

    async def new_keys(self) -> AsyncIterator[Sequence[IncomingKey]]:
        """Yield the keys that the store does not have, with the counters they come with."""
        async for page in self._pages(_NEW_KEYS):
            yield [_incoming(row) for row in page]

    async def new_ids(self) -> AsyncIterator[Sequence[str]]:
        """Yield only the public ids of the new keys."""
        async for page in self._pages(_NEW_IDS):
            yield [row[0] for row in page]

    async def raised(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters of keys that the store has."""
        async for page in self._pages(_LISTED.format(list="raised")):
            yield [_counters(row) for row in page]

    async def kept(self) -> AsyncIterator[Sequence[Counters]]:
        """Yield counters of keys that nobody has."""
        async for page in self._pages(_LISTED.format(list="kept")):
            yield [_counters(row) for row in page]

    async def clients(self) -> Sequence[IncomingClient]:
        """Return new and changed clients."""
        rows = await self._fetch("SELECT * FROM client WHERE changes ORDER BY id")
        return [_client(row[0], *row[2:]) for row in rows]

    async def seals(self) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Return what its new keys, and API keys of new clients, are sealed under."""
        keys = await self._fetch(_SEALS.format(column="record", table="key"))
        clients = await self._fetch(_SEALS.format(column="api_key", table="client"))
        return frozenset(row[0] for row in keys), frozenset(row[0] for row in clients)

    async def ranges(self, size: int) -> AsyncIterator[tuple[str, str, int]]:
        """Yield where pieces of `size` new keys begin and end, and how many each has."""
        rows = await self._fetch(_RANGE.format(beyond=""), size)
        while rows and rows[0][2]:
            yield rows[0]
            rows = await self._fetch(_RANGE.format(beyond="AND id > ?2"), size, rows[0][1])

    async def close(self) -> None:
        """Close the file."""
        try:
            await self._run(self._close)
        finally:
            self._thread.shutdown()

    def _create(self, _: object) -> None:
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._open(None)
        if self._connection is not None:
            self._connection.executescript(_TABLES)

    def _open(self, _: object) -> None:
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(_PRAGMAS)

    def _close(self, _: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        if self._connection is None:
            raise StoreUnavailableError("the import is closed")
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    async def _pages(self, statement: str) -> AsyncIterator[Sequence[Any]]:
        """Yield pages of rows that begin with their id; the empty public id comes first."""
        empty = await self._fetch(statement.replace("id > ?", "id = ?", 1), _BEFORE_ALL)
        if empty:
            yield empty
        after = _BEFORE_ALL
        while page := await self._fetch(statement, after):
            yield page
            after = page[-1][0]

    async def _insert(self, table: str, columns: int, rows: Iterable[Sequence[object]]) -> None:
        values = ",".join("?" * columns)
        statement = f"INSERT INTO {table} VALUES ({values})"  # noqa: S608 - names of ours
        ready = list(rows)
        if ready:
            await self._run(lambda _: self._write(statement, ready))

    async def _fetch(self, statement: str, *values: object) -> list[Any]:
        return await self._run(lambda connection: connection.execute(statement, values).fetchall())

    async def _run(self, work: Callable[[Any], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: work(self._connection))
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError(
                f"the import cannot be gathered in {self.path.parent}: {error}"
            ) from error


def _key_row(line: int, key: IncomingKey, proof: bytes) -> tuple[object, ...]:
    new = key.key
    return new.public_id, line, 0, new.generation, new.record, new.serial, key.created_us, proof


def _client(client_id: int, *row: Any) -> IncomingClient:  # noqa: ANN401 - a row of many types
    active, created_us, name, email, notes, api_key, known, _ = row
    return IncomingClient(
        client_id, bool(active), created_us, name, email, notes, api_key, bool(known)
    )


def _incoming(row: Sequence[Any]) -> IncomingKey:
    key = NewKey(row[0], row[1], row[2], row[3])
    return IncomingKey(key, row[4], None if row[5] is None else _counters(row[5:]))


def _counters(row: Sequence[Any]) -> Counters:
    return Counters(row[0], bool(row[1]), *row[2:])


def new_gathering(directory: Path) -> FileGathering:
    """Return the gathering of a new import in `directory`; its file is not made yet."""
    return FileGathering(directory / f"import-{secrets.token_hex(8)}")


def remove_leftovers(directory: Path) -> None:
    """Remove what an import left that never ended; the caller alone uses the directory."""
    for file in directory.glob("import-*"):
        file.unlink(missing_ok=True)
