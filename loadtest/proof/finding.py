"""What a property found, and what all properties have in common."""

from typing import NamedTuple, Protocol

from loadtest.records import Record

SHOWN = 20
"""Findings that are told in full; the others are counted."""


class Result(NamedTuple):
    """What became of one property.

    name: P1 to P5, or a word; promise: in a sentence; checked: how many observations could have
    contradicted it; violations: how many did; unproven: what could not be shown either way;
    examples: the first violations; note: what limits the proof. Nothing in it is secret.
    """

    name: str
    promise: str
    checked: int
    violations: int
    unproven: int
    examples: tuple[str, ...]
    note: str

    @property
    def held(self) -> bool:
        """Whether everything was shown that could be, and nothing contradicted it."""
        return not self.violations and not self.unproven


class Property(Protocol):
    """Watches a run from its first request to its last answer, in order of time."""

    def sent(self, record: Record) -> None:
        """Learn that a request is under way. Its answer counts only if it can have an effect."""

    def answered(self, record: Record) -> None:
        """Learn that its answer is there."""

    def result(self) -> Result:
        """Say what became of the property."""


class Findings:
    """Counts violations and keeps the first few."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, what: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.examples) < SHOWN:
            self.examples.append(what)


def named(record: Record) -> str:
    """Return which OTP and request is meant, for people: counters are no secret."""
    counters = "" if record.counters is None else f" {record.counters[0]}.{record.counters[1]}"
    return (
        f"{record.behaviour} OTP{counters} of key {record.key or '(none)'}"
        f" at client {record.client_id}, sent at {record.sent_us} us: {record.status}"
    )
