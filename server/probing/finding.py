"""What a prober found out, one thing with one number; its JSON form, read and written here."""

import enum
from collections.abc import Mapping
from typing import NamedTuple, Self

MAX_WHY = 120
MAX_SPAN_US = 400 * 86_400 * 1_000_000
"""Nobody was silent for longer, who is still the same prober."""

LATEST_US = 32_503_680_000 * 1_000_000  # the year 3000
_NUMBERS = 1 << 62


class Outcome(enum.StrEnum):
    """What a round says about the service."""

    GOOD = "good"
    BAD = "bad"
    EXCLUDED = "excluded"
    """The prober was over a limit: that says nothing."""
    UNKNOWN = "unknown"
    """No round: from `at_us` to `until_us` nothing is known, and never will be."""


class FindingError(ValueError):
    """A text is no finding."""


class Finding(NamedTuple):
    """One round, or a time of which nothing is known.

    number: counts from 1 in a spool's life; at_us, until_us: microseconds since the epoch, by the
    prober's clock, from the first request to the last answer; why: in words, "" for good.
    """

    number: int
    outcome: Outcome
    at_us: int
    until_us: int
    why: str = ""

    def to_json(self) -> dict[str, object]:
        """Return what JSON holds; `from_json` is the inverse."""
        return {**self._asdict(), "outcome": self.outcome.value}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Self:
        """Read a finding; FindingError for anything else, leftovers included."""
        if set(value) != set(cls._fields):
            raise FindingError(f"a finding has {', '.join(cls._fields)}, and nothing else")
        number, at_us, until_us = value["number"], value["at_us"], value["until_us"]
        outcome, why = value["outcome"], value["why"]
        # bool is an int to Python, and never one of these.
        if type(number) is not int or not 1 <= number < _NUMBERS:
            raise FindingError("a finding's number counts from 1")
        if type(at_us) is not int or type(until_us) is not int:
            raise FindingError("a finding's times are whole microseconds")
        if not 0 <= at_us <= until_us < LATEST_US or until_us - at_us > MAX_SPAN_US:
            raise FindingError("a finding begins before it ends, within 400 days")
        if not isinstance(why, str) or len(why) > MAX_WHY or not why.isprintable():
            raise FindingError(f"a finding's reason is a line of at most {MAX_WHY} characters")
        try:
            known = Outcome(str(outcome))
        except ValueError:
            raise FindingError(f"a finding is one of {', '.join(Outcome)}") from None
        return cls(number, known, at_us, until_us, why)
