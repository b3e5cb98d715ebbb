"""The fleet in memory, for the store that keeps every port there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from agent.report import Report
from server.fleet.absorbing import KnownKey, as_report, said_again
from server.fleet.channel.blame import relayed_otherwise
from server.fleet.custody import Witness
from server.fleet.enrolment import Admission, Asked, Token, admit, check_new_token, digest_of
from server.fleet.health import JUDGING, Judging
from server.fleet.hosts import Host, HostState
from server.fleet.intake import Intake, NewChange, Seen, Standing
from server.fleet.lines import line_word
from server.fleet.ports import FleetKey, KeyCount, NotedChange, Search, Sighting
from server.fleet.proof import Proof
from server.fleet.proving import Proven, prove
from server.fleet.receipt import Receipt
from server.fleet.retention import Limits, Looked
from server.fleet.retention_ports import Due
from server.journal.acts import Act, State, Subject
from tests.server.memory_holders import MemoryHolders


class MemoryFleet(MemoryHolders):
    """FleetBook and HolderBook on dictionaries. Searches by nothing but the serial number."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens: dict[bytes, Token] = {}
        self._hosts: dict[str, Host] = {}
        self._fleet_keys: dict[str, KnownKey] = {}
        self._standings: dict[str, Standing] = {}
        self._seen: dict[tuple[str, str], Seen] = {}
        self._noted: list[tuple[int, NewChange]] = []
        self._judging = JUDGING
        self.told_of_hosts: list[dict[str, object]] = []

    def _hosts_known(self) -> dict[str, Host]:
        return self._hosts

    def _witnesses(self, key_id: str) -> list[Witness]:
        return [
            Witness(host.host_id, host.person, host.person_after, seen.last.isoformat())
            for (one, host_id), seen in self._seen.items()
            if one == key_id and (host := self._hosts[host_id])
        ]

    def _last_seen(self) -> Mapping[str, str]:
        return {key_id: key.last_seen.isoformat() for key_id, key in self._fleet_keys.items()}

    async def add_enrolment_token(
        self, name: str, digest: bytes, *, lifetime_us: int, replaces: bool, act: Act
    ) -> Token:
        check_new_token(name, replaces=replaces, by_name=self._active(name))
        expires_us = await self.store_time_us() + lifetime_us
        token = Token(len(self._tokens) + 1, digest, name, expires_us, replaces)
        self._tokens[digest] = token
        made: State = {"expires_us": expires_us, "replaces": replaces}
        self._write_down(act, Subject("fleet-token", str(token.token_id)), None, made)
        return token

    def _active(self, name: str) -> list[Host]:
        return [
            host
            for host in self._hosts.values()
            if host.state is HostState.ACTIVE and host.name.casefold() == name.casefold()
        ]

    async def knows_token(self, digest: bytes) -> bool:
        return digest in self._tokens

    async def enrol(self, asked: Asked) -> Admission:
        digest, now_us = digest_of(asked.token), await self.store_time_us()
        token = self._tokens.get(digest)
        admission = admit(
            asked,
            token,
            by_id=self._hosts.get(asked.host_id),
            by_name=self._active(asked.name),
            now_us=now_us,
        )
        if token is None or admission.again:
            return admission
        for host in admission.replaced:
            self._hosts[host.host_id] = host._replace(state=HostState.REPLACED)
        self._tokens[digest] = token._replace(host_id=asked.host_id)
        self._hosts[asked.host_id] = Host(
            asked.host_id,
            token.host_name,
            asked.public_key,
            HostState.ACTIVE,
            asked.system,
            asked.agent,
            now_us,
            person=next((one.person for one in admission.replaced if one.person), ""),
        )
        return admission

    async def fleet_host(self, host_id: str) -> Host | None:
        return self._hosts.get(host_id)

    async def fleet_hosts(self, host_ids: Sequence[str]) -> Mapping[str, Host]:
        return {one: self._hosts[one] for one in host_ids if one in self._hosts}

    async def key_counts(self) -> Sequence[KeyCount]:
        counted = Counter(
            (
                self._judging.judge(as_report(key), self._standings[key_id].judged).worst,
                line_word(as_report(key)),
            )
            for key_id, key in self._fleet_keys.items()
        )
        return [KeyCount(level, line, "", keys) for (level, line), keys in counted.items()]

    async def rule_counts(self) -> Mapping[str, int]:
        return Counter(rule for key in self._fleet_keys.values() for rule in self._rules(key))

    async def host_counts(self) -> Mapping[HostState, int]:
        return Counter(host.state for host in self._hosts.values())

    async def list_hosts(self, after: str, limit: int) -> Sequence[Host]:
        return [self._hosts[one] for one in sorted(self._hosts) if one > after][:limit]

    async def erase_host(self, host_id: str, *, act: Act) -> Host | None:
        host = self._hosts.get(host_id)
        if host is None or host.state is HostState.ERASED:
            return host
        erased = host.erased()
        self._hosts[host_id] = erased
        mine = {key_id for key_id, seen_by in self._seen if seen_by == host_id}
        self._seen = {pair: seen for pair, seen in self._seen.items() if pair[1] != host_id}
        for key_id in mine - {key_id for key_id, _ in self._seen}:
            del self._fleet_keys[key_id], self._standings[key_id]
        self.judge(mine)
        self._claims = {pair: one for pair, one in self._claims.items() if pair[1] != host_id}
        self._write_down(
            act, Subject("host", host_id), {"state": host.state.value}, {"state": "erased"}
        )
        return erased

    async def take_reports(
        self, reports: Sequence[Report], judging: Judging = JUDGING
    ) -> Sequence[Receipt]:
        self._judging = judging
        now_us = await self.store_time_us()
        today = datetime.fromtimestamp(now_us // 1_000_000, UTC).date()
        brought = Counter(host_id for _, host_id in self._seen)
        known = (self._hosts, self._standings, self._fleet_keys)
        intake = Intake(*known, today, brought, judging=judging)
        receipts = [intake.take(report) for report in reports]
        for host_id in {*intake.reported, *intake.clashed}:
            self._hosts[host_id] = intake.hosts[host_id]._replace(reported_us=now_us)
        for key_id, changed in intake.changed.items():
            self._fleet_keys[key_id] = changed.key
            self._standings[key_id] = changed.standing
        for key_id, standing in intake.later.items():
            repeated = said_again(self._fleet_keys[key_id], standing.said, standing.last_seen)
            self._fleet_keys[key_id], self._standings[key_id] = repeated, standing
        fresh = intake.seen.keys() - self._seen.keys()
        for pair, seen in intake.seen.items():
            before = self._seen.get(pair, seen)
            self._seen[pair] = Seen(before.first, max(before.last, seen.last), seen.attached)
        self._noted += [(now_us, change) for change in intake.changes]
        self.judge({key_id for key_id, _ in intake.seen}, fresh)
        return receipts

    async def prove(self, proof: Proof) -> Proven | None:
        host = self._hosts.get(proof.host_id)
        known = self._fleet_keys.get(proof.key_id)
        reported = (proof.key_id, proof.host_id) in self._seen
        if host is None or host.state is not HostState.ACTIVE or known is None or not reported:
            return None
        proven = prove(known, proof)
        self._fleet_keys[proof.key_id] = proven.key
        for host_id in proven.altered:
            other = self._hosts[host_id]
            self._hosts[host_id] = other._replace(altered=other.altered + 1)
        return proven

    async def note_altered(self, host_id: str, key_id: str, how: str) -> None:
        host = self._hosts.get(host_id)
        if host is not None and host.state is HostState.ACTIVE:
            self._hosts[host_id] = host._replace(altered=host.altered + 1)
            told = relayed_otherwise(host_id, key_id, how)
            self.told_of_hosts.append({"kind": told.kind, "host": told.subject, **told.detail})

    async def fleet_keys(self, search: Search, after: str, limit: int) -> Sequence[FleetKey]:
        wanted = [
            self._with_sightings(key_id)
            for key_id, key in sorted(self._fleet_keys.items())
            if key_id > after
            and search.serial in {None, key.serial}
            and (search.rule is None or search.rule in self._rules(key))
        ]
        return wanted[:limit]

    def _rules(self, key: KnownKey) -> set[str]:
        day = self._standings[key.key_id].judged
        said = as_report(key)
        said = said._replace(facts={**said.facts, **self.custody(key.key_id).facts()})
        return {fault.rule.name for fault in self._judging.judge(said, day).faults}

    async def fleet_key(self, key_id: str) -> FleetKey | None:
        return self._with_sightings(key_id) if key_id in self._fleet_keys else None

    def _with_sightings(self, key_id: str) -> FleetKey:
        sightings = [
            Sighting(
                host_id,
                self._hosts[host_id].name,
                seen.first.isoformat(),
                seen.last.isoformat(),
                seen.attached,
                self._hosts[host_id].person,
                self._hosts[host_id].person_after,
            )
            for (seen_key, host_id), seen in sorted(self._seen.items())
            if seen_key == key_id
        ]
        return FleetKey(self._fleet_keys[key_id], sightings, self.custody(key_id))

    async def key_changes(self, key_id: str, before: int, limit: int) -> Sequence[NotedChange]:
        found = [
            NotedChange(
                one.number,
                at_us,
                one.host_id,
                one.change.fact,
                one.change.before,
                one.change.after,
            )
            for at_us, one in self._noted
            if one.key_id == key_id and one.number < before
        ]
        return found[::-1][:limit]

    async def fleet_due(self, limits: Limits) -> Due:
        last = [
            max(seen.last.isoformat() for (one, _), seen in self._seen.items() if one == key_id)
            for key_id in {key_id for key_id, _ in self._seen}
        ]
        changed = [at_us for at_us, _ in self._noted]
        ends = [token.expires_us for token in self._tokens.values()]
        heard = [one.heard_us for one in self._hosts.values() if one.state is HostState.ACTIVE]
        return Due(
            sum(day < limits.seen_day for day in last),
            sum(at_us < limits.changed_us for at_us in changed),
            sum(end_us < limits.expired_us for end_us in ends),
            sum(at_us < limits.silent_us for at_us in heard),
            0,
            min((day for day in last if day >= limits.seen_day), default=None),
            min((at_us for at_us in changed if at_us >= limits.changed_us), default=None),
            min((end_us for end_us in ends if end_us >= limits.expired_us), default=None),
            min((at_us for at_us in heard if at_us >= limits.silent_us), default=None),
        )

    async def last_retention(self) -> Looked:
        return Looked()

    async def silent_hosts(self, limit: int) -> Sequence[Host]:
        found = [
            one for one in self._hosts.values() if one.is_silent or one.state is HostState.REPLACED
        ]
        return sorted(found, key=lambda one: one.heard_us)[:limit]

    async def erase_fleet_key(self, key_id: str, *, act: Act) -> bool:
        if key_id not in self._fleet_keys:
            return False
        hosts = sum(one == key_id for one, _ in self._seen)
        self._seen = {pair: seen for pair, seen in self._seen.items() if pair[0] != key_id}
        self._noted = [one for one in self._noted if one[1].key_id != key_id]
        del self._fleet_keys[key_id], self._standings[key_id]
        self._write_down(act, Subject("fleet-key", ""), {"hosts": hosts}, None)
        return True
