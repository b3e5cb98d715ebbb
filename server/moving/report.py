"""What an import would do, and what is wrong with its files: by file and line."""

import enum
from collections import Counter
from collections.abc import Mapping, Sequence

from server.moving.ports import Fault, File

MAX_LISTED = 100
"""Faults that are told one by one; the rest is counted."""


class Change(enum.StrEnum):
    """What becomes of a line. KEPT: counters of a key that nobody has, kept until it comes."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"


class Report:
    """Counts per file and change, and the faults. Filled while the files are read."""

    def __init__(self) -> None:
        self.counts: dict[File, Counter[Change]] = {}
        self.faults: list[Fault] = []
        self.fault_count = 0

    def count(self, file: File, change: Change, number: int = 1) -> None:
        """Count lines."""
        self.counts.setdefault(file, Counter())[change] += number

    def blame(self, file: File, line: int, said: str) -> None:
        """Note a fault; beyond MAX_LISTED it is only counted."""
        self.fault_count += 1
        if len(self.faults) < MAX_LISTED:
            self.faults.append(Fault(file, line, said))

    def take_over(self, faults: Sequence[Fault], count: int) -> None:
        """Add what somebody else found."""
        self.faults += faults
        self.fault_count += count

    def as_json(self) -> Mapping[str, object]:
        """Return it for the admin API; faults by file and line."""
        return {
            "files": {
                file.value: {
                    change.value: found[change]
                    for change in Change
                    if change is not Change.KEPT or file is File.COUNTERS
                }
                for file, found in self.counts.items()
            },
            "errors": [
                {"file": fault.file.value, "line": fault.line, "error": fault.said}
                for fault in sorted(self.faults)[:MAX_LISTED]
            ],
            "errors_total": self.fault_count,
        }
