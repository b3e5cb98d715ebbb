"""What probers found, in memory, for the store that keeps every port there."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.facts import NewFact
from server.leases import Lease
from server.probing.absorb import Known, absorb, entries
from server.probing.finding import Finding, Outcome
from server.probing.minutes import Count, Probes, add_up, minute_of, taint_of
from server.probing.ports import ProberDetails

if TYPE_CHECKING:
    from server.ledger.entry import NewEntry

_MINUTE_US = 60_000_000


class MemoryProbes:
    """ProbeBook on lists. told: what the ledger would have been."""

    def __init__(self) -> None:
        super().__init__()
        self._probers: dict[str, ProberDetails] = {}
        self._found: list[tuple[str, Finding]] = []
        self._probe_minutes: dict[int, Probes] = {}
        self.told: list[NewEntry] = []

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    async def add_findings(self, name: str, findings: Sequence[Finding]) -> int:
        now_us = await self.store_time_us()
        before = self._probers.get(name, ProberDetails(name, Known(), 0, 0))
        done = absorb(name, before.known, findings, now_us)
        self._probers[name] = ProberDetails(name, done.known, before.missing + done.missing, now_us)
        self._found += [(name, one) for one in done.new]
        counted = self._count_again(name, done.new)
        self.append_facts(done.facts)
        self.told += entries(name, done.new, counted, now_us)
        return done.known.number

    async def list_probers(self) -> Sequence[ProberDetails]:
        return [details for _, details in sorted(self._probers.items())]

    async def prune_findings(self, before_us: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        before = before_us // _MINUTE_US
        kept = [one for one in self._found if one[1].until_us // _MINUTE_US >= before]
        rounds = [one for one in self._found if one[1].outcome is not Outcome.UNKNOWN]
        pruned = sum(minute_of(finding) < before for _, finding in rounds)
        self._found = kept
        return pruned

    def _count_again(self, name: str, new: Sequence[Finding]) -> dict[int, tuple[int, int]]:
        minutes = {minute_of(one) for one in new if one.outcome in {Outcome.GOOD, Outcome.BAD}}
        spoilt = [taint for one in new if (taint := taint_of(name, one)) is not None]
        for taint in spoilt:
            minutes |= {
                minute_of(one)
                for prober, one in self._found
                if prober == name
                and one.outcome is not Outcome.UNKNOWN
                and taint.first <= minute_of(one) <= taint.last
            }
        taints = [taint for who, one in self._found if (taint := taint_of(who, one))]
        rounds = Counter((who, minute_of(one), one.outcome) for who, one in self._found)
        counts = [
            Count(
                who,
                minute,
                rounds[who, minute, Outcome.GOOD],
                rounds[who, minute, Outcome.BAD],
            )
            for who, minute in {(who, minute) for who, minute, _ in rounds}
        ]
        sums = add_up(minutes, counts, taints)
        self._probe_minutes.update(sums)
        return {minute: (probes.good, probes.bad) for minute, probes in sums.items()}
