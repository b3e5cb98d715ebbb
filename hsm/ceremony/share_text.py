"""A number as a person copies it: groups of five letters and digits, each with its own check.

Crockford's 32 symbols: no I, L, O or U; what looks like one of them is taken for it. The fifth
symbol of a group is a check over the four and the group's number: one wrong symbol, two that
changed places and a group in another's place are always found, at the group where it happened.
"""

from collections.abc import Sequence

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUP = 5
_DATA = GROUP - 1
_BITS = 5
_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})
_REDUCTION = 0b100101
"""The field of the check has 32 elements: x^5 is x^2 + 1."""


class MistypedError(ValueError):
    """A group is not what was written down. number: which one, from 1."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"group {number} {what}")
        self.number = number


def groups_of(value: int, count: int) -> list[str]:
    """Write a number of 20 bits for each group as groups."""
    found = []
    for number in range(1, count + 1):
        twenty = value >> (count - number) * _DATA * _BITS
        symbols = [twenty >> at * _BITS & 0x1F for at in range(_DATA - 1, -1, -1)]
        symbols.append(_check(number, symbols))
        found.append("".join(ALPHABET[symbol] for symbol in symbols))
    return found


def checked(number: int, typed: str) -> str:
    """Return a group as it is written, of what was typed for it; MistypedError. number: from 1."""
    letters = typed.strip().upper().translate(_ALIKE)
    if len(letters) != GROUP:
        raise MistypedError(number, f"has {len(letters)} letters, and should have {GROUP}")
    for letter in letters:
        if letter not in ALPHABET:
            raise MistypedError(number, f"has a letter that no share has: {letter!r}")
    symbols = [ALPHABET.index(letter) for letter in letters]
    if _check(number, symbols[:_DATA]) != symbols[_DATA]:
        raise MistypedError(number, "was mistyped, or is not in its place")
    return letters


def number_of(typed: Sequence[str]) -> int:
    """Read all groups; MistypedError names the first that is wrong."""
    value = 0
    for number, group in enumerate(typed, 1):
        for letter in checked(number, group)[:_DATA]:
            value = value << _BITS | ALPHABET.index(letter)
    return value


def _check(number: int, symbols: list[int]) -> int:
    """Weigh each symbol by a power of x; the number comes in by one more."""
    total = 0
    for symbol in [number % 32, *symbols]:
        total = _doubled(total ^ symbol)
    return total


def _doubled(one: int) -> int:
    doubled = one << 1
    return doubled ^ (_REDUCTION & -(doubled >> 5))
