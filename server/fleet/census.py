"""What only whole facts tell of a fleet, key by key: whom advisories hit, and trust. Pure.

A store's indexes know neither. Many keys are alike: one verdict is found for all of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.fleet.absorbing import KnownKey, as_report
from server.fleet.advisory import Advisory
from server.fleet.exposure import Affected, Exposed, judge
from server.fleet.key_facts import KeyFacts
from server.fleet.observed import key_facts
from server.fleet.trust import Trust

_ALIKE = 5_000
"""Kinds of keys whose verdicts are remembered."""


class Struck(NamedTuple):
    """How many keys an advisory is about. exposed: of the affected; unknown: nobody can say."""

    affected: int = 0
    exposed: int = 0
    unknown: int = 0


class Census(NamedTuple):
    """What was counted. struck: by advisory; trust: by what stands behind a key's firmware."""

    keys: int
    struck: Mapping[str, Struck]
    trust: Mapping[Trust, int]


class CensusCount:
    """Counts keys as they come."""

    def __init__(self, advisories: Sequence[Advisory]) -> None:
        self.keys = 0
        self._advisories = advisories
        self._trust: Counter[Trust] = Counter()
        self._affected: Counter[str] = Counter()
        self._exposed: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._verdicts: dict[KeyFacts, _Verdicts] = {}

    def add(self, key: KnownKey) -> None:
        """Count one key."""
        facts = key_facts(as_report(key))
        verdicts = self._verdicts.get(facts)
        if verdicts is None:
            verdicts = _verdicts(facts, self._advisories)
            if len(self._verdicts) < _ALIKE:
                self._verdicts[facts] = verdicts
        self.keys += 1
        if (firmware := key.facts.get("device.firmware")) is not None:
            self._trust[firmware.trust] += 1
        self._affected.update(verdicts.affected)
        self._exposed.update(verdicts.exposed)
        self._unknown.update(verdicts.unknown)

    def census(self) -> Census:
        """Return what was counted."""
        struck = {
            name: Struck(self._affected[name], self._exposed[name], self._unknown[name])
            for name in (one.advisory_id for one in self._advisories)
        }
        return Census(self.keys, struck, dict(self._trust))


class _Verdicts(NamedTuple):
    affected: tuple[str, ...]
    exposed: tuple[str, ...]
    unknown: tuple[str, ...]


def _verdicts(facts: KeyFacts, advisories: Sequence[Advisory]) -> _Verdicts:
    found = [judge(advisory, facts) for advisory in advisories]
    return _Verdicts(
        tuple(one.advisory_id for one in found if one.affected is Affected.YES),
        tuple(one.advisory_id for one in found if one.exposed is Exposed.YES),
        tuple(one.advisory_id for one in found if one.affected is Affected.UNKNOWN),
    )
