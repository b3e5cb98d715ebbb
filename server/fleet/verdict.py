"""What a key is found by besides its name: health, and the lines that it can belong to. Pure."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from server.fleet.absorbing import KnownKey, as_report
from server.fleet.health import RULES, Level, Rule, judge_health, next_turn
from server.fleet.observed import key_facts
from server.fleet.product_lines import lines_of

SEVERAL = "|"


class Verdict(NamedTuple):
    """What was found on a day.

    worst: the worst level; rules: those that found something, in order; due: the first day on
    which that may be otherwise, None for never; line: the products that it can be, in order, with
    `SEVERAL` between them.
    """

    worst: Level | None
    rules: tuple[str, ...]
    due: date | None
    line: str


def verdict_on(key: KnownKey, today: date, rules: Iterable[Rule] = RULES) -> Verdict:
    """Return what is found of a key today."""
    report, rules = as_report(key), tuple(rules)
    health = judge_health(report, today, rules)
    return Verdict(
        health.worst,
        tuple(sorted({fault.rule.name for fault in health.faults})),
        next_turn(report, today, rules),
        SEVERAL.join(sorted(lines_of(key_facts(report)))),
    )
