"""What holds for all keys of a line and firmware from a day on: the end of a product's life, FIPS.

Facts of this kind come with the advisories, in the same signed file, and are rules of health: what
is found depends on which line a key is, so that one which may be of two is told apart as unknown.
"""

import enum
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from server.fleet.file_members import day_of, text_of
from server.fleet.firmware import Version, VersionError, parse_beginning
from server.fleet.health import Level
from server.fleet.key_facts import KeyFacts
from server.fleet.product_lines import ProductLine, lines_of
from server.journal.canonical import MalformedError, exactly, member

_MEMBERS = frozenset({"line", "firmware", "rule", "text", "day", "source"})


class Stage(enum.StrEnum):
    """What can become of a product. The values are names of rules, for good."""

    END_OF_SALE = "end-of-sale"
    END_OF_LIFE = "end-of-life"
    """Its maker does not support it any more."""
    FIPS_VALIDATED = "fips-validated"
    FIPS_HISTORICAL = "fips-historical"
    """Its certificate is on the Historical list: not for new purchases of who must have one."""
    FIPS_REVOKED = "fips-revoked"


LEVELS: Mapping[Stage, Level | None] = {
    Stage.END_OF_SALE: Level.NOTICE,
    Stage.END_OF_LIFE: Level.WARNING,
    Stage.FIPS_VALIDATED: None,
    Stage.FIPS_HISTORICAL: Level.WARNING,
    Stage.FIPS_REVOKED: Level.DANGER,
}
"""How bad each is. None: no fault, but shown."""


class Lifecycle(NamedTuple):
    """Something that holds for all keys of a line and firmware from a day on.

    firmware: the first numbers of a version, such as (5, 4) or (5, 7, 4); () for all of the line.
    """

    line: ProductLine
    firmware: tuple[int, ...]
    stage: Stage
    text: str
    day: date
    source: str

    def concerns(self, line: ProductLine, firmware: Version) -> bool:
        """Tell whether it is about keys of this line and firmware."""
        return line is self.line and tuple(firmware)[: len(self.firmware)] == self.firmware

    def concerns_key(self, key: KeyFacts) -> bool | None:
        """Tell whether it is about a key; None: what is known of it does not say."""
        lines = lines_of(key)
        if self.line not in lines:
            return False
        if self.firmware and key.firmware is None:
            return None
        version = key.firmware or Version(0, 0, 0)
        verdicts = {self.concerns(line, version) for line in lines}
        return None if len(verdicts) > 1 else verdicts.pop()

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "Lifecycle":
        """Read one from its file; MalformedError."""
        exactly(value, _MEMBERS)
        try:
            line, stage = ProductLine(value["line"]), Stage(value["rule"])
            beginning = value["firmware"]
            firmware = () if beginning is None else parse_beginning(member(value, "firmware", str))
        except (ValueError, VersionError) as error:
            raise MalformedError(f"lifecycle: {error}") from None
        day = day_of(value, "day")
        return cls(line, firmware, stage, text_of(value, "text"), day, text_of(value, "source"))

    def to_json(self) -> dict[str, Any]:
        """Return what `of_json` reads."""
        return {
            "line": self.line.value,
            "firmware": ".".join(map(str, self.firmware)) if self.firmware else None,
            "rule": self.stage.value,
            "text": self.text,
            "day": self.day.isoformat(),
            "source": self.source,
        }
