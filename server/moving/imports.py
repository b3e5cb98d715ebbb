"""An import under way: pieces of files in, a report out, then everything at once or nothing."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hsm.vault import Vault
from server.moving.cells import MAX_LINE, MAX_LINES, CellError, is_record
from server.moving.client_intake import ClientIntake
from server.moving.clients_file import parse_client
from server.moving.counters_file import Counters, parse_counters
from server.moving.courtesy import make_way
from server.moving.key_intake import KeyIntake
from server.moving.keys_file import parse_key
from server.moving.ports import File, Gathering, MoveBook, Progress
from server.moving.report import MAX_LISTED, Change, Report

MAX_OCTETS = 1 << 30
"""Octets of a file."""

_ROWS = 512

T = TypeVar("T")


class RefusedError(Exception):
    """The files cannot be imported. report: every line at fault, up to a cap."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.fault_count} lines cannot be imported; nothing was changed")
        self.report = report


class Import:
    """Files on their way in. Nothing of the store changes before `activate`."""

    def __init__(self, book: MoveBook, vault: Vault, gathering: Gathering) -> None:
        self.report = Report()
        self.rows = 0
        """How many rows `activate` will write, about."""
        self._book = book
        self._gathering = gathering
        self._keys = KeyIntake(book, vault, gathering, self.report)
        self._clients = ClientIntake(book, vault, gathering, self.report)
        self._counters = 0
        self._lines: dict[File, int] = {}
        self._octets: dict[File, int] = {}

    async def read(self, file: File, piece: bytes) -> None:
        """Read whole lines of a file, in their order. Faults are noted, not raised."""
        first = self._lines.setdefault(file, 0) + 1
        self._octets[file] = self._octets.get(file, 0) + len(piece)
        self.report.count(file, Change.NEW, 0)
        lines = piece.removesuffix(b"\n").split(b"\n") if piece else []
        self._lines[file] += len(lines)
        if self._lines[file] > MAX_LINES or self._octets[file] > MAX_OCTETS:
            self.report.blame(
                file, first, f"a file has at most {MAX_LINES:,} lines and 1 GiB: split it"
            )
            return
        records: list[tuple[int, str]] = []
        for number, raw in enumerate(lines, first):
            try:
                line = _text(number, raw)
            except CellError as error:
                self.report.blame(file, number, str(error))
            else:
                if is_record(line):
                    records.append((number, line))
        for start in range(0, len(records), _ROWS):
            await self._take(file, records[start : start + _ROWS])

    async def _take(self, file: File, records: Sequence[tuple[int, str]]) -> None:
        match file:
            case File.KEYS:
                self.rows += await self._keys.take(await self._parsed(file, records, parse_key))
            case File.CLIENTS:
                clients = await self._parsed(file, records, lambda _, line: parse_client(line))
                await self._clients.take(clients)
            case File.COUNTERS:
                counters = await self._parsed(file, records, lambda _, line: parse_counters(line))
                self._counters += len(counters)
                await self._gathering.add_counters(counters)

    async def _parsed(
        self, file: File, records: Sequence[tuple[int, str]], parse: Callable[[int, str], T]
    ) -> list[tuple[int, T]]:
        found = []
        for at, (number, line) in enumerate(records):
            await make_way(at)
            try:
                found.append((number, parse(number, line)))
            except CellError as error:
                self.report.blame(file, number, str(error))
        return found

    async def check(self) -> Report:
        """Check everything as a whole: no id twice, and what becomes of each key's counters."""
        await self._gathering.order()
        for file in self._lines:
            for line, first in await self._gathering.repeats(file, MAX_LISTED + 1):
                self.report.blame(file, line, f"the same id as on line {first}; remove one of them")
        others = 0
        async for page in self._gathering.counters_of_others():
            others += len(page)
            await self._sort_out(page)
        if File.COUNTERS in self._lines:
            self.report.count(File.COUNTERS, Change.NEW, self._counters - others)
        return self.report

    async def _sort_out(self, page: Sequence[Counters]) -> None:
        ids = [counters.public_id for counters in page]
        known = await self._book.known_keys(ids)
        kept = await self._book.kept_counters([one for one in ids if one not in known])
        to_raise, to_keep = [], []
        for counters in page:
            public_id = counters.public_id
            if (key := known.get(public_id)) is not None:
                change = _compared(key.counters, counters)
                if change is Change.CHANGED:
                    to_raise.append(public_id)
            else:
                stored = kept.get(public_id)
                change = Change.KEPT if stored is None else _compared(stored, counters)
                if change is not Change.UNCHANGED:
                    to_keep.append(public_id)
            self.report.count(File.COUNTERS, change)
        self.rows += len(to_raise) + len(to_keep)
        await self._gathering.sort_out(to_raise, to_keep)

    async def activate(self, progress: Progress) -> None:
        """Take everything over, at once; RefusedError when a line is at fault, ConflictError."""
        if self.report.fault_count:
            raise RefusedError(self.report)
        await self._book.move_in(self._gathering, progress)


def _text(number: int, raw: bytes) -> str:
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")  # a mark that some editors put there
    raw = raw.removesuffix(b"\r")
    if len(raw) > MAX_LINE:
        raise CellError(f"longer than {MAX_LINE} octets; is this the right file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CellError("not UTF-8 text; save the file as UTF-8") from None


def _compared(stored: Counters, counters: Counters) -> Change:
    ahead = (counters.session, counters.use) > (stored.session, stored.use)
    switched_off = stored.active and not counters.active
    return Change.CHANGED if ahead or switched_off else Change.UNCHANGED
