"""The export: a chain as lines of JSON, checkpoints first, then the entries, then an end mark.

So it can be checked in one pass and bounded memory, however long it is. The end mark is
not signed: it shows a file that was cut off by accident. Against intent there are checkpoints.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from server.journal.audit import Audit, Verdict
from server.journal.canonical import (
    HASH_OCTETS,
    MalformedError,
    canonical,
    exactly,
    member,
    octets,
    parse_object,
)
from server.journal.chain import Link
from server.journal.checkpoint import ChainName, Checkpoint, PublicKeys
from server.journal.entry import TYPE as ENTRY
from server.journal.entry import End, Entry

END = "end"
_END_MEMBERS = frozenset({"type", "sequence", "hash"})


class Form(NamedTuple):
    """What the lines of one chain are. entry: the "type" of its entries; read: reads one."""

    chain: ChainName
    entry: str
    read: Callable[[dict[str, Any]], Link]


JOURNAL_FORM = Form(ChainName.JOURNAL, ENTRY, Entry.of_json)


def line_of(value: dict[str, Any]) -> bytes:
    """Return an exported object as its line."""
    return canonical(value) + b"\n"


def end_to_json(end: End) -> dict[str, Any]:
    """Return the end mark; `end_of_json` is the inverse."""
    return {"type": END, "sequence": end.sequence, "hash": end.hash.hex()}


def end_of_json(value: dict[str, Any]) -> End:
    """Read an end mark. MalformedError."""
    exactly(value, _END_MEMBERS)
    return End(member(value, "sequence", int), octets(value, "hash", HASH_OCTETS))


def audit_export(
    lines: Iterable[bytes],
    keys: PublicKeys,
    kept: Iterable[Checkpoint] = (),
    form: Form = JOURNAL_FORM,
    tell: Callable[[Link], None] = lambda _: None,
) -> Verdict:
    """Audit an export. kept: checkpoints that were kept elsewhere, which the file may lack.

    tell: is told of each entry that is good as far as its own chain goes.
    """
    found = _Lines(lines, form)
    checkpoints = [*kept]
    try:
        checkpoints += found.checkpoints()
    except MalformedError as fault:
        # Without its checkpoints the file is still looked through.
        audit = Audit(keys, checkpoints, form.chain)
        audit.refuse(f"line {found.number}: {fault}")
        return audit.close()
    audit = Audit(keys, checkpoints, form.chain)
    end = None
    try:
        for entry in found.entries():
            audit.take(entry)
            if audit.fault is not None:
                return audit.close()
            tell(entry)
        end = found.end()
    except MalformedError as fault:
        audit.refuse(f"line {found.number}: {fault}")
    return audit.close(end)


class _Lines:
    """The lines of an export in their three parts. number: of the line that was read last."""

    def __init__(self, lines: Iterable[bytes], form: Form) -> None:
        self.number = 0
        self._form = form
        self._values = self._read(lines)
        self._ahead: dict[str, Any] | None = None

    def _read(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            self.number += 1
            if line.strip():
                yield parse_object(line)

    def _next(self, kind: str) -> dict[str, Any] | None:
        """Return the next object if it is of a kind; else keep it for whoever asks next."""
        if self._ahead is None:
            self._ahead = next(self._values, None)
        if self._ahead is None or self._ahead.get("type") != kind:
            return None
        value, self._ahead = self._ahead, None
        return value

    def checkpoints(self) -> Iterator[Checkpoint]:
        while (value := self._next(self._form.chain.value)) is not None:
            yield Checkpoint.of_json(value)

    def entries(self) -> Iterator[Link]:
        while (value := self._next(self._form.entry)) is not None:
            yield self._form.read(value)

    def end(self) -> End:
        value = self._next(END)
        if value is None:
            what = "the file ends" if self._ahead is None else "something else stands"
            raise MalformedError(f"{what} where an entry or the end mark belongs")
        end = end_of_json(value)
        if next(self._values, None) is not None:
            raise MalformedError("something stands after the end mark")
        return end
