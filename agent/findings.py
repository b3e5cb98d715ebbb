"""What was found out about a key, and what was not, with the reason."""

from dataclasses import dataclass, field
from enum import StrEnum

from agent.report import Value


class Reason(StrEnum):
    """Why something could not be read."""

    ABSENT = "absent"  # this key has no such application
    SWITCHED_OFF = "switched-off"  # the application is disabled
    UNSUPPORTED = "unsupported"  # this firmware does not tell
    REFUSED = "refused"  # the key answered with an error
    GARBAGE = "garbage"  # the answer is none that makes sense
    IN_USE = "in-use"  # another program holds the key
    DEADLINE = "deadline"  # the key took too long
    REMOVED = "removed"  # pulled out meanwhile
    FAILED = "reader-failed"  # the reader or its driver failed
    NOT_PERMITTED = "not-permitted"  # this user may not open the device
    NOT_HERE = "not-readable-here"  # nothing on this host gives access to it
    TOO_LONG = "too-long"  # a report has no room for what the key says


class GarbageError(ValueError):
    """An answer that no key gives."""


@dataclass
class Findings:
    """Facts by name, and reasons by a fact's name or a group's ("piv")."""

    facts: dict[str, Value] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    serial: int | None = None

    def know(self, name: str, value: Value) -> None:
        """Note a fact."""
        self.facts[name] = value
        self.unreadable.pop(name, None)

    def miss(self, name: str, reason: Reason) -> None:
        """Note that a fact, or every one of a group that is not known yet, was not readable."""
        if name not in self.facts:
            self.unreadable.setdefault(name, reason.value)

    def take(self, other: "Findings") -> None:
        """Add what another way to the same key told; what is known already stays.

        A group that one way could not read is read when the other has facts of it.
        """
        self.serial = self.serial or other.serial
        reasons = {
            **{name: why for name, why in other.unreadable.items() if not self.has_read(name)},
            **{name: why for name, why in self.unreadable.items() if not other.has_read(name)},
        }
        self.facts = {**other.facts, **self.facts}
        self.unreadable = {name: why for name, why in reasons.items() if name not in self.facts}

    def has_read(self, name: str) -> bool:
        """Return whether a group was read to its end."""
        return name not in self.unreadable and any(
            fact.startswith(f"{name}.") for fact in self.facts
        )
