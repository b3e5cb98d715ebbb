"""All that a key is judged by: the file of advisories that stands, and the organisation's rules.

Its stamp names it. Keys are kept with the stamp they were judged under, so that a new file, a new
rule or a day on which a product's life ends is seen at every key that was judged before.
"""

import enum
import hashlib
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from agent.report import KeyReport
from server.fleet.advisory_file import AdvisoryFile
from server.fleet.exposure import Affected, Exposed, judge
from server.fleet.firmware import Version, VersionError
from server.fleet.health import RULES, Fault, Health, Judging, Rule, judge_health, next_turn
from server.fleet.health_rules import HealthRules
from server.fleet.key_facts import KeyFacts
from server.fleet.lifecycle import LEVELS, Lifecycle
from server.fleet.observed import key_facts
from server.journal.canonical import canonical

_STAMP_DIGITS = 16
_FIRMWARE = "device.firmware"
_STAGE_OF_FIRMWARE = "device.firmware_stage"
"""There for previews alone, whose version says nothing."""


class Hit(NamedTuple):
    """What an advisory means for a key that is not clear of it."""

    affected: Affected
    exposed: Exposed


class Reached(enum.StrEnum):
    """Whether a stage of a product's life has been reached by a key."""

    YES = "yes"
    COMING = "coming"
    UNKNOWN = "unknown"
    """The key may be of that line and firmware, or of another."""


class LifeFact(NamedTuple):
    """A stage of its product's life that concerns a key, or may."""

    entry: Lifecycle
    reached: Reached


class Verdict(NamedTuple):
    """What is said of a key: what is wrong with it, and the stages of its product's life."""

    health: Health
    life: tuple[LifeFact, ...]


class Rulebook:
    """What judges on a day. own: the organisation's rules."""

    def __init__(self, file: AdvisoryFile, own: HealthRules, today: date) -> None:
        self._advisories = file.advisories
        self.rules = own.apply()
        self._lifecycle = file.lifecycle
        self._beginnings = {entry.firmware for entry in file.lifecycle}
        self._life_rules = {
            entry.stage.value: Rule(entry.stage.value, level, entry.text, _FIRMWARE, _found)
            for entry in file.lifecycle
            if (ships := LEVELS[entry.stage]) is not None
            and (level := own.level_of(entry.stage.value, ships)) is not None
        }
        self.stamp = _stamp(file, own, self.rules, today)

    @property
    def named(self) -> Mapping[str, Rule]:
        """Return all rules that may find something, the stages of products' lives among them."""
        return self._life_rules | {rule.name: rule for rule in self.rules}

    @property
    def judging(self) -> Judging:
        """Return it for who stores what was judged."""
        return Judging(self.stamp, self.judge, self.next_turn)

    def judge(self, key: KeyReport, today: date) -> Health:
        """Return what is wrong with a key."""
        return self.verdict(key, today).health

    def verdict(self, key: KeyReport, today: date) -> Verdict:
        """Return what is wrong with a key, and which stages of its product's life concern it."""
        health = judge_health(key, today, self.rules)
        faults, unreadable = list(health.faults), list(health.unreadable)
        life = self.life(key_facts(key), today) if self._may_concern(key) else ()
        for entry, reached in life:
            ruled = self._life_rules.get(entry.stage.value)
            if ruled is None or reached is Reached.COMING:
                continue
            rule = ruled._replace(title=entry.text)
            if reached is Reached.YES:
                faults.append(Fault(rule, _FIRMWARE, key.facts.get(_FIRMWARE, "")))
            elif rule.name not in {one.name for one in unreadable}:
                unreadable.append(rule)
        return Verdict(Health(tuple(faults), tuple(unreadable)), life)

    def next_turn(self, key: KeyReport, today: date) -> date | None:
        """Return the first day after today on which a rule may find something else, None: none.

        Stages of products' lives are not among it: on their days the rulebook is another one.
        """
        return next_turn(key, today, self.rules)

    def life(self, key: KeyFacts, today: date) -> tuple[LifeFact, ...]:
        """Return the stages of its product's life that concern a key, past ones and coming ones."""
        found = []
        for entry in self._lifecycle:
            concerned = entry.concerns_key(key)
            if concerned is False:
                continue
            reached = Reached.YES if entry.day <= today else Reached.COMING
            found.append(LifeFact(entry, reached if concerned else Reached.UNKNOWN))
        return tuple(found)

    def _may_concern(self, key: KeyReport) -> bool:
        """Tell whether a stage can concern a key: most are of another firmware, found at once."""
        try:
            firmware = Version.parse(str(key.facts.get(_FIRMWARE)))
        except VersionError:
            firmware = None
        if firmware is None or _STAGE_OF_FIRMWARE in key.facts:
            return bool(self._beginnings)
        return any(firmware[: len(one)] == one for one in self._beginnings)

    def hits(self, key: KeyReport) -> Mapping[str, Hit]:
        """Return what each advisory means for a key, but for those that it is clear of."""
        facts = key_facts(key)
        verdicts = [judge(advisory, facts) for advisory in self._advisories]
        return {
            one.advisory_id: Hit(one.affected, one.exposed)
            for one in verdicts
            if one.affected is not Affected.NO
        }


def _found(_value: object, _today: date) -> bool:
    return True


def _stamp(file: AdvisoryFile, own: HealthRules, rules: tuple[Rule, ...], today: date) -> str:
    in_force = [entry.to_json() for entry in file.lifecycle if entry.day <= today]
    said = {
        "advisories": file.digest,
        "own": own.digest,
        "rules": [
            [rule.name, rule.level.value, rule.title, rule.facts, rule.applies_to]
            for rule in (*rules, *RULES)
        ],
        "in force": in_force,
    }
    return hashlib.sha256(canonical(said)).hexdigest()[:_STAMP_DIGITS]
