"""A sheet of holders, read whole: rows, or every fault with its line, its column and what to do.

RFC 4180, UTF-8 with or without a byte order mark, cells divided by commas or semicolons. The first
line names the columns, in any order: person, kind, and serial or key or both. Nothing of a file
with a fault is to be kept.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from agent.report import MAX_SERIAL
from server.accounts.text import InputError
from server.fleet.holders import HolderKind, checked_person
from server.sheet_cells import unguard

MAX_OCTETS = 8 * 1024 * 1024
MAX_ROWS = 20_000
"""Rows of one file: they are stored at once, and nobody else writes meanwhile."""

MAX_LISTED = 100
"""Faults that are told one by one; the rest is counted."""

COLUMNS = ("key", "serial", "person", "kind")
"""As they are written; a file may leave out one of the first two."""

_NEEDED = ("person", "kind")
_MAX_CELL = 1_000
_KEY = re.compile("serial:[1-9][0-9]{0,9}|hash:[0-9a-f]{64}|kind:[0-9a-f]{32}:[0-9a-f]{64}")
_SERIAL = re.compile("0{0,10}([1-9][0-9]{0,9})")
_MARKS = {b"\xff\xfe", b"\xfe\xff"}


class SheetFault(NamedTuple):
    """What is wrong. line: from 1; column: from 1, 0 = the whole line; name: of the column."""

    line: int
    column: int
    name: str
    said: str


class HolderRow(NamedTuple):
    """A row: the key by its number or by its id, one of which is there."""

    line: int
    serial: int | None
    key_id: str
    person: str
    kind: HolderKind


class HolderFile(NamedTuple):
    """What was read. fault_count: all of them; faults: the first ones."""

    rows: Sequence[HolderRow]
    faults: Sequence[SheetFault]
    fault_count: int


_Blame: TypeAlias = Callable[[str, str], None]


class _Faults:
    def __init__(self) -> None:
        self.listed: list[SheetFault] = []
        self.count = 0

    def add(self, line: int, column: int, name: str, said: str) -> None:
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(SheetFault(line, column, name, said))


def read_holders(octets: bytes) -> HolderFile:
    """Read a file. It never raises: what cannot be read is a fault of the file."""
    faults = _Faults()
    text = _text(octets, faults)
    rows: list[HolderRow] = []
    if text is not None:
        rows = _rows(text, faults)
    if not faults.count and not rows:
        faults.add(1, 0, "", "there is no row below the names of the columns")
    return HolderFile([] if faults.count else rows, faults.listed, faults.count)


def _text(octets: bytes, faults: _Faults) -> str | None:
    if len(octets) > MAX_OCTETS:
        faults.add(1, 0, "", f"the file is larger than {MAX_OCTETS:,} octets; import it in parts")
        return None
    if octets[:2] in _MARKS:
        faults.add(1, 0, "", 'the file is UTF-16; save it as "CSV UTF-8"')
        return None
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        faults.add(line, 0, "", 'the line is not UTF-8; save the file as "CSV UTF-8"')
        return None


def _rows(text: str, faults: _Faults) -> list[HolderRow]:
    first = text.partition("\n")[0]
    divider = ";" if ";" in first and "," not in first else ","
    records = _records(text, divider, faults)
    header = next(records, None)
    if header is None:
        if not faults.count:
            faults.add(1, 0, "", f"the file is empty; its first line names {_said(COLUMNS)}")
        return []
    places = _places(header[1], faults)
    if places is None:
        return []
    rows, seen = [], 0
    for line, cells in records:
        if not any(cells):
            continue  # an empty line, as editors leave them at the end
        seen += 1
        if seen > MAX_ROWS:
            faults.add(line, 0, "", f"more than {MAX_ROWS:,} rows; import the file in parts")
            break
        row = _row(line, cells, places, len(header[1]), faults)
        if row is not None:
            rows.append(row)
    return rows


def _records(text: str, divider: str, faults: _Faults) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        faults.add(
            line,
            0,
            "",
            "its quotes do not match, or a cell is far too long; a quote within a quoted cell is"
            ' written twice (""). What comes after this line was not looked at',
        )


def _places(header: Sequence[str], faults: _Faults) -> Mapping[str, int] | None:
    """Return where each column is; None with a fault."""
    before = faults.count
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        name = cell.strip().casefold()
        if name not in COLUMNS:
            said = f"this column is not known; the first line names {_said(COLUMNS)}"
            faults.add(1, place + 1, _short(name), f"{said}. Remove others")
        elif name in places:
            faults.add(1, place + 1, name, "this column is there twice; remove one")
        else:
            places[name] = place
    for name in _NEEDED:
        if name not in places:
            faults.add(1, 0, name, f"the column {name} is missing; add it")
    if "serial" not in places and "key" not in places:
        faults.add(1, 0, "serial", "the column serial is missing, or key: add one of them")
    return places if faults.count == before else None


def _row(
    line: int, cells: Sequence[str], places: Mapping[str, int], width: int, faults: _Faults
) -> HolderRow | None:
    if len(cells) != width:
        said = f"{len(cells)} cells where {width} belong; quote a cell that has the divider in it"
        faults.add(line, 0, "", said)
        return None
    before = faults.count
    found = {name: unguard(cells[place]).strip() for name, place in places.items()}

    def blame(name: str, said: str) -> None:
        faults.add(line, places.get(name, -1) + 1, name, said)

    serial, key_id = found.get("serial", ""), found.get("key", "")
    number = _SERIAL.fullmatch(serial)
    if not serial and not key_id:
        blame("serial" if "serial" in places else "key", "it is empty: say which key")
    if serial and (number is None or int(number[1]) > MAX_SERIAL):
        blame("serial", f"it must be a whole number from 1 to {MAX_SERIAL}, as on the key")
        number = None
    if key_id and _KEY.fullmatch(key_id) is None:
        blame("key", "it must be a key's id, as serial:10000001 or hash: and 64 digits")
    plain = key_id.removeprefix("serial:") if key_id.startswith("serial:") else ""
    if number and plain and int(plain or 0) != int(number[1]):
        blame("key", "it names another key than serial does; remove one of the two")
    person = _person(found["person"], blame)
    kind = _kind(found["kind"], blame)
    if faults.count > before or person is None or kind is None:
        return None
    # An id that is there is exact: a number could stand for two of them.
    return HolderRow(line, None if key_id or not number else int(number[1]), key_id, person, kind)


def _person(text: str, blame: _Blame) -> str | None:
    try:
        # Cut: what is far too long is refused all the same, and not looked at for long.
        return checked_person(text[:_MAX_CELL])
    except InputError as error:
        blame("person", f"{error}; it is who holds the key")
        return None


def _kind(text: str, blame: _Blame) -> HolderKind | None:
    try:
        return HolderKind(text.casefold())
    except ValueError:
        blame("kind", f"it must be {_said(tuple(HolderKind))}")
        return None


def _said(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _short(name: str) -> str:
    """Return a name as it may be told: what a file says is not repeated at any length."""
    return "".join(one if one.isprintable() else "?" for one in name[:40])
