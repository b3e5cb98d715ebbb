"""Sends reports in a thread of its own: a server that is slow holds up nobody else."""

import threading
from collections.abc import Callable

from agent.courier import Courier, Trip
from agent.store import StoreError

_AFTER_A_FAULT_S = 60.0


class Sender:
    """make: makes a courier in the sender's thread, for the store's connection is of a thread;
    told: what came of each trip.
    """  # noqa: D205 - one thought

    def __init__(self, make: Callable[[], Courier], told: Callable[[Trip], None]) -> None:
        self._make = make
        self._told = told
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a report waits. A server that is away is not asked earlier for it."""
        self._wake.set()

    def stop(self, patience_s: float) -> None:
        """End; a request that is under way may finish meanwhile."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        courier: Courier | None = None
        try:
            while not self._stopped.is_set():
                try:
                    courier = courier or self._make()
                    trip = courier.carry(lambda: not self._stopped.is_set())
                except StoreError as error:
                    # Nothing was deleted: what was sent twice is accepted once.
                    trip = Trip(_AFTER_A_FAULT_S, 0, str(error), None)
                self._told(trip)
                if trip.wait_s is None:
                    self._wake.wait()
                    self._wake.clear()
                else:
                    self._stopped.wait(trip.wait_s)
        finally:
            if courier is not None:
                courier.close()
