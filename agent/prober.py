"""Reads keys in a thread of its own: a reader that hangs holds up nobody else."""

import queue
import threading
import time
from collections.abc import Callable

from agent.fido_reading import read_device
from agent.findings import Findings
from agent.ports import Cards, FidoDevices
from agent.probing import read_key
from agent.slots import path_of, reader_of


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
        self._begin()
        self.start()

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
            self._finished(name, changes, read_slot(self._cards, self._devices, name))


def read_slot(cards: Cards, devices: FidoDevices, name: str) -> Findings:
    """Read what is in a slot, now."""
    reader = reader_of(name)
    if reader is None:
        return read_device(devices, path_of(name))
    return read_key(cards, reader, time.monotonic)
