"""How far a device's log was followed, and one step further. Pure."""

from typing import Any, NamedTuple, Self

from hsm.audit.chain import Position, follow
from hsm.audit.entry import DIGEST_OCTETS, NUMBERS, LogRead
from hsm.audit.finding import Finding
from hsm.audit.lines import DamagedLineError, exactly, octets, whole
from hsm.audit.rules import Rules, Tally, judge

_MEMBERS = frozenset({"number", "digest", "boots", "authentications", "factory", "aeads_created"})


class Standing(NamedTuple):
    """All that the next look at the log needs to know of those before."""

    position: Position
    tally: Tally

    def to_json(self) -> dict[str, Any]:
        """Return it as it is written down; `of_json` is the inverse."""
        return {
            "number": self.position.number,
            "digest": self.position.digest.hex(),
            "boots": self.position.boots,
            "authentications": self.position.authentications,
            "factory": self.tally.factory,
            "aeads_created": self.tally.created,
        }

    @classmethod
    def of_json(cls, value: object) -> Self:
        """Read what was written down; DamagedLineError."""
        if not isinstance(value, dict):
            raise DamagedLineError("where the log was read to is not said")
        exactly(value, _MEMBERS)
        number, factory = whole(value, "number"), value["factory"]
        if number >= NUMBERS or type(factory) is not bool:
            raise DamagedLineError("where the log was read to is not said rightly")
        position = Position(
            number,
            octets(value, "digest", DIGEST_OCTETS),
            whole(value, "boots"),
            whole(value, "authentications"),
        )
        return cls(position, Tally(factory, whole(value, "aeads_created")))


class Step(NamedTuple):
    """What one read brought. after: None when the device never logged anything."""

    new: LogRead
    findings: tuple[Finding, ...]
    after: Standing | None


def step(before: Standing | None, read: LogRead, rules: Rules) -> Step:
    """Follow the log one read further, and judge what is new."""
    followed = follow(before and before.position, read)
    tally = Tally() if before is None else before.tally
    judged = judge(rules, tally, followed.new.entries)
    after = None if followed.position is None else Standing(followed.position, judged.tally)
    return Step(followed.new, followed.findings + judged.findings, after)
