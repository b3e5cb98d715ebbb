"""Who holds which key in the store, and whose a host is."""

import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.holder_ports import Entrusting, Forgotten, HeldKey, HolderSearch, Imported
from server.fleet.holders import Holder, entrusted, folded
from server.fleet.hosts import Host, HostState
from server.journal.acts import Act, Deed, State, Subject
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_custody import claims_of, holders_of, judge_custody, pieces
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import day_of, holder_of, host_of
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    fleet_alarm,
    fleet_claim,
    fleet_holder,
    fleet_host,
    fleet_key,
    fleet_sighting,
)


class _Weighed(NamedTuple):
    """A row of an import that changes something. place: among those that were weighed."""

    place: int
    was: Holder | None
    now: Holder

    @property
    def key_id(self) -> str:
        return self.now.key_id


class SqlFleetHolderBook:
    """Keeps the registry of `server.fleet.holder_ports.HolderBook`."""

    _transactions: Transactions

    async def fleet_holders(
        self, search: HolderSearch, after: str, limit: int
    ) -> Sequence[HeldKey]:
        """Return up to `limit` holders of keys with an id beyond `after`, in order."""
        table = fleet_holder.c
        page = select(fleet_holder).where(table.key_id > after)
        if search.person is not None:
            page = page.where(table.person_folded == folded(search.person))
        if search.kind is not None:
            page = page.where(table.kind == search.kind.value)
        if search.ids is not None:
            page = page.where(table.key_id.in_(search.ids))
        async with self._transactions.reading() as connection:
            rows = await connection.execute(page.order_by(table.key_id).limit(limit))
            return await held(connection, [holder_of(row) for row in rows])

    async def entrust(self, wanted: Entrusting, *, act: Act) -> HeldKey:
        """Say who holds a key, which need not have been seen. Nothing new changes nothing."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            key_id = wanted.key.among(await _known(connection, wanted.key.ids))
            now = await self._put(connection, key_id, wanted, act)
            return (await held(connection, [now]))[0]

    async def release(self, key_id: str, *, act: Act) -> Holder | None:
        """Take out who holds a key. None: nobody was registered."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            was = (await holders_of(connection, [key_id])).get(key_id)
            if was is None:
                return None
            await connection.execute(delete(fleet_holder).where(fleet_holder.c.key_id == key_id))
            await self._judge(connection, [key_id])
            deed = Deed(act, Subject("fleet-holder", key_id), _state(was), None)
            await record(self._transactions.now_us, connection, deed)
            return was

    async def import_holders(
        self, rows: Sequence[Entrusting], *, dry_run: bool, act: Act
    ) -> Imported:
        """Do many at once, or none; no two of them name one key."""
        # What changes nothing, mostly all, is sorted out without a turn at writing: whoever says
        # something else of it meanwhile says it after this.
        async with self._transactions.reading() as connection:
            named = [one async for one in _named(connection, rows)]
            weighed = await self._weighed(connection, named)
        done = _counted(weighed, len(rows))
        if dry_run or not weighed:
            return done
        unsure = [(one.key_id, named[one.place][1]) for one in weighed]
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            weighed = await self._weighed(connection, unsure)
            done = _counted(weighed, len(rows))
            if not weighed:
                return done
            for piece in pieces(weighed):
                await _write(connection, [one.now for one in piece])
            await self._judge(connection, await _concerned(connection, weighed))
            made: State = {**done._asdict(), "keys": _digest(weighed)}
            deed = Deed(act, Subject("fleet-holders", ""), None, made)
            await record(self._transactions.now_us, connection, deed)
            return done

    async def assign_host(self, host_id: str, person: str, *, act: Act) -> Host | None:
        """Say whose a host is, "" = nobody's. None: there is none, or it was erased."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            found = select(fleet_host).where(
                fleet_host.c.host_id == host_id, fleet_host.c.state != HostState.ERASED.value
            )
            row = (await connection.execute(found)).one_or_none()
            if row is None:
                return None
            host = host_of(row)
            if host.person == person:
                return host
            today = day_of(await self._transactions.now_us(connection)).isoformat()
            # What it saw up to today was seen by whose it was; a first user had it all along.
            another = bool(host.person) and folded(host.person) != folded(person)
            now = host._replace(person=person, person_after=today if another else host.person_after)
            await connection.execute(
                update(fleet_host)
                .where(fleet_host.c.host_id == host_id)
                .values(
                    person=now.person,
                    person_folded=folded(now.person),
                    person_after=now.person_after,
                )
            )
            seen = select(fleet_sighting.c.key_id).where(fleet_sighting.c.host_id == host_id)
            await self._judge(connection, list((await connection.execute(seen)).scalars()))
            before, after = {"assigned": bool(host.person)}, {"assigned": bool(person)}
            deed = Deed(act, Subject("host", host_id), before, after)
            await record(self._transactions.now_us, connection, deed)
            return now

    async def forget_person(self, person: str, *, act: Act) -> Forgotten:
        """Forget a person, however the name is spelt: what they hold, their hosts, claims."""
        name = folded(person)
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            alarmed = select(fleet_alarm.c.key_id).where(fleet_alarm.c.party == name)
            concerned = set((await connection.execute(alarmed)).scalars())
            held_by = select(fleet_holder.c.key_id).where(fleet_holder.c.person_folded == name)
            held_ids = list((await connection.execute(held_by)).scalars())
            holders = delete(fleet_holder).where(fleet_holder.c.person_folded == name)
            await connection.execute(holders)
            # What these hosts saw up to today is no matter of whoever gets them next.
            today = day_of(await self._transactions.now_us(connection)).isoformat()
            nobody = {"person": "", "person_folded": "", "person_after": today}
            hosts = await connection.execute(
                update(fleet_host).where(fleet_host.c.person_folded == name).values(nobody)
            )
            claims = await connection.execute(
                delete(fleet_claim).where(fleet_claim.c.person_folded == name)
            )
            await self._judge(connection, concerned | set(held_ids))
            gone = Forgotten(len(held_ids), hosts.rowcount, claims.rowcount)
            # Not even an id: the journal is kept for good, and a digest of a name is a name.
            deed = Deed(act, Subject("fleet-person", ""), dict(gone._asdict()), None)
            await record(self._transactions.now_us, connection, deed)
            return gone

    async def _weighed(
        self, connection: AsyncConnection, named: Sequence[tuple[str, Entrusting]]
    ) -> list[_Weighed]:
        """Return those that say something new of a key."""
        today = day_of(await self._transactions.now_us(connection)).isoformat()
        found: list[_Weighed] = []
        place = 0
        for piece in pieces(named):
            holders = await holders_of(connection, [key_id for key_id, _ in piece])
            for key_id, row in piece:
                was = holders.get(key_id)
                now = entrusted(was, key_id, row.person, row.kind, today)
                if was != now:
                    found.append(_Weighed(place, was, now))
                place += 1
        return found

    async def _put(
        self,
        connection: AsyncConnection,
        key_id: str,
        wanted: Entrusting,
        act: Act,
        *,
        anyway: bool = False,
    ) -> Holder:
        """Write who holds a key, and all that follows from it; the journal's entry is the last.

        anyway: there is an entry also when nothing is new.
        """
        today = day_of(await self._transactions.now_us(connection)).isoformat()
        was = (await holders_of(connection, [key_id])).get(key_id)
        now = entrusted(
            was, key_id, wanted.person, wanted.kind, today, handed_over=wanted.handed_over
        )
        if was != now:
            await _write(connection, [now])
            await self._judge(connection, [key_id])
        elif not anyway:
            return now
        state = _state(now)
        if was is not None:
            state = {**state, "person": "same" if _same(was, now) else "another"}
        deed = Deed(act, Subject("fleet-holder", key_id), was and _state(was), state)
        await record(self._transactions.now_us, connection, deed)
        return now

    async def _judge(self, connection: AsyncConnection, ids: Collection[str]) -> None:
        today = day_of(await self._transactions.now_us(connection))
        facts = await judge_custody(connection, ids, today)
        await append_facts(self._transactions.now_us, connection, facts)


async def held(connection: AsyncConnection, holders: Sequence[Holder]) -> list[HeldKey]:
    """Return holders with what is known of their keys."""
    ids = [one.key_id for one in holders]
    days = select(fleet_key.c.key_id, fleet_key.c.last_seen).where(fleet_key.c.key_id.in_(ids))
    seen: dict[str, str] = {}
    for row in await connection.execute(days):
        seen[row.key_id] = row.last_seen
    claims = await claims_of(connection, ids)
    return [HeldKey(one, seen.get(one.key_id, ""), claims.get(one.key_id, ())) for one in holders]


async def _known(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Return which of these ids a key has here, seen or registered."""
    known: set[str] = set()
    for table in (fleet_key, fleet_holder):
        found = select(table.c.key_id).where(table.c.key_id.in_(ids))
        known |= set((await connection.execute(found)).scalars())
    return known


async def _write(connection: AsyncConnection, holders: Sequence[Holder]) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    offer: Any = insert(fleet_holder)
    names = [column.name for column in fleet_holder.c if column.name != "key_id"]
    written = offer.on_conflict_do_update(
        index_elements=[fleet_holder.c.key_id],
        set_={name: offer.excluded[name] for name in names},
    )
    rows = [
        one._asdict() | {"kind": one.kind.value, "person_folded": folded(one.person)}
        for one in holders
    ]
    await connection.execute(written, rows)


async def _named(
    connection: AsyncConnection, rows: Sequence[Entrusting]
) -> AsyncIterator[tuple[str, Entrusting]]:
    """Yield rows with the ids that their keys have here."""
    for piece in pieces(rows):
        known = await _known(connection, [one for row in piece for one in row.key.ids])
        for row in piece:
            yield row.key.among(known), row


def _counted(weighed: Sequence[_Weighed], rows: int) -> Imported:
    new = sum(one.was is None for one in weighed)
    return Imported(new, len(weighed) - new, rows - len(weighed))


async def _concerned(connection: AsyncConnection, weighed: Sequence[_Weighed]) -> set[str]:
    """Return the keys at which an alarm may begin or end by this: few of many."""
    standing = set((await connection.execute(select(fleet_alarm.c.key_id).distinct())).scalars())
    return {
        one.key_id
        for one in weighed
        if one.key_id in standing or _reach(one.was) != _reach(one.now)
    }


def _reach(holder: Holder | None) -> tuple[str, str]:
    """Return from when on sightings count."""
    return ("", "") if holder is None else (holder.after, holder.lost)


def _same(one: Holder, other: Holder) -> bool:
    return folded(one.person) == folded(other.person)


def _state(holder: Holder) -> State:
    """Return a holder without the person: the journal is kept for good."""
    return {"kind": holder.kind.value}


def _digest(weighed: Sequence[_Weighed]) -> str:
    """Return what names all keys of an import: SHA-256 of their ids, one a line, sorted."""
    lines = "".join(f"{key_id}\n" for key_id in sorted(one.key_id for one in weighed))
    return hashlib.sha256(lines.encode()).hexdigest()
