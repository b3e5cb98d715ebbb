"""Watches the readers in a thread of its own, and survives the PC/SC service.

A service that went away takes every context with it: whoever goes on waiting on an old one is
blind for ever. So on any error the connection is dropped and, after a pause, made anew.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from agent.backoff import Backoff
from agent.ports import PcscAwayError, Readers, ReaderState

_LONGEST_WAIT_S = 300.0
_BREATH_S, _LONGEST_BREATH_S = 0.1, 5.0
"""Between two looks: a program that connects in a loop is noticed ten times a second at most."""

LONGEST_PAUSE_S = 30.0


class WatchedReaders(Readers, Protocol):
    """Readers whose wait another thread can end."""

    def cancel(self) -> None:
        """End a wait."""


class Watcher:
    """connect: opens a connection; looked, away: told what is seen, in the watcher's thread;
    pause: waits, unless it is to end.
    """  # noqa: D205 - one thought

    def __init__(
        self,
        connect: Callable[[], WatchedReaders],
        looked: Callable[[Mapping[str, ReaderState]], None],
        away: Callable[[str], None],
        backoff: Backoff,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._connect = connect
        self._looked = looked
        self._away = away
        self._backoff = backoff
        self._stopped = threading.Event()
        self._pause = partial(pause, self._stopped)
        self._lock = threading.Lock()
        self._readers: WatchedReaders | None = None
        self._thread = threading.Thread(target=self._run, name="readers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a wait that does not end by itself ends with the process."""
        self._stopped.set()
        with self._lock:
            if self._readers is not None:
                self._readers.cancel()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch()
            except PcscAwayError as error:
                self._away(str(error))
                self._pause(self._backoff.failed())

    def _watch(self) -> None:
        readers = self._connect()
        with self._lock:
            self._readers = readers
        try:
            known: Mapping[str, ReaderState] | None = None
            told, breath_s = False, _BREATH_S
            while not self._stopped.is_set():
                states = readers.look()
                # To be told of changes that are none, again and again, is a driver's fault:
                # whoever believed it would look without an end.
                in_vain = told and states == known
                breath_s = min(2 * breath_s, _LONGEST_BREATH_S) if in_vain else _BREATH_S
                known = states
                self._looked(states)
                told = readers.wait(states, _LONGEST_WAIT_S)
                # Not before: a service that lists its readers and then fails is one that fails.
                self._backoff.worked()
                self._pause(breath_s)
        finally:
            with self._lock:
                self._readers = None
            readers.close()
