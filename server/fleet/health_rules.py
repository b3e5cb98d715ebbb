"""An organisation's own rules of health: thresholds, rules that are off, and simple new ones.

Data and never code: a rule of one's own compares one fact with one value by an operator of a closed
list. Everything is read strictly, and every fault in it is told at once, with its place.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from server.fleet.fact_names import kind_of, resembling
from server.fleet.health import RULES, Holds, Level, Rule, at_most, ends
from server.fleet.host_software import NOT_CURRENT
from server.fleet.lifecycle import Stage
from server.fleet.operators import MAX_DAYS, OPERATORS, OperandError, number, text
from server.journal.canonical import canonical

MAX_OWN = 100
OWN_PREFIX = "own-"
"""What the names of an organisation's own rules begin with, so that none of ours is ever one."""

PIN_LENGTH = "fido-pin-length"
MAX_WORDS = 120
_MAX_TRIES = 20
_MAX_PIN = 63
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_TRIES = "-tries"
_LEFT = {0: "no try left", 1: "one try left, or none"}
_CERTIFICATE_ENDS = "certificate-ends"

TUNABLE = frozenset({rule.name for rule in RULES} | set(Stage) | {NOT_CURRENT, PIN_LENGTH})
"""The rules that a file can switch off, or give another level."""

Path = tuple[str, ...]


class RuleProblem(NamedTuple):
    """Something wrong in a file. path: the names of the tables around it, and its own."""

    path: Path
    said: str


class RulesError(Exception):
    """The file of rules cannot be used."""

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        super().__init__("; ".join(f"{'.'.join(one.path)}: {one.said}" for one in problems))
        self.problems = tuple(problems)


class Thresholds(NamedTuple):
    """Where rules begin to find something; None: where they do as they ship.

    tries: left of a PIN or PUK; certificate_days: until a certificate ends; min_fido_pin_length:
    keys that take shorter PINs (no rule without it).
    """

    tries: int | None = None
    certificate_days: int | None = None
    min_fido_pin_length: int | None = None


class Tuned(NamedTuple):
    """A rule that ships, as the organisation wants it. level: None for the one that it has."""

    enabled: bool = True
    level: Level | None = None


class OwnRule(NamedTuple):
    """A rule of the organisation's own. operand: what the operator compares the fact with."""

    name: str
    title: str
    level: Level
    fact: str
    operator: str
    operand: Any
    when: str

    def rule(self) -> Rule:
        """Return the rule that judges."""
        holds = _holds(self)
        return Rule(self.name, self.level, self.title, self.fact, holds, self.when)


class HealthRules(NamedTuple):
    """What a file says. digest: of all of it, "" for no file."""

    thresholds: Thresholds = Thresholds()
    tuned: Mapping[str, Tuned] = {}
    own: tuple[OwnRule, ...] = ()
    digest: str = ""

    def apply(self, rules: Iterable[Rule] = RULES) -> tuple[Rule, ...]:
        """Return the rules that keys are judged by."""
        shipped = [self._with_threshold(rule) for rule in rules]
        length = self.thresholds.min_fido_pin_length
        if length is not None:
            shipped.append(
                Rule(
                    PIN_LENGTH,
                    Level.WARNING,
                    f"The key takes FIDO PINs of fewer than {length} characters",
                    "fido.min_pin_length",
                    at_most(length - 1),
                    applies_to="fido.pin_set",
                )
            )
        found = []
        for rule in shipped:
            level = self.level_of(rule.name, rule.level)
            if level is not None:
                found.append(rule._replace(level=level))
        return (*found, *(own.rule() for own in self.own))

    def level_of(self, name: str, level: Level) -> Level | None:
        """Return the level that a rule has here; None: it is switched off."""
        tuned = self.tuned.get(name, Tuned())
        return (tuned.level or level) if tuned.enabled else None

    def _with_threshold(self, rule: Rule) -> Rule:
        tries, days = self.thresholds.tries, self.thresholds.certificate_days
        if tries is not None and rule.name.endswith(_TRIES):
            whose = rule.title.partition(" has ")[0]
            left = _LEFT.get(tries, f"{tries} tries left, or fewer")
            return rule._replace(title=f"{whose} has {left}", holds=at_most(tries))
        if days is not None and rule.name == _CERTIFICATE_ENDS:
            return rule._replace(
                title=f"A certificate ends within {days} days", holds=ends(0, days)
            )
        return rule


def read_rules(values: Mapping[str, Any]) -> HealthRules:
    """Read what a file of TOML or JSON holds. RulesError with every fault in it."""
    return _Reading().read(values)


def _holds(own: OwnRule) -> Holds:
    kind = kind_of(own.fact)
    if kind is None:
        raise RulesError([RuleProblem((own.name, "fact"), f"no agent reports {own.fact}")])
    return OPERATORS[own.operator].compare(own.operand, kind)


class _Reading:
    """One file being read; faults gather."""

    def __init__(self) -> None:
        self._problems: list[RuleProblem] = []

    def read(self, values: Mapping[str, Any]) -> HealthRules:
        self._known((), values, ("thresholds", "rules", "own"))
        thresholds = self._thresholds(self._table((), values, "thresholds"))
        rules = self._table((), values, "rules")
        tuned = {name: self._tuned(name, rules) for name in rules}
        named = self._table((), values, "own")
        if len(named) > MAX_OWN:
            self._say(("own",), f"has {len(named)} rules, and {MAX_OWN} are the most")
        own = [self._own(name, named) for name in named]
        if self._problems:
            raise RulesError(self._problems)
        digest = hashlib.sha256(canonical(dict(values))).hexdigest()
        return HealthRules(thresholds, tuned, tuple(one for one in own if one), digest)

    def _say(self, path: Path, said: str) -> None:
        self._problems.append(RuleProblem(path, said))

    def _known(self, path: Path, table: Mapping[str, Any], names: Sequence[str]) -> None:
        for name in table:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(names)}"
                self._say((*path, name), f"there is no such setting. {hint}")

    def _table(self, path: Path, table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = table.get(name, {})
        if isinstance(found, dict):
            return found
        self._say((*path, name), "is a table: write its name in brackets, and its keys below it")
        return {}

    def _number(
        self, path: Path, table: Mapping[str, Any], name: str, least: int, most: int
    ) -> int | None:
        if name not in table:
            return None
        try:
            return number(table[name], least, most)
        except OperandError as error:
            self._say((*path, name), f"write {error}")
            return None

    def _thresholds(self, table: Mapping[str, Any]) -> Thresholds:
        path = ("thresholds",)
        self._known(path, table, Thresholds._fields)
        return Thresholds(
            self._number(path, table, "tries", 0, _MAX_TRIES),
            self._number(path, table, "certificate_days", 0, MAX_DAYS),
            self._number(path, table, "min_fido_pin_length", 4, _MAX_PIN),
        )

    def _tuned(self, name: str, rules: Mapping[str, Any]) -> Tuned:
        path = ("rules", name)
        if name not in TUNABLE:
            near = get_close_matches(name, sorted(TUNABLE), n=1)
            hint = f" Did you mean {near[0]}?" if near else " `keystead fleet rules` lists them"
            self._say(path, f"there is no such rule.{hint}")
        table = self._table(("rules",), rules, name)
        self._known(path, table, Tuned._fields)
        enabled = table.get("enabled", True)
        if not isinstance(enabled, bool):
            self._say((*path, "enabled"), "write true or false, without quotes")
            enabled = True
        if name == Stage.FIPS_VALIDATED and "level" in table:
            self._say((*path, "level"), "that a product is validated is no fault, and has no level")
        level = self._level(path, table) if "level" in table else None
        return Tuned(enabled, level)

    def _level(self, path: Path, table: Mapping[str, Any]) -> Level | None:
        said = table.get("level")
        if isinstance(said, str) and said in set(Level):
            return Level(said)
        self._say((*path, "level"), f"write one of {', '.join(Level)}")
        return None

    def _own(self, name: str, named: Mapping[str, Any]) -> OwnRule | None:
        path, before = ("own", name), len(self._problems)
        if _NAME.fullmatch(name) is None:
            self._say(path, "a rule's name has 1 to 40 of a-z, 0-9 and dashes between them")
        table = self._table(("own",), named, name)
        needed = ("fact", "operator", "value", "level", "words")
        self._known(path, table, (*needed, "when"))
        if lacking := [one for one in needed if one not in table]:
            self._say(path, f"lacks {', '.join(lacking)}; it needs {', '.join(needed)}")
        if len(self._problems) > before:
            return None
        level = self._level(path, table)
        fact, when = self._fact(path, table, "fact"), ""
        if "when" in table:
            when = self._fact(path, table, "when")
        operator = self._operator(path, table, fact)
        try:
            words = text(table["words"], MAX_WORDS)
        except OperandError as error:
            self._say((*path, "words"), f"write {error}")
            return None
        if level is None or len(self._problems) > before:
            return None
        named_so = OWN_PREFIX + name
        return OwnRule(named_so, words, level, fact, operator, table["value"], when)

    def _fact(self, path: Path, table: Mapping[str, Any], key: str) -> str:
        name = table[key]
        if not isinstance(name, str):
            self._say((*path, key), "write the name of a fact in quotes, as in docs/agent.md")
            return ""
        if kind_of(name) is None:
            near = resembling(name)
            hint = f" Did you mean {' or '.join(near)}?" if near else " docs/agent.md lists them"
            self._say((*path, key), f"no agent reports a fact {name[:60]!r}.{hint}")
        if key == "when" and "*" in name:
            self._say((*path, key), "names one fact; a * stands for several")
        return name

    def _operator(self, path: Path, table: Mapping[str, Any], fact: str) -> str:
        name, kind = table["operator"], kind_of(fact)
        operator = OPERATORS.get(name) if isinstance(name, str) else None
        if operator is None:
            near = get_close_matches(str(name), OPERATORS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            self._say((*path, "operator"), f"write one of {', '.join(OPERATORS)}.{hint}")
            return ""
        if kind is None:
            return ""  # which was told already
        if kind not in operator.kinds:
            fit = ", ".join(word for word, one in OPERATORS.items() if kind in one.kinds)
            self._say((*path, "operator"), f"{fact} is {kind.value}, which goes with {fit}")
            return ""
        try:
            operator.compare(table["value"], kind)
        except OperandError as error:
            self._say((*path, "value"), f"{name} takes {operator.takes}: write {error}")
        return str(name)
