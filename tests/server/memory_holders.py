"""Who holds which key in memory, over the fleet that is kept there."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from server.facts import NewFact
from server.fleet.claiming import AskedClaim, Earlier, weigh
from server.fleet.custody import LOST_RULE, Alarm, Custody, Witness, alarms, sharers, told
from server.fleet.holder_ports import (
    Entrusting,
    Forgotten,
    HeldKey,
    HolderSearch,
    Imported,
)
from server.fleet.holders import Holder, HolderClaim, KeyName, entrusted, folded
from server.fleet.hosts import Host, HostState
from server.fleet.receipt import Receipt
from server.journal.acts import Act, State, Subject


class MemoryHolders:
    """HolderBook on dictionaries. What it needs of the fleet is handed in by that."""

    def __init__(self) -> None:
        super().__init__()
        self._holders: dict[str, Holder] = {}
        self._claims: dict[tuple[str, str], HolderClaim] = {}
        self._ended: dict[tuple[str, str], HolderClaim] = {}
        self._alarms: dict[str, frozenset[Alarm]] = {}

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    def _hosts_known(self) -> dict[str, Host]:
        raise NotImplementedError

    def _witnesses(self, key_id: str) -> list[Witness]:
        raise NotImplementedError

    def _last_seen(self) -> Mapping[str, str]:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def _day(self) -> str:
        return (
            datetime.fromtimestamp(await self.store_time_us() // 1_000_000, UTC).date().isoformat()
        )

    def judge(self, ids: Collection[str], fresh: Collection[tuple[str, str]] = ()) -> None:
        """Judge keys anew, and tell of alarms that begin."""
        for key_id in sorted(ids):
            holder, witnesses = self._holders.get(key_id), self._witnesses(key_id)
            before = self._alarms.get(key_id, frozenset())
            new = frozenset(host_id for one, host_id in fresh if one == key_id)
            now = alarms(holder, witnesses, fresh=new, before=before)
            self.append_facts(told(key_id, holder, witnesses, before=before, now=now))
            self._alarms[key_id] = now

    def custody(self, key_id: str) -> Custody:
        """Return who has a key."""
        holder = self._holders.get(key_id)
        claims = [one for (about, _), one in sorted(self._claims.items()) if about == key_id]
        persons = sharers(holder, self._witnesses(key_id)).values()
        lost = (one.party for one in self._alarms.get(key_id, ()) if one.rule == LOST_RULE)
        return Custody(
            holder,
            tuple(claims),
            tuple(sorted(one.person for one in persons)),
            tuple(sorted(lost)),
        )

    async def fleet_holders(
        self, search: HolderSearch, after: str, limit: int
    ) -> Sequence[HeldKey]:
        return [
            self._held(one)
            for key_id, one in sorted(self._holders.items())
            if key_id > after
            and search.kind in {None, one.kind}
            and (search.ids is None or key_id in search.ids)
            and (search.person is None or folded(search.person) == folded(one.person))
        ][:limit]

    def _held(self, holder: Holder) -> HeldKey:
        claims = self.custody(holder.key_id).claims
        return HeldKey(holder, self._last_seen().get(holder.key_id, ""), claims)

    def _known(self) -> set[str]:
        return {*self._last_seen(), *self._holders}

    async def entrust(self, wanted: Entrusting, *, act: Act) -> HeldKey:
        return await self._put(wanted.key.among(self._known()), wanted, act)

    async def _put(
        self, key_id: str, wanted: Entrusting, act: Act, *, anyway: bool = False
    ) -> HeldKey:
        was = self._holders.get(key_id)
        now = entrusted(
            was,
            key_id,
            wanted.person,
            wanted.kind,
            await self._day(),
            handed_over=wanted.handed_over,
        )
        if was != now or anyway:
            self._holders[key_id] = now
            self.judge([key_id])
            before = None if was is None else {"kind": was.kind.value}
            self._write_down(act, Subject("fleet-holder", key_id), before, {"kind": now.kind.value})
        return self._held(now)

    async def release(self, key_id: str, *, act: Act) -> Holder | None:
        was = self._holders.pop(key_id, None)
        if was is not None:
            self.judge([key_id])
            self._write_down(act, Subject("fleet-holder", key_id), {"kind": was.kind.value}, None)
        return was

    async def import_holders(
        self, rows: Sequence[Entrusting], *, dry_run: bool, act: Act
    ) -> Imported:
        day, known = await self._day(), self._known()
        new, changed = 0, {}
        for row in rows:
            key_id = row.key.among(known)
            was = self._holders.get(key_id)
            now = entrusted(was, key_id, row.person, row.kind, day)
            if was != now:
                new += was is None
                changed[key_id] = now
        done = Imported(new, len(changed) - new, len(rows) - len(changed))
        if not dry_run and changed:
            self._holders |= changed
            self.judge(changed)
            self._write_down(act, Subject("fleet-holders", ""), None, done._asdict())
        return done

    async def assign_host(self, host_id: str, person: str, *, act: Act) -> Host | None:
        host = self._hosts_known().get(host_id)
        if host is None or host.state is HostState.ERASED:
            return None
        another = host.person and folded(host.person) != folded(person)
        after = await self._day() if another else host.person_after
        now = host._replace(person=person, person_after=after)
        self._hosts_known()[host_id] = now
        self.judge(self._last_seen())
        if host != now:
            self._write_down(
                act,
                Subject("host", host_id),
                {"assigned": bool(host.person)},
                {"assigned": bool(person)},
            )
        return now

    async def forget_person(self, person: str, *, act: Act) -> Forgotten:
        name = folded(person)
        holders = [key for key, one in self._holders.items() if folded(one.person) == name]
        hosts = [one for one in self._hosts_known().values() if folded(one.person) == name]
        claims = [key for key, one in self._claims.items() if folded(one.person) == name]
        for key_id in holders:
            del self._holders[key_id]
        today = await self._day()
        for host in hosts:
            self._hosts_known()[host.host_id] = host._replace(person="", person_after=today)
        for pair in claims:
            del self._claims[pair]
        self.judge(self._last_seen())
        gone = Forgotten(len(holders), len(hosts), len(claims))
        self._write_down(act, Subject("fleet-person", ""), gone._asdict(), None)
        return gone

    async def take_claim(self, claim: AskedClaim) -> Receipt:
        host = self._hosts_known().get(claim.host_id)
        pair = (claim.key_id, claim.host_id)
        everything = {**self._ended, **self._claims}
        known = everything.get(pair)
        receipt = weigh(
            claim,
            None if host is None else host.state,
            None if known is None else Earlier(known.claim_id, known.number),
            taken=any(one.claim_id == claim.claim_id for one in everything.values()),
            mine=sum(host_id == claim.host_id for _, host_id in everything),
        )
        if receipt is not Receipt.NEW:
            return receipt
        day = min(claim.day.isoformat(), await self._day())
        self._claims[pair] = HolderClaim(
            *pair, claim.claim_id, claim.number, day, claim.person, claim.kind
        )
        return Receipt.NEW

    async def fleet_claims(
        self, ids: Sequence[str] | None, after: str, limit: int
    ) -> Sequence[HolderClaim]:
        found = sorted(self._claims.values(), key=lambda one: one.claim_id)
        return [
            one for one in found if one.claim_id > after and (ids is None or one.key_id in ids)
        ][:limit]

    async def accept_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HeldKey | None:
        claim = self._end(key_id, host_id, claim_id)
        if claim is None:
            return None
        wanted = Entrusting(KeyName(key_id), claim.person, claim.kind)
        return await self._put(key_id, wanted, act, anyway=True)

    async def dismiss_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HolderClaim | None:
        claim = self._end(key_id, host_id, claim_id)
        if claim is not None:
            was: State = {"host": host_id, "kind": claim.kind.value}
            self._write_down(act, Subject("fleet-holder", key_id), was, None)
        return claim

    def _end(self, key_id: str, host_id: str, claim_id: str) -> HolderClaim | None:
        waits = self._claims.get((key_id, host_id))
        if waits is None or claim_id not in {"", waits.claim_id}:
            return None
        claim = self._claims.pop((key_id, host_id), None)
        if claim is not None:
            self._ended[key_id, host_id] = claim._replace(person="")
        return claim
