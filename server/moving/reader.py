"""Reads files in pieces: lines to values, values sealed and gathered, faults noted."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hsm.vault import Vault
from server.moving.cells import MAX_LINE, MAX_LINES, CellError, is_record
from server.moving.client_intake import MAX_CLIENTS, sealed_clients
from server.moving.clients_file import parse_client
from server.moving.counters_file import parse_counters
from server.moving.key_intake import sealed_keys
from server.moving.keys_file import parse_key
from server.moving.ports import Fault, File, Reading, Shelf
from server.moving.report import MAX_LISTED

MAX_OCTETS = 1 << 30
"""Octets of a file."""

_ROWS = 512

T = TypeVar("T")


class LineReader:
    """Knows nothing of the store, so it can work in another process than the store's.

    Store and vault errors pass through.
    """

    def __init__(self, vault: Vault, shelf: Shelf) -> None:
        self._vault = vault
        self._shelf = shelf
        self._lines: dict[File, int] = {}
        self._octets: dict[File, int] = {}
        self._reading = Reading({}, [], 0)

    async def read(self, file: File, piece: bytes) -> None:
        """Read whole lines of a file, in their order. Faults are noted, not raised."""
        first = self._lines.setdefault(file, 0) + 1
        self._octets[file] = self._octets.get(file, 0) + len(piece)
        self._reading.records.setdefault(file, 0)
        lines = piece.removesuffix(b"\n").split(b"\n") if piece else []
        self._lines[file] += len(lines)
        if self._lines[file] > MAX_LINES or self._octets[file] > MAX_OCTETS:
            self._blame(file, first, f"a file has at most {MAX_LINES:,} lines and 1 GiB: split it")
            return
        records: list[tuple[int, str]] = []
        for number, raw in enumerate(lines, first):
            try:
                line = _text(number, raw)
            except CellError as error:
                self._blame(file, number, str(error))
            else:
                if is_record(line):
                    records.append((number, line))
        for start in range(0, len(records), _ROWS):
            await self._take(file, records[start : start + _ROWS])

    async def finish(self) -> Reading:
        """Bring everything into order, find what came twice, and return what was read."""
        await self._shelf.order()
        for file in self._lines:
            for line, first in await self._shelf.repeats(file, MAX_LISTED + 1):
                self._blame(file, line, f"the same id as on line {first}; remove one of them")
        return self._reading

    async def _take(self, file: File, records: Sequence[tuple[int, str]]) -> None:
        self._reading.records[file] += len(records)
        match file:
            case File.KEYS:
                keys = self._parsed(file, records, parse_key)
                await self._shelf.add_keys(await sealed_keys(self._vault, keys))
            case File.CLIENTS:
                clients = self._parsed(file, records, lambda _, line: parse_client(line))
                if self._reading.records[file] > MAX_CLIENTS:
                    said = f"more than {MAX_CLIENTS:,} clients; split the file"
                    self._blame(file, records[0][0], said)
                    return
                await self._shelf.add_clients(await sealed_clients(self._vault, clients))
            case File.COUNTERS:
                counters = self._parsed(file, records, lambda _, line: parse_counters(line))
                await self._shelf.add_counters(counters)

    def _parsed(
        self, file: File, records: Sequence[tuple[int, str]], parse: Callable[[int, str], T]
    ) -> list[tuple[int, T]]:
        found = []
        for number, line in records:
            try:
                found.append((number, parse(number, line)))
            except CellError as error:
                self._blame(file, number, str(error))
        return found

    def _blame(self, file: File, line: int, said: str) -> None:
        reading = self._reading
        if len(reading.faults) < MAX_LISTED:
            reading.faults.append(Fault(file, line, said))
        self._reading = reading._replace(fault_count=reading.fault_count + 1)


def _text(number: int, raw: bytes) -> str:
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")  # a mark that some editors put there
    raw = raw.removesuffix(b"\r")
    if len(raw) > MAX_LINE:
        raise CellError(f"longer than {MAX_LINE} octets; is this the right file?")
    if b"\r" in raw:
        # Behind a # all that follows would pass for a comment, records and all.
        raise CellError("a carriage return within the line; save the file with line ends LF")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CellError("not UTF-8 text; save the file as UTF-8") from None
