"""Nodes, backups and the fence, kept as named values; and counters raised after a restore."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.counter_journal.ports import BACKUPS_KEPT, Place, Raised
from server.counter_journal.records import Accepted
from server.journal.acts import Deed
from server.storage.books.imports import one_at_a_time
from server.storage.books.journal_book import record
from server.storage.books.key_book import VISIBLE
from server.storage.books.transactions import Transactions
from server.storage.schema import kept_counter, meta, otp_key

NODE = "counter-journal/"
BACKUPS = "backups"
FENCE = "fence"

_AT_ONCE = 500
"""Counters per transaction: verifications of other stores' neighbours have their turn between."""


class SqlFenceBook:
    """Keeps `server.counter_journal.ports.FenceBook`."""

    _transactions: Transactions

    async def journal_nodes(self) -> Mapping[str, Place]:
        """Return every node that ever committed to this store, or may."""
        async with self._transactions.reading() as connection:
            rows = await connection.execute(
                select(meta.c.name, meta.c.value).where(meta.c.name.startswith(NODE))
            )
            return {row.name.removeprefix(NODE): _place(row.value) for row in rows}

    async def note_journal_node(self, node: str, place: Place) -> None:
        """Store durably where a node begins a segment."""
        async with self._transactions.writing() as connection:
            await _put(connection, NODE + node, _text(place))

    async def kept_backups(self) -> Sequence[Mapping[str, Place]]:
        """Return the places of the nodes in the newest backups, oldest first."""
        async with self._transactions.reading() as connection:
            text = await _get(connection, BACKUPS)
        return [
            {node: Place(first) for node, first in backup["nodes"].items()}
            for backup in json.loads(text or "[]")
        ]

    async def note_backup(self, backup: Mapping[str, object], deed: Deed) -> None:
        """Remember a backup that was made: {"id": .., "made": .., "nodes": {name: first}}."""
        async with self._transactions.writing() as connection:
            known = json.loads(await _get(connection, BACKUPS) or "[]")
            await _put(connection, BACKUPS, json.dumps([*known, backup][-BACKUPS_KEPT:]))
            await record(self._transactions.now_us, connection, deed)

    async def standing_fence(self) -> str | None:
        """Return the fence as text, None when none stands."""
        async with self._transactions.reading() as connection:
            return await _get(connection, FENCE)

    async def keep_fence(self, text: str | None, deed: Deed) -> None:
        """Store what became of the fence (None: none stands), and the deed in the journal."""
        async with self._transactions.writing() as connection:
            if text is not None:
                kept = update(meta).where(meta.c.name == FENCE).values(value=text)
                await connection.execute(kept)
            await record(self._transactions.now_us, connection, deed)

    async def lift_fence(self, gone: Mapping[str, Place], deed: Deed) -> None:
        """Remove the fence, enter the deed in the journal, and forget the nodes in `gone`."""
        async with self._transactions.writing() as connection:
            await connection.execute(delete(meta).where(meta.c.name == FENCE))
            for node, place in gone.items():
                await connection.execute(
                    delete(meta).where(meta.c.name == NODE + node, meta.c.value == _text(place))
                )
            await record(self._transactions.now_us, connection, deed)

    async def raise_counters(self, accepted: Sequence[Accepted]) -> Raised:
        """Set counters to the greater of the stored and the given ones; one per public id.

        Those of keys that the store does not know are kept for the day they are imported again.
        """
        raised = 0
        unknown: set[str] = set()
        # In one order, so that two replays at once cannot wait for each other.
        ordered = sorted(accepted)
        for start in range(0, len(ordered), _AT_ONCE):
            part = ordered[start : start + _AT_ONCE]
            async with self._transactions.writing() as connection:
                await one_at_a_time(connection)
                ids = [one.public_id for one in part]
                found = await connection.execute(
                    select(otp_key.c.public_id, otp_key.c.session, otp_key.c.use).where(
                        otp_key.c.public_id.in_(ids), VISIBLE
                    )
                )
                stored = {row.public_id: (row.session, row.use) for row in found}
                unknown.update(set(ids) - stored.keys())
                await _keep(connection, [one for one in part if one.public_id not in stored])
                higher = [
                    _values(one)
                    for one in part
                    if one.public_id in stored and stored[one.public_id] < (one.session, one.use)
                ]
                if higher:
                    await connection.execute(_RAISE, higher)
                raised += len(higher)
        return Raised(raised, frozenset(unknown))


# No nonce: nothing that comes may pass for a repetition of what was accepted.
_RAISE = (
    update(otp_key)
    .where(
        otp_key.c.public_id == bindparam("of"),
        or_(
            otp_key.c.session < bindparam("to_session"),
            and_(otp_key.c.session == bindparam("to_session"), otp_key.c.use < bindparam("to_use")),
        ),
    )
    .values(
        session=bindparam("to_session"),
        use=bindparam("to_use"),
        clock=bindparam("to_clock"),
        accepted_us=bindparam("at_us"),
        nonce="",
    )
)


async def _keep(connection: AsyncConnection, accepted: Sequence[Accepted]) -> None:
    """Keep counters for keys that nobody has, as an import does that brings them without keys."""
    if not accepted:
        return
    upsert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = upsert(kept_counter).values(active=True, nonce="", import_number=0)
    offered = statement.excluded
    ahead = tuple_(kept_counter.c.session, kept_counter.c.use) < tuple_(
        offered.session, offered.use
    )
    new = {name: offered[name] for name in ("session", "use", "clock", "nonce", "accepted_us")}
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[kept_counter.c.public_id], set_=new, where=ahead
        ),
        [
            {
                "public_id": one.public_id,
                "session": one.session,
                "use": one.use,
                "clock": one.clock,
                "accepted_us": one.time_us,
            }
            for one in accepted
        ],
    )


def _values(one: Accepted) -> dict[str, Any]:
    return {
        "of": one.public_id,
        "to_session": one.session,
        "to_use": one.use,
        "to_clock": one.clock,
        "at_us": one.time_us,
    }


def _place(text: str) -> Place:
    return Place(json.loads(text)["first"])


def _text(place: Place) -> str:
    return json.dumps({"first": place.first})


async def _get(connection: AsyncConnection, name: str) -> str | None:
    found = await connection.execute(select(meta.c.value).where(meta.c.name == name))
    value: str | None = found.scalar_one_or_none()
    return value


async def _put(connection: AsyncConnection, name: str, value: str) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(meta).values(name=name, value=value)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[meta.c.name], set_={"value": statement.excluded.value}
        )
    )
