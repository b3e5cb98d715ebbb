"""Retention of the fleet in the store: what is too old is found while others write, and then goes.

What goes is looked for in a transaction that only reads, and looked at again in the short one that
removes it.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.facts import NewFact
from server.fleet.hosts import Host, HostState
from server.fleet.retention import DAY_US, Gone, Limits, Looked, summed
from server.fleet.retention_ports import Census, Due
from server.journal.acts import Act, Deed, Subject
from server.leases import Lease
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_custody import judge_custody
from server.storage.books.fleet_forgetting import (
    PIECE,
    erase_key_rows,
    erased_or_older,
    forget_keys,
    forget_piece,
    rests_on,
)
from server.storage.books.fleet_host_book import SqlFleetHostBook, take_turn
from server.storage.books.fleet_rows import day_of, host_of
from server.storage.books.journal_book import record
from server.storage.books.lease_book import require_lease
from server.storage.schema import (
    fleet_change,
    fleet_fault,
    fleet_forgotten,
    fleet_host,
    fleet_key,
    fleet_sighting,
    fleet_token,
    meta,
)

LOOKED = "fleet_retention"
"""What it is called among the store's values."""

_AT_ONCE = 500
"""Small rows that are removed in one transaction."""

_active = fleet_host.c.state == HostState.ACTIVE.value
_replaced = fleet_host.c.state == HostState.REPLACED.value
_heard = func.coalesce(fleet_host.c.reported_us, fleet_host.c.enrolled_us)
_silent = and_(_active, fleet_host.c.silent_us > _heard)


class SqlFleetRetentionBook(SqlFleetHostBook):
    """Keeps `server.fleet.retention_ports.RetentionBook`."""

    async def begin_retention(self, lease: Lease) -> tuple[Looked, int]:
        """Return what the last run left, and the store's time, noted for the next one."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            now_us = await self._transactions.now_us(connection)
            before = await _looked(connection)
            await _put(connection, before.next(now_us))
            return before, now_us

    async def forget_sightings(self, limits: Limits, after: str, lease: Lease) -> str | None:
        """Forget keys that nobody saw lately, of some beyond `after`; return where to go on."""
        of_host = fleet_host.c.host_id == fleet_sighting.c.host_id
        ids = await self._some_keys(limits, after, of_host)
        if not ids:
            return None
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            await take_turn(connection)
            today = day_of(await self._transactions.now_us(connection))
            these = fleet_sighting.c.key_id.in_(ids)
            left = select(fleet_sighting.c.host_id).join(fleet_host, of_host).distinct()
            left = left.where(these, fleet_host.c.state == HostState.ERASED.value)
            for host_id in list((await connection.execute(left)).scalars()):
                await forget_piece(connection, host_id, today)
            gone = await _forget_old(connection, ids, limits.seen_day)
            await judge_custody(connection, ids, today)  # alarms end, and none begins
            await _count(connection, gone)
        return ids[-1]

    async def _some_keys(
        self, limits: Limits, after: str, of_host: ColumnElement[bool]
    ) -> Sequence[str]:
        page = (
            select(fleet_sighting.c.key_id)
            .join(fleet_host, of_host)
            .where(fleet_sighting.c.key_id > after, erased_or_older(limits.seen_day))
            .distinct()
            .order_by(fleet_sighting.c.key_id)
            .limit(PIECE)
        )
        async with self._transactions.reading() as connection:
            return list((await connection.execute(page)).scalars())

    async def forget_changes(self, limits: Limits, lease: Lease) -> int:
        """Remove old changes; return how many."""
        which = tuple_(fleet_change.c.key_id, fleet_change.c.number)
        old = select(fleet_change.c.key_id, fleet_change.c.number)
        old = old.where(fleet_change.c.at_us < limits.changed_us)
        old = old.order_by(fleet_change.c.at_us).limit(_AT_ONCE)
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            gone = (await connection.execute(delete(fleet_change).where(which.in_(old)))).rowcount
            await _count(connection, Gone(changes=gone))
            return gone

    async def forget_tokens(self, limits: Limits, lease: Lease) -> int:
        """Remove tokens that ended long ago, and old marks of erased keys; return how many."""
        old = select(fleet_token.c.token_id).where(fleet_token.c.expires_us < limits.expired_us)
        those = fleet_token.c.token_id.in_(old.limit(_AT_ONCE))
        marks = delete(fleet_forgotten).where(fleet_forgotten.c.day < limits.forgotten_day)
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            await connection.execute(marks)
            gone = (await connection.execute(delete(fleet_token).where(those))).rowcount
            await _count(connection, Gone(tokens=gone))
            return gone

    async def mark_silent(self, limits: Limits, lease: Lease) -> int:
        """Mark hosts that did not report for long, and tell a fact of each; return how many."""
        due = _falls_silent(limits)
        page = select(fleet_host.c.host_id).where(due).limit(PIECE)
        async with self._transactions.reading() as connection:
            ids = list((await connection.execute(page)).scalars())
        if not ids:
            return 0
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            marked = (
                update(fleet_host)
                .where(fleet_host.c.host_id.in_(ids), due)
                .values(silent_us=limits.now_us)
                .returning(fleet_host.c.host_id, _heard.label("heard_us"))
            )
            told = [
                NewFact(
                    "fleet.host-silent",
                    row.host_id,
                    {"days": (limits.now_us - row.heard_us) // DAY_US},
                )
                for row in await connection.execute(marked)
            ]
            await _count(connection, Gone(silent=len(told)))
            await append_facts(self._transactions.now_us, connection, told)
            return len(told)

    async def hosts_to_erase(self, limits: Limits, limit: int) -> Sequence[str]:
        """Return hosts that are to be erased."""
        if limits.reported_us is None:
            return ()
        page = select(fleet_host.c.host_id).where(_is_to_go(limits)).limit(limit)
        async with self._transactions.reading() as connection:
            return list((await connection.execute(page)).scalars())

    async def erase_silent_host(
        self, host_id: str, limits: Limits, lease: Lease, *, act: Act
    ) -> bool:
        """Erase a host as `erase_host` does, and count it; False: it was heard again."""
        one = select(fleet_host).where(fleet_host.c.host_id == host_id, _is_to_go(limits))
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            await take_turn(connection)
            row = (await connection.execute(one)).one_or_none()
            if row is None:
                return False
            await _count(connection, Gone(hosts=1))
            hosts = await self._erase(connection, host_of(row), act)
        await self._forget_all(hosts)
        return True

    async def tell_retention(self, lease: Lease, *, act: Act) -> None:
        """Write into the journal what went, if anything did, and count anew."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            looked = await _looked(connection)
            if looked.gone == Gone():
                return
            await _put(connection, looked._replace(gone=Gone()))
            deed = Deed(act, Subject("fleet", ""), None, dict(summed(looked.gone)))
            await record(self._transactions.now_us, connection, deed)

    async def last_retention(self) -> Looked:
        """Return what the last run left."""
        async with self._transactions.reading() as connection:
            return await _looked(connection)

    async def silent_hosts(self, limit: int) -> Sequence[Host]:
        """Return some hosts that are silent or were replaced, those first that were heard first."""
        page = select(fleet_host).where(or_(_silent, _replaced)).order_by(_heard).limit(limit)
        async with self._transactions.reading() as connection:
            return [host_of(row) for row in await connection.execute(page)]

    async def fleet_due(self, limits: Limits) -> Due:
        """Return what goes under these limits, and what is the next to go."""
        seen_day, changed_us = limits.seen_day, limits.changed_us
        last = func.max(fleet_sighting.c.last_day).label("day")
        keys = select(last).group_by(fleet_sighting.c.key_id).subquery()
        count = func.count()
        silent = _falls_silent(limits)
        hosts = _is_to_go(limits) if limits.reported_us is not None else fleet_host.c.host_id == ""
        asked = (
            select(count).select_from(keys).where(keys.c.day < seen_day),
            select(count).where(fleet_change.c.at_us < changed_us),
            select(count).where(fleet_token.c.expires_us < limits.expired_us),
            select(count).select_from(fleet_host).where(silent),
            select(count).select_from(fleet_host).where(hosts),
            select(func.min(keys.c.day)).where(keys.c.day >= seen_day),
            select(func.min(fleet_change.c.at_us)).where(fleet_change.c.at_us >= changed_us),
            select(func.min(fleet_token.c.expires_us)).where(
                fleet_token.c.expires_us >= limits.expired_us
            ),
            select(func.min(_heard)).where(_active, _heard >= limits.silent_us),
        )
        async with self._transactions.reading() as connection:
            return Due(*[await connection.scalar(one) for one in asked])

    async def erase_fleet_key(self, key_id: str, *, act: Act) -> bool:
        """Forget a key with everything about it; False when there is none."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            known = select(fleet_key.c.key_id).where(fleet_key.c.key_id == key_id)
            if (await connection.execute(known)).first() is None:
                return False
            seen = select(func.count()).where(fleet_sighting.c.key_id == key_id)
            hosts = await connection.scalar(seen)
            today = day_of(await self._transactions.now_us(connection))
            await erase_key_rows(connection, key_id, today)
            # The journal is kept for good: which key it was is what was to be forgotten.
            deed = Deed(act, Subject("fleet-key", ""), {"hosts": hosts}, None)
            await record(self._transactions.now_us, connection, deed)
            return True

    async def fleet_census(self) -> Census:
        """Count hosts and keys."""
        hosts = select(
            func.count().filter(_active),
            func.count().filter(_silent),
            func.count().filter(_active, fleet_host.c.clashes > 0),
        ).select_from(fleet_host)
        keys = select(func.count()).select_from(fleet_key)
        disputed = select(func.count()).where(fleet_fault.c.rule == "disputed")
        async with self._transactions.reading() as connection:
            active, silent, clashed = (await connection.execute(hosts)).one()
            return Census(
                active,
                silent,
                clashed,
                await connection.scalar(keys) or 0,
                await connection.scalar(disputed) or 0,
            )


def _falls_silent(limits: Limits) -> ColumnElement[bool]:
    unmarked = or_(fleet_host.c.silent_us.is_(None), fleet_host.c.silent_us <= _heard)
    return and_(_active, _heard < limits.silent_us, unmarked)


def _is_to_go(limits: Limits) -> ColumnElement[bool]:
    stays_silent = and_(_silent, fleet_host.c.silent_us <= limits.marked_us)
    return and_(or_(stays_silent, _replaced), _heard < (limits.reported_us or 0))


async def _forget_old(connection: AsyncConnection, ids: Sequence[str], day: str) -> Gone:
    """Forget keys that nobody saw since a day, and old sightings on which nothing rests."""
    seen: dict[str, dict[str, str]] = {}
    rows = select(fleet_sighting).where(fleet_sighting.c.key_id.in_(ids))
    for row in await connection.execute(rows):
        seen.setdefault(row.key_id, {})[row.host_id] = row.last_day
    whole = [key_id for key_id, hosts in seen.items() if max(hosts.values()) < day]
    await forget_keys(connection, whole)
    count = 0
    for key_id in sorted(seen.keys() - set(whole)):
        old = {host_id for host_id, last in seen[key_id].items() if last < day}
        if old and (old := old - await rests_on(connection, key_id)):
            one = delete(fleet_sighting).where(fleet_sighting.c.key_id == key_id)
            await connection.execute(one.where(fleet_sighting.c.host_id.in_(old)))
            count += len(old)
    return Gone(keys=len(whole), keys_seen=count)


async def _looked(connection: AsyncConnection) -> Looked:
    kept = select(meta.c.value).where(meta.c.name == LOOKED)
    return Looked.decode((await connection.execute(kept)).scalar_one_or_none())


async def _put(connection: AsyncConnection, looked: Looked) -> None:
    await connection.execute(delete(meta).where(meta.c.name == LOOKED))
    await connection.execute(insert(meta).values(name=LOOKED, value=looked.encode()))


async def _count(connection: AsyncConnection, gone: Gone) -> None:
    """Count what went, with it: a run that is cut off loses no count."""
    if gone != Gone():
        looked = await _looked(connection)
        await _put(connection, looked._replace(gone=looked.gone.plus(gone)))
