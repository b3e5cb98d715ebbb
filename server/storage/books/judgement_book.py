"""Keys judged anew in the store: few in one transaction, so that nobody waits for its turn."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, or_, select, update

from server.facts import NewFact
from server.fleet.advisory_ports import JudgedKey, Judgement
from server.fleet.custody import Alarm
from server.fleet.exposure import Affected, Exposed
from server.fleet.rulebook import Hit
from server.leases import Lease
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_custody import alarms_of
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import LEVELS, key_of
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_fault, fleet_key


class SqlJudgementBook:
    """Keeps judgements of `server.fleet.advisory_ports.AdvisoryBook`."""

    _transactions: Transactions

    async def call_due(self, today: date, limit: int, *, lease: Lease | None = None) -> int:
        """Let up to `limit` keys whose day has come be judged anew; return how many."""
        due = select(fleet_key.c.key_id).where(fleet_key.c.due <= today.isoformat())
        due = due.order_by(fleet_key.c.due).limit(limit)
        async with self._transactions.reading() as connection:
            if (await connection.execute(due)).first() is None:
                return 0  # as nearly always, and nobody waited for a turn at writing
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            await take_turn(connection)
            ids = list((await connection.execute(due)).scalars())
            called = update(fleet_key).where(fleet_key.c.key_id.in_(ids))
            await connection.execute(called.values(rulebook="", due=None))
            return len(ids)

    async def judged_otherwise(self, stamp: str, after: str, limit: int) -> Sequence[JudgedKey]:
        """Return up to `limit` keys beyond `after`, in order, not judged under this stamp."""
        page = select(fleet_key).where(_otherwise(stamp), fleet_key.c.key_id > after)
        page = page.order_by(fleet_key.c.key_id).limit(limit)
        async with self._transactions.reading() as connection:
            rows = list(await connection.execute(page))
            alarms = await alarms_of(connection, [row.key_id for row in rows])
        found = []
        for row in rows:
            standing = tuple(sorted(alarms.get(row.key_id, ())))
            kept = _kept(row.facts, row.unreadable, standing)
            found.append(JudgedKey(key_of(row), read_hits(row.hits), kept, standing))
        return found

    async def count_judged_otherwise(self, stamp: str) -> int:
        """Return how many there are."""
        async with self._transactions.reading() as connection:
            counted = select(func.count()).select_from(fleet_key).where(_otherwise(stamp))
            return await connection.scalar(counted) or 0

    async def keep_judgements(
        self,
        judgements: Sequence[Judgement],
        *,
        stamp: str,
        edition: int,
        today: date,
        lease: Lease | None = None,
    ) -> int:
        """Store judgements, tell facts of what became; return how many. LeaseLostError."""
        ids = [one.key_id for one in judgements]
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            await take_turn(connection)
            columns = (fleet_key.c.key_id, fleet_key.c.facts, fleet_key.c.unreadable)
            now = select(*columns).where(fleet_key.c.key_id.in_(ids))
            rows = list(await connection.execute(now))
            alarms = await alarms_of(connection, [row.key_id for row in rows])
            kept = {
                row.key_id: _kept(row.facts, row.unreadable, alarms.get(row.key_id, ()))
                for row in rows
            }
            same = [one for one in judgements if kept.get(one.key_id) == one.kept]
            if not same:
                return 0
            this = fleet_key.c.key_id == bindparam("this")
            names = ("rulebook", "hits", "level", "judged", "due", "line")
            new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            written = [
                {
                    "this": one.key_id,
                    "new_rulebook": stamp,
                    "new_hits": write_hits(one.hits),
                    "new_level": LEVELS[one.worst],
                    "new_judged": today.isoformat(),
                    "new_due": None if one.due is None else one.due.isoformat(),
                    "new_line": one.line,
                }
                for one in same
            ]
            await connection.execute(update(fleet_key).where(this).values(new), written)
            judged = [one.key_id for one in same]
            await connection.execute(delete(fleet_fault).where(fleet_fault.c.key_id.in_(judged)))
            faults = [{"rule": rule, "key_id": one.key_id} for one in same for rule in one.rules]
            if faults:
                await connection.execute(insert(fleet_fault), faults)
            told = [fact for one in same for fact in _became(one, edition)]
            await append_facts(self._transactions.now_us, connection, told)
            return len(same)


def _otherwise(stamp: str) -> ColumnElement[bool]:
    # Two ranges of an index, where "unequal" would be a look at every key.
    return or_(fleet_key.c.rulebook < stamp, fleet_key.c.rulebook > stamp)


def _kept(facts: str, unreadable: str, alarms: Iterable[Alarm]) -> str:
    return f"{facts}\n{unreadable}\n{json.dumps(sorted(alarms))}"


def _became(judgement: Judgement, edition: int) -> Sequence[NewFact]:
    return [
        NewFact(
            "fleet.key-exposed" if hit.exposed is Exposed.YES else "fleet.key-affected",
            judgement.key_id,
            {
                "advisory": advisory_id,
                "edition": edition,
                "affected": hit.affected.value,
                "exposed": hit.exposed.value,
            },
        )
        for advisory_id, hit in sorted(judgement.became.items())
    ]


def write_hits(hits: Mapping[str, Hit]) -> str:
    """Write what advisories mean for a key; `read_hits` is the inverse."""
    said = {name: [hit.affected.value, hit.exposed.value] for name, hit in hits.items()}
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def read_hits(text: str) -> Mapping[str, Hit]:
    """Read what advisories mean for a key."""
    found = json.loads(text)
    return {name: Hit(Affected(one), Exposed(two)) for name, (one, two) in found.items()}
