"""The lines that a key can belong to, as one word that keys are counted by. Pure."""

from server.fleet.absorbing import KnownKey, as_report
from server.fleet.observed import key_facts
from server.fleet.product_lines import YUBIKEYS, lines_of

_OR = "|"


def line_word(key: KnownKey) -> str:
    """Return the lines that a key can belong to, in order; "" when nothing tells."""
    lines = lines_of(key_facts(as_report(key)))
    return "" if lines == YUBIKEYS else _OR.join(sorted(lines))


def lines_in(word: str) -> tuple[str, ...]:
    """Return the lines that a word names."""
    return tuple(word.split(_OR)) if word else ()
