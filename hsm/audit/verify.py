"""Archives verified without any device: signatures, the archive's own chain, the device's chain.

Several archives may hold one device's log in turns, when several machines share it. An end that
was cut off shows against the device (its next entries do not follow), against the store, or
against what was noted elsewhere (`Noted`); the file alone cannot tell.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hsm.audit.chain import Position, follow
from hsm.audit.entry import MalformedLogError
from hsm.audit.finding import CHAIN, Finding
from hsm.audit.lines import DamagedLineError
from hsm.audit.record import BEGINNING, Record, key_id_of


class Fault(NamedTuple):
    """Where an archive is not whole. line: counts from 1; 0: not any line's."""

    line: int
    what: str


class Noted(NamedTuple):
    """What was noted elsewhere of a record, as the service's log tells it."""

    sequence: int
    hash: bytes


class Verdict(NamedTuple):
    """What came of verifying one archive. findings: of all its records, with their times (us).

    torn: octets of a last line that was cut off. hash: of the last good record.
    """

    serial: int | None
    records: int
    entries: int
    findings: tuple[tuple[int, Finding], ...]
    hash: bytes
    torn: int
    fault: Fault | None


class _Reading:
    """One archive, read line by line."""

    def __init__(self, keys: dict[bytes, Ed25519PublicKey], noted: Sequence[Noted]) -> None:
        self._keys = keys
        self._noted = {one.sequence: one.hash for one in noted}
        self.last: Record | None = None
        self.hash = BEGINNING
        self.entries = 0
        self.findings: list[tuple[int, Finding]] = []
        self.torn = 0
        self.begins: list[tuple[int, Position]] = []
        self.ends: set[tuple[int, bytes]] = set()
        self.fault: Fault | None = None

    def read(self, lines: Iterable[bytes]) -> None:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                self.torn = len(line)
                break
            if doubt := self._doubt(number, line[:-1]):
                self.fault = Fault(number, doubt)
                return
        ahead = [sequence for sequence in self._noted if sequence > self.records]
        if ahead:
            what = f"record {max(ahead)} was noted elsewhere and is not here: the end was cut off"
            self.fault = Fault(0, what)

    @property
    def records(self) -> int:
        return 0 if self.last is None else self.last.sequence

    def _doubt(self, number: int, line: bytes) -> str | None:
        """Return why a line is not to be believed; else take it in."""
        try:
            record = Record.parse(line)
        except (DamagedLineError, MalformedLogError) as error:
            return str(error)
        doubt = self._doubt_signature(record) or self._doubt_place(record)
        doubt = doubt or self._doubt_log(record)
        if doubt is not None:
            return doubt
        was, before = self.last, record.before
        if before is not None and (was is None or was.after != before):
            self.begins.append((number, before.position))
        if record.after is not None:
            self.ends.add((record.after.position.number, record.after.position.digest))
        self.last, self.hash = record, record.hash
        self.entries += len(record.log.entries)
        self.findings += [(record.time_us, found) for found in record.findings]
        return None

    def _doubt_signature(self, record: Record) -> str | None:
        key = self._keys.get(record.key)
        if key is None:
            return f"it is signed by a key that was not given ({record.key.hex()})"
        if not record.is_signed_by(key):
            return "its signature is wrong: it was altered, or made by somebody else"
        return None

    def _doubt_place(self, record: Record) -> str | None:
        if record.sequence != self.records + 1:
            return f"it is record {record.sequence}, and {self.records + 1} belongs here"
        if record.previous != self.hash:
            return "it does not continue the record before it"
        if self.last is not None and record.serial != self.last.serial:
            return f"it is of device {record.serial}, the one before of {self.last.serial}"
        noted = self._noted.get(record.sequence)
        if noted is not None and noted != record.hash:
            return "another record was noted elsewhere under this number"
        return None

    def _doubt_log(self, record: Record) -> str | None:
        before = record.before
        if before is None and self.last is not None and self.last.after is not None:
            return "it begins anew, although the log had been read before"
        position = before and before.position._replace(boots=0, authentications=0)
        followed = follow(position, record.log)
        told = Counter(found for found in record.findings if found.kind in CHAIN)
        if Counter(found for found in followed.findings if found.kind in CHAIN) - told:
            return "the log in it does not continue what was read before, and it does not say so"
        end, after = followed.position, record.after
        if (end and end[:2]) != (after and after.position[:2]):
            return "it does not end where its last entry does"
        return None


def verify(
    archives: Sequence[Iterable[bytes]], keys: Iterable[bytes], noted: Sequence[Noted] = ()
) -> list[Verdict]:
    """Verify archives: their lines, each with its line feed. keys: raw Ed25519 public keys.

    noted: of the first archive.
    """
    known = {key_id_of(key): Ed25519PublicKey.from_public_bytes(key) for key in keys}
    readings = []
    for index, lines in enumerate(archives):
        reading = _Reading(known, noted if index == 0 else ())
        reading.read(lines)
        readings.append(reading)
    ends: dict[int, set[tuple[int, bytes]]] = {}
    for one in readings:
        if one.last is not None:
            ends.setdefault(one.last.serial, set()).update(one.ends)
    return [_verdict(one, ends) for one in readings]


def _verdict(reading: _Reading, ends: dict[int, set[tuple[int, bytes]]]) -> Verdict:
    last, fault = reading.last, reading.fault
    known = ends.get(last.serial, set()) if last is not None else set()
    for line, begin in reading.begins:
        if (begin.number, begin.digest) not in known and (fault is None or line < fault.line):
            fault = Fault(
                line,
                f"it goes on after entry {begin.number}, which no archive given here ends with:"
                " give those of the other machines too",
            )
            break
    return Verdict(
        None if last is None else last.serial,
        reading.records,
        reading.entries,
        tuple(reading.findings),
        reading.hash,
        reading.torn,
        fault,
    )
