"""What a rule of an organisation's own can say of a fact: a closed list, nothing is computed."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

from agent.report import Value
from server.fleet.fact_names import Kind
from server.fleet.firmware import Version, VersionError
from server.fleet.health import Holds, at_most, ends

MAX_DAYS = 3_650
_MAX_TEXT = 128
_MAX_NUMBER = 2**53 - 1
_MAX_LISTED = 32


class OperandError(ValueError):
    """A value does not go with the operator; the message says what does."""


class Operator(NamedTuple):
    """kinds: of facts that it goes with; takes: what has to be written beside it, in words."""

    kinds: frozenset[Kind]
    takes: str
    compare: Callable[[object, Kind], Holds]


def _is(operand: object, kind: Kind) -> Holds:
    wanted = _scalar(operand, kind)
    return lambda value, _today: value == wanted if type(value) is type(wanted) else None


def _is_not(operand: object, kind: Kind) -> Holds:
    return _negated(_is(operand, kind))


def _negated(compare: Holds) -> Holds:
    def negated(value: Value, today: date) -> bool | None:
        holds = compare(value, today)
        return None if holds is None else not holds

    return negated


def _at_most(operand: object, _kind: Kind) -> Holds:
    limit = number(operand, 0, _MAX_NUMBER)
    return at_most(limit)


def _at_least(operand: object, _kind: Kind) -> Holds:
    limit = number(operand, 0, _MAX_NUMBER)
    return lambda value, _today: value >= limit if type(value) is int else None


def _contains(operand: object, _kind: Kind) -> Holds:
    word = text(operand)
    return lambda value, _today: word in value if isinstance(value, tuple) else None


def _lacks(operand: object, kind: Kind) -> Holds:
    return _negated(_contains(operand, kind))


def _one_of(operand: object, _kind: Kind) -> Holds:
    if not isinstance(operand, list) or not 0 < len(operand) <= _MAX_LISTED:
        raise OperandError(f"a list of 1 to {_MAX_LISTED} texts")
    texts = frozenset(text(one) for one in operand)
    return lambda value, _today: value in texts if isinstance(value, str) else None


def _none_of(operand: object, kind: Kind) -> Holds:
    return _negated(_one_of(operand, kind))


def _older_than(operand: object, _kind: Kind) -> Holds:
    try:
        limit = Version.parse(text(operand))
    except VersionError:
        raise OperandError('a version in quotes, such as "5.7.0"') from None

    def older(value: Value, _today: date) -> bool | None:
        try:
            return Version.parse(value) < limit if isinstance(value, str) else None
        except VersionError:
            return None

    return older


def _ends_within(operand: object, _kind: Kind) -> Holds:
    days = number(operand, 0, MAX_DAYS)
    return ends(None, days)


OPERATORS: Mapping[str, Operator] = {
    "is": Operator(
        frozenset({Kind.TRUTH, Kind.NUMBER, Kind.TEXT}), "a value of the fact's kind", _is
    ),
    "is-not": Operator(frozenset({Kind.NUMBER, Kind.TEXT}), "a value of the fact's kind", _is_not),
    "at-most": Operator(frozenset({Kind.NUMBER}), "a whole number", _at_most),
    "at-least": Operator(frozenset({Kind.NUMBER}), "a whole number", _at_least),
    "contains": Operator(frozenset({Kind.WORDS}), "a word", _contains),
    "lacks": Operator(frozenset({Kind.WORDS}), "a word", _lacks),
    "one-of": Operator(frozenset({Kind.TEXT}), "a list of texts", _one_of),
    "none-of": Operator(frozenset({Kind.TEXT}), "a list of texts", _none_of),
    "older-than": Operator(frozenset({Kind.VERSION}), 'a version, such as "5.7.0"', _older_than),
    "ends-within": Operator(frozenset({Kind.DAY}), "a number of days", _ends_within),
}
"""Every operator that a rule may name. A rule finds a fault where it holds."""


def number(operand: object, least: int, most: int) -> int:
    """Return a whole number within limits; OperandError."""
    if type(operand) is not int or not least <= operand <= most:
        raise OperandError(f"a whole number from {least:,} to {most:,}")
    return operand


def text(operand: object, most: int = _MAX_TEXT) -> str:
    """Return one line of text; OperandError."""
    if not isinstance(operand, str) or not 0 < len(operand) <= most or not operand.isprintable():
        raise OperandError(f"one line of 1 to {most} characters, in quotes")
    return operand


def _scalar(operand: object, kind: Kind) -> Value:
    if kind is Kind.TRUTH:
        if not isinstance(operand, bool):
            raise OperandError("true or false, without quotes")
        return operand
    return number(operand, 0, _MAX_NUMBER) if kind is Kind.NUMBER else text(operand)
