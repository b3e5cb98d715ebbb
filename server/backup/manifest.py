"""What a backup says of itself: whose it is and where it was cut, and at its end how much it is."""

import json
from collections.abc import Mapping
from typing import NamedTuple, Self

from server.counter_journal.fence import Fence
from server.counter_journal.records import FIRST
from server.storage.books.fence_book import FENCE, NODE
from server.storage.identity import SEALING_KEY_ID, STORE_ID
from server.storage.snapshot import Snapshot, TableForm, Tally

FORMAT = 1
HEAD = "backup.json"
COUNTS = "counts.json"
ROWS = "rows/"
FILES = "files/"


class Head(NamedTuple):
    """The first member.

    id, made: which backup, RFC 3339; keystead: the version that made it; engine, revision: of
    the database; store: its id; sealing_key: whose records are in it, hexadecimal. nodes: of
    each node the entry of its counter journal from which on this backup may lack what was
    accepted; None: it keeps none. tables: columns, and which of them hold octets.
    """

    id: str
    made: str
    keystead: str
    engine: str
    revision: str
    store: str
    sealing_key: str
    nodes: Mapping[str, int | None]
    tables: Mapping[str, TableForm]

    def encode(self) -> bytes:
        """Return the member; `decode` is its inverse."""
        tables = {
            name: [[column, column in form.octets] for column in form.columns]
            for name, form in self.tables.items()
        }
        return json.dumps({"format": FORMAT, **self._asdict(), "tables": tables}).encode()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read the member; ValueError when it is of no format that is known here."""
        try:
            value = json.loads(content)
            known = value.pop("format")
            value["tables"] = {
                name: TableForm(
                    name,
                    tuple(column for column, _ in columns),
                    frozenset(column for column, octets in columns if octets),
                )
                for name, columns in value["tables"].items()
            }
            head = cls(**value)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("its beginning cannot be read") from error
        if known != FORMAT:
            raise ValueError(f"it has format {known!r}, made by a newer Keystead")
        if not head._is_sound():
            raise ValueError("its beginning cannot be read")
        return head

    def _is_sound(self) -> bool:
        if not isinstance(self.nodes, dict):
            return False
        texts = (self.id, self.made, self.keystead, self.engine, self.revision, self.store)
        firsts = (first for first in self.nodes.values() if first is not None)
        return all(isinstance(text, str) for text in (*texts, self.sealing_key)) and all(
            type(first) is int and first >= FIRST for first in firsts
        )


async def head_of(read: Snapshot, *, backup_id: str, made: str, version: str, engine: str) -> Head:
    """Return the head of a backup of this snapshot."""
    values = await read.meta()
    nodes: dict[str, int | None] = {
        name.removeprefix(NODE): json.loads(value)["first"]
        for name, value in values.items()
        if name.startswith(NODE)
    }
    if FENCE in values:
        # Restored once already, and not told everything yet: that is still asked for.
        nodes |= Fence.decode(values[FENCE]).nodes
    return Head(
        id=backup_id,
        made=made,
        keystead=version,
        engine=engine,
        revision=read.revision,
        store=values.get(STORE_ID, ""),
        sealing_key=values.get(SEALING_KEY_ID, ""),
        nodes=nodes,
        tables=read.forms,
    )


def encode_counts(tallies: Mapping[str, Tally]) -> bytes:
    """Return the member that says how many rows there are; `decode_counts` is its inverse."""
    value = {name: [tally.rows, f"{tally.digest:x}"] for name, tally in tallies.items()}
    return json.dumps({"tables": value}).encode()


def decode_counts(content: bytes) -> dict[str, Tally]:
    """Read how many rows there are; ValueError."""
    try:
        tables = json.loads(content)["tables"]
        return {name: Tally(rows, int(digest, 16)) for name, (rows, digest) in tables.items()}
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("its counts cannot be read") from error
