"""Proofs of keys into the store: one key, one transaction."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import Change, as_report
from server.fleet.health import judge_health
from server.fleet.hosts import HostState
from server.fleet.intake import altered_fact
from server.fleet.proof import Proof
from server.fleet.proving import Proven, prove
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_changes import trim_changes
from server.storage.books.fleet_custody import mark_alarms
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import (
    LEVELS,
    day_of,
    firmware_of,
    key_of,
    write_facts,
    write_unreadable,
    write_value,
)
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    fleet_change,
    fleet_fault,
    fleet_host,
    fleet_key,
    fleet_sighting,
)


class SqlFleetProofBook:
    """Keeps `prove` of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def prove(self, proof: Proof) -> Proven | None:
        """Keep what a key proved of itself. None: host or key are not known so."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            if not await _was_reported(connection, proof):
                return None
            now_us = await self._transactions.now_us(connection)
            one = fleet_key.c.key_id == proof.key_id
            row = (await connection.execute(select(fleet_key).where(one))).one()
            before = key_of(row)
            proven = prove(before, proof)
            if proven.key == before:
                return proven
            await _write_key(connection, proven, row.changes, day_of(now_us))
            await mark_alarms(connection, [proof.key_id])
            await _write_changes(connection, proof, proven.changes, row.changes, now_us)
            for host_id in sorted(proven.altered):
                this = fleet_host.c.host_id == host_id
                more = fleet_host.c.altered + 1
                await connection.execute(update(fleet_host).where(this).values(altered=more))
            told = [
                altered_fact(host_id, proof.key_id, names)
                for host_id, names in sorted(proven.altered.items())
            ]
            if told:
                await append_facts(self._transactions.now_us, connection, told)
            return proven


async def _was_reported(connection: AsyncConnection, proof: Proof) -> bool:
    """Tell whether an active host reported this key: a proof is no way to bring in others."""
    seen = (
        select(fleet_sighting.c.key_id)
        .join(fleet_host, fleet_host.c.host_id == fleet_sighting.c.host_id)
        .join(fleet_key, fleet_key.c.key_id == fleet_sighting.c.key_id)
        .where(
            fleet_sighting.c.key_id == proof.key_id,
            fleet_sighting.c.host_id == proof.host_id,
            fleet_host.c.state == HostState.ACTIVE.value,
        )
    )
    return (await connection.execute(seen)).first() is not None


async def _write_key(
    connection: AsyncConnection, proven: Proven, changes: int, today: date
) -> None:
    key = proven.key
    health = judge_health(as_report(key), today)
    one = fleet_key.c.key_id == key.key_id
    await connection.execute(
        update(fleet_key)
        .where(one)
        .values(
            facts=write_facts(key),
            unreadable=write_unreadable(key),
            firmware=firmware_of(key),
            level=LEVELS[health.worst],
            rulebook="",  # until a job judges it by what the organisation wants
            last_seen=key.last_seen.isoformat(),
            # The next report is looked at in full, though it may say what the last one said.
            digest=b"",
            changes=changes + len(proven.changes),
        )
    )
    await connection.execute(delete(fleet_fault).where(fleet_fault.c.key_id == key.key_id))
    rules = sorted({fault.rule.name for fault in health.faults})
    if rules:
        faults = [{"rule": rule, "key_id": key.key_id} for rule in rules]
        await connection.execute(insert(fleet_fault), faults)


async def _write_changes(
    connection: AsyncConnection,
    proof: Proof,
    changes: Sequence[Change],
    before: int,
    now_us: int,
) -> None:
    if not changes:
        return
    rows = [
        {
            "key_id": proof.key_id,
            "number": number,
            "at_us": now_us,
            "host_id": proof.host_id,
            "fact": change.fact,
            "before": write_value(change.before),
            "after": write_value(change.after),
        }
        for number, change in enumerate(changes, start=before + 1)
    ]
    await connection.execute(insert(fleet_change), rows)
    await trim_changes(connection, proof.key_id, {proof.host_id}, before + len(changes))
