"""Reads keys in a thread of its own: a reader that hangs holds up nobody else."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from agent.fido_reading import read_device
from agent.findings import Findings, Reason
from agent.ports import Cards, FidoDevices
from agent.probing import nothing_but, read_key
from agent.shown import shown
from agent.slots import path_of, reader_of

_LOG = logging.getLogger("keystead-agent")

_MOST_LEFT = 3
"""Threads that readers hold up: a driver that hangs each time takes no more than these."""


class Prober:
    """finished: told a slot's name, its number of changes and what was found, in this thread."""

    def __init__(
        self,
        cards: Cards,
        devices: FidoDevices,
        finished: Callable[[str, int, Findings], None],
    ) -> None:
        self._cards = cards
        self._devices = devices
        self._finished = finished
        self._left: list[threading.Thread] = []
        self._begin()

    def _begin(self) -> None:
        self._wanted: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, args=(self._wanted,), name="prober", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def start_anew(self) -> None:
        """Leave the thread behind that a reader holds up, and go on with another.

        It ends by itself, with what it was about to read, when the reader lets it.
        """
        self._wanted.put(None)
        self._left = [*self._still_left(), self._thread]
        self._begin()
        self.start()

    def has_room(self) -> bool:
        """Return whether another key may be read, though readers hold threads up."""
        self._left = self._still_left()
        return len(self._left) < _MOST_LEFT

    def _still_left(self) -> list[threading.Thread]:
        return [thread for thread in self._left if thread.is_alive()]

    def stop(self, patience_s: float) -> None:
        """End after what is being read, which is let go of properly if it takes no longer."""
        self._wanted.put(None)
        self._thread.join(patience_s)

    def read(self, name: str, changes: int) -> None:
        """Have a slot read."""
        self._wanted.put((name, changes))

    def _run(self, wanted: "queue.SimpleQueue[tuple[str, int] | None]") -> None:
        while (one := wanted.get()) is not None:
            name, changes = one
            try:
                findings = read_slot(self._cards, self._devices, name)
            # A key or a driver that does what none may has found a fault of ours: one key that is
            # not readable, and not the end of looking at all others.
            except Exception as error:  # noqa: BLE001
                _LOG.error("reading %s failed: %s", shown(name), type(error).__name__)
                findings = nothing_but(Reason.FAILED)
            self._finished(name, changes, findings)


def read_slot(cards: Cards, devices: FidoDevices, name: str) -> Findings:
    """Read what is in a slot, now."""
    reader = reader_of(name)
    if reader is None:
        return read_device(devices, path_of(name))
    return read_key(cards, reader, time.monotonic)
