"""Proves keys to the enrolled server, in a thread of its own: a server that is slow holds up only
other proofs. The thread begins with the first: most organisations ask for none.
"""  # noqa: D205 - one thought

import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from agent.relaying import RelayError, Wanted


class Proved(NamedTuple):
    """What came of it. trust: what the server says the facts are worth, "" = it did not work;
    problem: for people.
    """  # noqa: D205 - one thought

    trust: str
    problem: str


class Prover:
    """relay: proves one key, RelayError; told: a slot's name and what came of it."""

    def __init__(self, relay: Callable[[Wanted], str], told: Callable[[str, Proved], None]) -> None:
        self._relay = relay
        self._told = told
        self._wanted: queue.SimpleQueue[tuple[str, Wanted] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def prove(self, name: str, wanted: Wanted) -> None:
        """Have the key in a slot proved."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="prover", daemon=True)
            self._thread.start()
        self._wanted.put((name, wanted))

    def stop(self, patience_s: float) -> None:
        """End after what is being proved, which is let go of properly if it takes no longer."""
        if self._thread is not None:
            self._wanted.put(None)
            self._thread.join(patience_s)

    def _run(self) -> None:
        while (one := self._wanted.get()) is not None:
            name, wanted = one
            try:
                proved = Proved(self._relay(wanted), "")
            except RelayError as error:
                proved = Proved("", str(error))
            self._told(name, proved)
