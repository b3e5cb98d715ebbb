"""A run's plan: all that its processes have to agree on, handed to them as one private file."""

import json
from pathlib import Path
from typing import NamedTuple, Self

from loadtest import clients as client_files
from loadtest import keyfile
from loadtest.clients import Clients
from loadtest.keyfile import KeySecrets
from loadtest.ledger import Clock
from loadtest.secretfile import read_secret, write_secret
from loadtest.shapes import Load, Shape


class Plan(NamedTuple):
    """What a run does.

    target: a base URL; allowed: hosts allowed beside the loopback; clients_text: the clients
    file; keys: with the first session of this run; sessions: how many of them it may use;
    processes: that send requests; pause_s: between two acts of a user, on average; tolerant:
    BACKEND_ERROR and silence do not end the run; ledger: the folder.
    """

    target: str
    allowed: tuple[str, ...]
    clients_text: str
    keys: tuple[KeySecrets, ...]
    sessions: int
    load: Load
    processes: int
    pause_s: float
    tolerant: bool
    ledger: Path
    clock: Clock

    def __repr__(self) -> str:
        """Secrets never reach a log by way of `repr`."""
        return f"Plan({self.target!r}, {self.load!r})"

    @property
    def clients(self) -> Clients:
        """The relying parties."""
        return client_files.parse(self.clients_text)

    def write(self, path: Path) -> None:
        """Put the plan into a private file."""
        values = self._asdict() | {
            "keys": keyfile.to_text(self.keys),
            "ledger": str(self.ledger),
        }
        write_secret(path, json.dumps(values))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote; SecretFileError."""
        values = json.loads(read_secret(path))
        shape, users, duration_s = values["load"]
        return cls(
            **values
            | {
                "allowed": tuple(values["allowed"]),
                "keys": keyfile.parse(values["keys"]),
                "load": Load(Shape(shape), users, duration_s),
                "ledger": Path(values["ledger"]),
                "clock": Clock(*values["clock"]),
            }
        )


def press(key: KeySecrets, counters: tuple[int, int]) -> str:
    """Return the OTP of a key at these counters: the same whenever and wherever it is asked for.

    The random part is a function of the counters, so that an OTP which was only refused can be
    presented again after the run by somebody who knows the ledger and the keys.
    """
    session, use = counters
    return key.plugged_in(counters).press((session * 256 + use) * 40503 & 0xFFFF)
