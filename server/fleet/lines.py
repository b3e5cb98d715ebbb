"""The lines that a key can belong to, as one word that keys are counted by. Pure."""

from agent.report import KeyReport
from server.fleet.observed import key_facts
from server.fleet.product_lines import YUBIKEYS, lines_of

_OR = "|"
_TOLD_BY = "device."
"""How facts begin that tell a line; what a key holds does not."""


def line_word(key: KeyReport) -> str:
    """Return the lines that a key can belong to, in order; "" when nothing tells."""
    told = {name: value for name, value in key.facts.items() if name.startswith(_TOLD_BY)}
    lines = lines_of(key_facts(key._replace(facts=told)))
    return "" if lines == YUBIKEYS else _OR.join(sorted(lines))


def lines_in(word: str) -> tuple[str, ...]:
    """Return the lines that a word names."""
    return tuple(word.split(_OR)) if word else ()
