"""In which ways a key may be able to prove itself, by what was read of it. Pure.

What a key said of itself already is not asked again, and nobody's key blinks in vain.
"""

from collections.abc import Callable, Mapping, Sequence

from agent.findings import Findings
from agent.proof_wire import CHANNEL, SIGNED

_SLOT = "piv.slot.9e"
_WANTED = {
    "origin": "generated",
    "algorithm": "ec-p256",
    "pin_policy": "never",
    "touch_policy": "never",
}


def ways_of(findings: Findings, asked: Sequence[str]) -> tuple[str, ...]:
    """Return those of the ways that are asked for which are worth a try with this key."""
    if findings.serial is None:
        return ()  # nothing could be compared with what is proved
    return tuple(word for word, may in _MAY.items() if word in asked and may(findings))


def _may_sign(findings: Findings) -> bool:
    """Tell whether slot 9E holds what signs without PIN and touch, or does not tell (before 5.3).

    Where it does not tell, its attestation does (`agent.key_signing`).
    """
    facts = findings.facts
    if any(name.startswith(f"{_SLOT}.") for name in facts):
        return all(facts.get(f"{_SLOT}.{name}") == value for name, value in _WANTED.items())
    return "piv.version" in facts and "piv.pin.default" not in facts


def _may_open_a_channel(findings: Findings) -> bool:
    return findings.facts.get("scp.scp11b") is True


_MAY: Mapping[str, Callable[[Findings], bool]] = {
    SIGNED: _may_sign,
    CHANNEL: _may_open_a_channel,
}
