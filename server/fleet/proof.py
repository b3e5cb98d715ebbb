"""What a key has proved of itself, and the refusal of what proves nothing."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from agent.report import Value
from server.fleet.trust import Trust


class Proof(NamedTuple):
    """Facts that a key itself stands behind.

    key_id: as reports name it; host_id: where the key was; day: of the proof, by the store's
    clock; trust: how it was proved; facts: by the names that reports give them.
    """

    key_id: str
    host_id: str
    day: date
    trust: Trust
    facts: Mapping[str, Value]


class ProofRefusedError(Exception):
    """What was sent proves nothing. code: for programs and counters; the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
