"""What probers found, in the store: each finding once, with everything that follows from it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.leases import Lease
from server.probing.absorb import Absorbed, Known, absorb, entries
from server.probing.finding import Finding, Outcome
from server.probing.minutes import Count, Taint, add_up, minute_of, taint_of
from server.probing.ports import ProberDetails
from server.probing.standing import Standing
from server.storage.books.fact_book import append_facts
from server.storage.books.lease_book import require_lease
from server.storage.books.ledger_book import append_ledger
from server.storage.books.transactions import Transactions
from server.storage.schema import probe_minute, probe_round, probe_unknown, prober

_PRUNED_AT_ONCE = 1_000
_MINUTE_US = 60_000_000
_STANDING = ("failing", "bad", "good", "since_us", "why")


class SqlProbeBook:
    """Keeps `server.probing.ports.ProbeBook`."""

    _transactions: Transactions

    async def add_findings(self, name: str, findings: Sequence[Finding]) -> int:
        """Add those that are new, by their numbers; return the last number that is here."""
        async with self._transactions.writing() as connection:
            now_us = await self._transactions.now_us(connection)
            known = await _lock(connection, name, now_us)
            done = absorb(name, known, findings, now_us)
            await _keep(connection, name, done, now_us)
            counted: Mapping[int, tuple[int, int]] = {}
            if done.new:
                await _insert(connection, name, done.new)
                counted = await _count_again(connection, name, done.new)
            if done.facts:
                await append_facts(self._transactions.now_us, connection, done.facts)
            told = entries(name, done.new, counted, now_us)
            await append_ledger(self._transactions.now_us, connection, told)
            return done.known.number

    async def list_probers(self) -> Sequence[ProberDetails]:
        """Return every prober, in the order of their names."""
        async with self._transactions.reading() as connection:
            rows = await connection.execute(select(prober).order_by(prober.c.name))
            return [ProberDetails(row.name, _known(row), row.missing, row.heard_us) for row in rows]

    async def prune_findings(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove old findings, not too many; return how many. LeaseLostError."""
        before = before_us // _MINUTE_US
        rounds, unknown = probe_round.c, probe_unknown.c
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            key = tuple_(rounds.minute, rounds.prober, rounds.number)
            oldest = select(*key.clauses).where(rounds.minute < before).order_by(*key.clauses)
            removed = delete(probe_round).where(key.in_(oldest.limit(_PRUNED_AT_ONCE)))
            pruned = (await connection.execute(removed)).rowcount
            if pruned == 0:
                await connection.execute(delete(probe_unknown).where(unknown.last < before))
            return pruned


async def _lock(connection: AsyncConnection, name: str, now_us: int) -> Known:
    """Return what is known of a prober; it waits who brings another parcel of the same one."""
    first = Known()
    new = {"name": name, "heard_us": now_us, "missing": 0, **_values(first)}
    offer = _dialect(connection).insert(prober).values(**new)
    await connection.execute(offer.on_conflict_do_nothing(index_elements=[prober.c.name]))
    mine = select(prober).where(prober.c.name == name).with_for_update()
    row = (await connection.execute(mine)).one()
    return _known(row)


async def _keep(connection: AsyncConnection, name: str, done: Absorbed, now_us: int) -> None:
    missing = prober.c.missing + done.missing
    values = {**_values(done.known), "heard_us": now_us, "missing": missing}
    await connection.execute(update(prober).where(prober.c.name == name).values(**values))


def _known(row: Row[Any]) -> Known:
    standing = Standing(*(getattr(row, column) for column in _STANDING))
    return Known(row.number, standing, row.told)


def _values(known: Known) -> dict[str, object]:
    standing = dict(zip(_STANDING, known.standing, strict=True))
    return {"number": known.number, "told": known.told, **standing}


async def _insert(connection: AsyncConnection, name: str, new: Sequence[Finding]) -> None:
    taints = [(one, taint) for one in new if (taint := taint_of(name, one)) is not None]
    if taints:
        spans = [{**taint._asdict(), "number": one.number, "why": one.why} for one, taint in taints]
        await connection.execute(insert(probe_unknown), spans)
    rounds = [
        {**one._asdict(), "outcome": one.outcome.value, "prober": name, "minute": minute_of(one)}
        for one in new
        if one.outcome is not Outcome.UNKNOWN
    ]
    if rounds:
        await connection.execute(insert(probe_round), rounds)


async def _count_again(
    connection: AsyncConnection, name: str, new: Sequence[Finding]
) -> Mapping[int, tuple[int, int]]:
    """Count the minutes that findings are of, from all there is of them; return what they are.

    Anew, and not on top: a clock's jump takes back what was good of its minutes before.
    """
    minutes = {minute_of(one) for one in new if one.outcome in {Outcome.GOOD, Outcome.BAD}}
    for taint in filter(None, (taint_of(name, one) for one in new)):
        spoilt = select(probe_round.c.minute).distinct()
        spoilt = spoilt.where(
            probe_round.c.prober == name,
            probe_round.c.minute.between(taint.first, taint.last),
        )
        minutes.update((await connection.execute(spoilt)).scalars())
    if not minutes:
        return {}
    ordered = sorted(minutes)
    # One order everywhere, and first of all: of two probers that hand in the same minute, the
    # second waits here and then sees what the first one has counted.
    offer = _dialect(connection).insert(probe_minute)
    blank = [{"minute": minute, "good": 0, "bad": 0} for minute in ordered]
    ours = offer.on_conflict_do_update(
        index_elements=[probe_minute.c.minute], set_={"good": probe_minute.c.good}
    )
    await connection.execute(ours, blank)
    sums = add_up(ordered, await _counts(connection, ordered), await _taints(connection, ordered))
    put = offer.on_conflict_do_update(
        index_elements=[probe_minute.c.minute],
        set_={"good": offer.excluded.good, "bad": offer.excluded.bad},
    )
    rows = [{"minute": minute, **sums[minute]._asdict()} for minute in ordered]
    await connection.execute(put, rows)
    return {minute: (sums[minute].good, sums[minute].bad) for minute in ordered}


async def _counts(connection: AsyncConnection, minutes: Collection[int]) -> list[Count]:
    at = probe_round.c

    def how_many(outcome: Outcome) -> Any:  # noqa: ANN401 - an expression
        return func.sum(case((at.outcome == outcome.value, 1), else_=0))

    query = select(at.prober, at.minute, how_many(Outcome.GOOD), how_many(Outcome.BAD))
    query = query.where(at.minute.in_(minutes)).group_by(at.prober, at.minute)
    rows = await connection.execute(query)
    return [Count(name, minute, int(good), int(bad)) for name, minute, good, bad in rows]


async def _taints(connection: AsyncConnection, minutes: Sequence[int]) -> list[Taint]:
    at = probe_unknown.c
    query = select(at.prober, at.first, at.last)
    query = query.where(at.first <= minutes[-1], at.last >= minutes[0])
    return [Taint(*row) for row in await connection.execute(query)]


def _dialect(connection: AsyncConnection) -> Any:  # noqa: ANN401 - two modules of one shape
    return sqlite if connection.dialect.name == "sqlite" else postgresql
