"""A logger that keeps its lines for a test to read."""

from typing import NamedTuple


class Line(NamedTuple):
    level: str
    event: str
    fields: dict[str, object]


class LogLines:
    """`server.otp.notices.Log`, kept in a list."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(Line("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(Line("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(Line("error", event, fields))

    def at(self, level: str) -> list[str]:
        """Return the events of one level, in order."""
        return [line.event for line in self.lines if line.level == level]
