"""Advisories in memory, for the store that keeps every port there."""

from collections.abc import Sequence
from datetime import date

from server.facts import NewFact
from server.fleet.absorbing import KnownKey
from server.fleet.advisory_ports import JudgedKey, Judgement, LoadedFile, OvertakenError
from server.fleet.criterion import Decision, in_force
from server.fleet.custody import Alarm
from server.fleet.exposure import Exposed
from server.journal.acts import Act, State, Subject
from server.leases import Lease


class MemoryAdvisories:
    """AdvisoryBook on lists. Nothing proves a lease here."""

    _fleet_keys: dict[str, KnownKey]
    _alarms: dict[str, frozenset[Alarm]]

    def __init__(self) -> None:
        super().__init__()
        self._files: list[tuple[LoadedFile, bytes]] = []
        self._decisions: list[Decision] = []
        self._judged: dict[str, tuple[str, KnownKey, Judgement]] = {}

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    async def advisory_files(self, after: int) -> Sequence[LoadedFile]:
        return [loaded for loaded, _ in self._files if loaded.number > after]

    async def advisory_text(self, number: int) -> bytes:
        for loaded, text in self._files:
            if loaded.number == number:
                return text
        raise LookupError(number)

    async def add_advisory_file(
        self, text: bytes, *, edition: int, key_id: bytes, digest: str, after: int, act: Act
    ) -> LoadedFile:
        if len(self._files) != after:
            raise OvertakenError
        now_us = await self.store_time_us()
        made = LoadedFile(after + 1, edition, key_id, digest, now_us, str(act.actor))
        self._files.append((made, text))
        said: State = {"edition": edition, "key": key_id.hex(), "digest": digest}
        self.append_facts([NewFact("fleet.advisories-loaded", str(made.number), said)])
        self._write_down(act, Subject("advisories", str(made.number)), None, said)
        return made

    async def decisions(self) -> Sequence[Decision]:
        return list(self._decisions)

    async def add_decision(
        self, advisory_id: str, *, critical: bool, edition: int, criterion: str, act: Act
    ) -> Decision:
        if (advisory_id in in_force(self._decisions)) is critical:
            raise OvertakenError
        made = Decision(
            len(self._decisions) + 1,
            advisory_id,
            critical,
            edition,
            await self.store_time_us(),
            str(act.actor),
            act.reason,
            criterion,
        )
        self._decisions.append(made)
        said: State = {"decision": made.number, "critical": critical, "edition": edition}
        self.append_facts([NewFact("fleet.advisory-decided", advisory_id, said)])
        self._write_down(act, Subject("advisory", advisory_id), {"critical": not critical}, said)
        return made

    def _otherwise(self, stamp: str) -> list[str]:
        found = []
        for key_id, key in sorted(self._fleet_keys.items()):
            under = self._judged.get(key_id)
            if under is None or under[:2] != (stamp, key):
                found.append(key_id)
        return found

    async def judged_otherwise(self, stamp: str, after: str, limit: int) -> Sequence[JudgedKey]:
        ids = [key_id for key_id in self._otherwise(stamp) if key_id > after][:limit]
        return [self._judged_key(key_id) for key_id in ids]

    def _judged_key(self, key_id: str) -> JudgedKey:
        key = self._fleet_keys[key_id]
        hits = self._judged[key_id][2].hits if key_id in self._judged else {}
        return JudgedKey(key, hits, self._kept_of(key_id), self._standing(key_id))

    def _standing(self, key_id: str) -> tuple[Alarm, ...]:
        return tuple(sorted(self._alarms.get(key_id, ())))

    def _kept_of(self, key_id: str) -> str:
        return repr((self._fleet_keys.get(key_id), self._standing(key_id)))

    async def call_due(self, today: date, limit: int, *, lease: Lease | None = None) -> int:
        del lease
        due = [
            key_id
            for key_id, (_, _, one) in self._judged.items()
            if one.due is not None and one.due <= today
        ][:limit]
        for key_id in due:
            _, key, one = self._judged[key_id]
            self._judged[key_id] = ("", key, one._replace(due=None))
        return len(due)

    async def count_judged_otherwise(self, stamp: str) -> int:
        return len(self._otherwise(stamp))

    async def keep_judgements(
        self,
        judgements: Sequence[Judgement],
        *,
        stamp: str,
        edition: int,
        today: date,
        lease: Lease | None = None,
    ) -> int:
        del today, lease
        same = [one for one in judgements if self._kept_of(one.key_id) == one.kept]
        for one in same:
            self._judged[one.key_id] = (stamp, self._fleet_keys[one.key_id], one)
            self.append_facts(
                [
                    NewFact(
                        "fleet.key-exposed" if hit.exposed is Exposed.YES else "fleet.key-affected",
                        one.key_id,
                        {
                            "advisory": name,
                            "edition": edition,
                            "affected": hit.affected.value,
                            "exposed": hit.exposed.value,
                        },
                    )
                    for name, hit in sorted(one.became.items())
                ]
            )
        return len(same)
