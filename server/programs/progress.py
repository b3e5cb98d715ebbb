"""A progress bar on the terminal, and nothing at all where there is none."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar(Protocol):
    """Shows how far something is."""

    def begin(self, what: str, total: int) -> None:
        """Begin a step of `total` units."""
        ...

    def advance(self, by: int) -> None:
        """Count units of the step."""
        ...

    def reach(self, what: str, done: int, total: int) -> None:
        """Show that a step, perhaps a new one, has come to `done`."""
        ...


class _Silent:
    """Where nobody looks."""

    def begin(self, what: str, total: int) -> None:
        pass

    def advance(self, by: int) -> None:
        pass

    def reach(self, what: str, done: int, total: int) -> None:
        pass


class _Shown:
    """A line per step on standard error, redrawn in place."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._steps: dict[str, TaskID] = {}
        self._step: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        self._step = self._progress.add_task(what, total=total)
        self._steps[what] = self._step

    def advance(self, by: int) -> None:
        if self._step is not None:
            self._progress.advance(self._step, by)

    def reach(self, what: str, done: int, total: int) -> None:
        if what not in self._steps:
            self.begin(what, total)
        self._progress.update(self._steps[what], completed=done, total=total)


@contextmanager
def bar() -> Iterator[Bar]:
    """Yield a bar: on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console  # noqa: PLC0415 - only for people at a terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Shown(progress)
