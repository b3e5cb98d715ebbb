"""A verification room whose verdicts are written down beforehand, and what it was asked."""

from typing import NamedTuple

from server.otp.verdict import Source, Verdict
from validation.request import Protocol
from validation.status import Status


class Asked(NamedTuple):
    """One call of the door."""

    query: bytes | str
    protocol: Protocol
    source: Source


OK = Verdict(Status.OK, b"status=OK\r\n\r\n", None, 1, "cccccccccccc", shadowed=False)


class ScriptedVerifier:
    """Answers every request with `verdict`, or raises it."""

    def __init__(self, verdict: Verdict | Exception = OK) -> None:
        self.verdict = verdict
        self.asked: list[Asked] = []

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        """Note the request and return the verdict."""
        self.asked.append(Asked(query, protocol, source))
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict
