"""What is wrong with a key, or soon will be: rules as data over its facts.

A rule looks at one fact, or at every fact of a pattern, and answers found, sound or not readable.
What could not be read is told apart from what is sound: nobody is calmed by silence.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeAlias

from agent.report import KeyReport, Value
from server.fleet.claims import ALTERED, DISPUTED
from server.fleet.holders import LOST_SEEN, SHARED


class Level(enum.StrEnum):
    """How bad it is."""

    DANGER = "danger"
    """Somebody who finds or borrows the key can use it, or its holder is about to be locked out."""
    WARNING = "warning"
    NOTICE = "notice"


Holds: TypeAlias = Callable[[Value, date], bool | None]


class Rule(NamedTuple):
    """A rule. facts: a name, or a pattern with *; holds: whether a value (on a day) is a fault.

    None: the value is of a kind that says nothing.

    applies_to: a fact that must be true or there before the rule says anything, "" for all keys.
    """

    name: str
    level: Level
    title: str
    facts: str
    holds: Holds
    applies_to: str = ""


class Fault(NamedTuple):
    """A rule that found something. fact: where; value: what is there."""

    rule: Rule
    fact: str
    value: Value


class Health(NamedTuple):
    """The verdict of all rules on a key. unreadable: rules whose fact could not be read."""

    faults: tuple[Fault, ...]
    unreadable: tuple[Rule, ...]

    @property
    def worst(self) -> Level | None:
        """Return the worst level that was found."""
        found = {fault.rule.level for fault in self.faults}
        return next((level for level in Level if level in found), None)


def _is(expected: Value) -> Holds:
    return lambda value, _today: value == expected if type(value) is type(expected) else None


def at_most(limit: int) -> Holds:
    """Return whether a number is not more than `limit`."""
    return lambda value, _today: value <= limit if type(value) is int else None


@dataclass(frozen=True)
class Ends:
    """Whether a day is from `first` (None: ever) to `last` days after today."""

    first: int | None
    last: int

    def __call__(self, value: Value, today: date) -> bool | None:
        """Tell it of a day as text; None when it is none."""
        left = _days_left(value, today)
        if left is None:
            return None
        return (self.first is None or self.first <= left) and left <= self.last

    def turns(self, value: Value, today: date) -> date | None:
        """Return the first day after today on which the answer may be another one."""
        left = _days_left(value, today)
        if left is None:
            return None
        # It begins with `last` days left, and ends with fewer than `first`.
        after = (self.last,) if self.first is None else (self.last, self.first - 1)
        days = [left - limit for limit in after if limit < left]
        return today + timedelta(min(days)) if days else None


def _days_left(value: Value, today: date) -> int | None:
    try:
        return (date.fromisoformat(value) - today).days if isinstance(value, str) else None
    except ValueError:
        return None


def ends(first: int | None, last: int) -> Ends:
    """Return whether a day is from `first` (None: ever) to `last` days after today."""
    return Ends(first, last)


RULES: Sequence[Rule] = (
    Rule(
        "piv-pin-default",
        Level.DANGER,
        "The PIV PIN is the one that every key comes with",
        "piv.pin.default",
        _is(True),
    ),
    Rule(
        "piv-puk-default",
        Level.DANGER,
        "The PIV PUK is the one that every key comes with",
        "piv.puk.default",
        _is(True),
    ),
    Rule(
        "piv-management-key-default",
        Level.WARNING,
        "The PIV management key is the one that every key comes with",
        "piv.management_key.default",
        _is(True),
    ),
    Rule(
        "piv-pin-tries",
        Level.DANGER,
        "The PIV PIN has one try left, or none",
        "piv.pin.tries",
        at_most(1),
    ),
    Rule(
        "piv-puk-tries",
        Level.WARNING,
        "The PIV PUK has one try left, or none",
        "piv.puk.tries",
        at_most(1),
    ),
    Rule(
        "certificate-ended",
        Level.DANGER,
        "A certificate has ended",
        "piv.certificate.*.expires",
        ends(None, -1),
    ),
    Rule(
        "certificate-ends",
        Level.WARNING,
        "A certificate ends within 30 days",
        "piv.certificate.*.expires",
        ends(0, 30),
    ),
    Rule(
        "weak-rsa-key",
        Level.DANGER,
        "A certificate is for an RSA key that can be computed from it (ROCA)",
        "piv.certificate.*.roca",
        _is(True),
    ),
    Rule(
        "fido-pin-not-set",
        Level.WARNING,
        "No FIDO PIN is set",
        "fido.pin_set",
        _is(False),
    ),
    Rule(
        "fido-pin-tries",
        Level.DANGER,
        "The FIDO PIN has one try left, or none",
        "fido.pin_tries",
        at_most(1),
        applies_to="fido.pin_set",
    ),
    Rule(
        "fido-pin-must-change",
        Level.NOTICE,
        "The FIDO PIN must be changed before the key can be used",
        "fido.force_pin_change",
        _is(True),
    ),
    Rule(
        "openpgp-pin-tries",
        Level.WARNING,
        "The OpenPGP PIN has one try left, or none",
        "openpgp.pin.tries",
        at_most(1),
    ),
    Rule(
        "openpgp-admin-pin-tries",
        Level.WARNING,
        "The OpenPGP admin PIN has one try left, or none",
        "openpgp.admin_pin.tries",
        at_most(1),
    ),
    Rule(
        "openpgp-terminated",
        Level.NOTICE,
        "The OpenPGP application was shut down for good",
        "openpgp.terminated",
        _is(True),
    ),
    Rule(
        "secure-channel-default",
        Level.NOTICE,
        "The keys of the secure channel are the ones that every key comes with",
        "scp.default_keys",
        _is(True),
    ),
    Rule(
        "disputed",
        Level.WARNING,
        "Hosts contradict each other, or themselves, about what no key can change",
        DISPUTED,
        lambda value, _today: bool(value),
    ),
    Rule(
        "shared",
        Level.WARNING,
        "Hosts of several persons saw the key",
        SHARED,
        lambda value, _today: bool(value),
    ),
    Rule(
        "lost-key-seen",
        Level.DANGER,
        "A host saw the key after it was called lost",
        LOST_SEEN,
        lambda value, _today: bool(value),
    ),
    Rule(
        "altered",
        Level.WARNING,
        "A host contradicts what this key proved of itself",
        ALTERED,
        lambda value, _today: bool(value),
    ),
)
"""What ships. Names are for good: people search by them."""


class Judging(NamedTuple):
    """How keys are judged. stamp: names the rules and advisories, "" for those of nobody's own.

    next_turn: on which day after this one the same facts may be judged otherwise, None: never.
    """

    stamp: str
    judge: Callable[[KeyReport, date], Health]
    next_turn: Callable[[KeyReport, date], date | None]


_CAPABILITIES = {"piv": "piv", "fido": "fido2", "openpgp": "openpgp"}
"""Groups of facts that rules look at, and the application that a key needs to have them."""


def judge_health(key: KeyReport, today: date, rules: Iterable[Rule] = RULES) -> Health:
    """Return what rules find on a key."""
    faults: list[Fault] = []
    unreadable: list[Rule] = []
    silent = frozenset(group for group in _CAPABILITIES if _says_nothing_of(key, group))
    for rule in rules:
        applies = key.facts.get(rule.applies_to) if rule.applies_to else True
        if applies is False:
            continue  # but where it is not known whether the rule applies, neither is the verdict
        looked_at = _matching(key, rule.facts) if applies else ()
        verdicts = [(name, value, rule.holds(value, today)) for name, value in looked_at]
        found = [Fault(rule, name, value) for name, value, holds in verdicts if holds]
        faults.extend(found)
        group = rule.facts.partition(".")[0]
        unclear = any(holds is None for _name, _value, holds in verdicts)
        if unclear or group in silent or _could_not_be_read(key, rule.facts, bool(verdicts)):
            unreadable.append(rule)
    return Health(tuple(faults), tuple(unreadable))


def next_turn(key: KeyReport, today: date, rules: Iterable[Rule] = RULES) -> date | None:
    """Return the first day after today on which rules may find something else on the same facts.

    Rules that look at the day are made with `Ends`; what other rules find changes with facts alone.
    """
    turns = (
        rule.holds.turns(value, today)
        for rule in rules
        if isinstance(rule.holds, Ends)
        for _name, value in _matching(key, rule.facts)
    )
    return min((day for day in turns if day is not None), default=None)


JUDGING = Judging("", judge_health, next_turn)
"""By what ships. A key that is judged so is judged anew by who knows the organisation's rules."""


def _matching(key: KeyReport, pattern: str) -> Iterable[tuple[str, Value]]:
    facts = key.facts
    if "*" not in pattern:
        return [(pattern, facts[pattern])] if pattern in facts else []
    start = pattern.partition("*")[0]
    names = sorted(name for name in facts if name.startswith(start) and fnmatchcase(name, pattern))
    return [(name, facts[name]) for name in names]


def _could_not_be_read(key: KeyReport, pattern: str, some_read: bool) -> bool:  # noqa: FBT001
    """Tell whether a fact is missing for another reason than that the key has no such thing.

    some_read: a fact of the pattern is there; of several, others may be missing.
    """
    start, several, _ = pattern.partition(".*")
    if not some_read and key.why_unreadable(start) not in {None, "absent"}:
        return True
    return bool(several) and any(
        why != "absent" and (name in _above(start) or name.startswith(f"{start}."))
        for name, why in key.unreadable.items()
    )


def _above(name: str) -> frozenset[str]:
    """Return a name and the groups that it is in."""
    parts = name.split(".")
    return frozenset(".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _says_nothing_of(key: KeyReport, group: str) -> bool:
    """Tell whether neither a fact nor a reason of a group is there that this key may have."""
    supported = key.facts.get("device.usb.supported")
    if isinstance(supported, tuple) and _CAPABILITIES[group] not in supported:
        return False
    said = (*key.facts, *key.unreadable)
    return not any(name == group or name.startswith(f"{group}.") for name in said)
