"""What the service said of itself at one time: the keys' counters, and the answers counted."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

_ANSWERS = re.compile(
    r'^keystead_verify_responses_total\{status="([A-Z_]+)"\} (\S+)$', re.MULTILINE
)
_SECOND_US = 1_000_000


class Standing(NamedTuple):
    """A key in the store. counters: None before its first OTP; accepted_us: whole seconds."""

    counters: tuple[int, int] | None
    accepted_us: int | None
    client_id: int | None

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Self:
        """Read one key as `keystead key show --json` prints it; KeyError, TypeError, ValueError."""
        used = shown["session"] is not None
        accepted = shown["accepted"]
        seconds = None if accepted is None else int(datetime.fromisoformat(accepted).timestamp())
        return cls(
            (int(shown["session"]), int(shown["use"])) if used else None,
            None if seconds is None else seconds * _SECOND_US,
            shown["accepted_client"],
        )


class Snapshot(NamedTuple):
    """The store's keys, read at some moment between two (us)."""

    from_us: int
    until_us: int
    keys: Mapping[str, Standing]

    def line(self) -> str:
        """Return the snapshot as a line of JSON; the inverse of `parse`."""
        keys = {key: list(standing) for key, standing in self.keys.items()}
        return json.dumps([self.from_us, self.until_us, keys]) + "\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one line that `line` wrote."""
        from_us, until_us, keys = json.loads(line)
        standings = {
            key: Standing(counters and (counters[0], counters[1]), accepted_us, client_id)
            for key, (counters, accepted_us, client_id) in keys.items()
        }
        return cls(from_us, until_us, standings)


def read_all(path: Path) -> Sequence[Snapshot]:
    """Return the snapshots of a run in their order; none when there is no such file."""
    if not path.exists():
        return []
    return [Snapshot.parse(line) for line in path.read_text("ascii").splitlines(keepends=True)]


def answers_counted(metrics: str) -> dict[str, int]:
    """Return how many answers of each status the service's /metrics tells; {} for other text."""
    return {status: int(float(count)) for status, count in _ANSWERS.findall(metrics)}
