"""Nonces: random, for one host and one key, once, for two minutes. In the memory of a process.

What was used is remembered for as long as it would have been good, so that a replay is told from
nonsense, and counted. A process that starts anew knows none: hosts ask for another.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from agent.proof_wire import NONCE_OCTETS
from server.fleet.proof import ProofRefusedError

LIFETIME_S = 120
MAX_OF_HOST = 16
"""That wait for an answer at once: a laptop has few keys."""

_MOST = 100_000


class _Given(NamedTuple):
    host_id: str
    key: str
    until: float
    used: bool = False


class Nonces:
    """monotonic: seconds; randomness: so many octets."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        randomness: Callable[[int], bytes],
        *,
        most: int = _MOST,
    ) -> None:
        self._monotonic = monotonic
        self._randomness = randomness
        self._most = most
        # In the order of their ends, for all live equally long.
        self._given: OrderedDict[bytes, _Given] = OrderedDict()
        self._open: Counter[str] = Counter()

    def give(self, host_id: str, key: str) -> bytes:
        """Return a new one. ProofRefusedError: this host, or all, wait for too many answers."""
        now = self._monotonic()
        self._forget(now)
        if self._open[host_id] >= MAX_OF_HOST or len(self._given) >= self._most:
            raise ProofRefusedError(
                "too-many-nonces", "too many proofs are being made: begin this one again later"
            )
        nonce = self._randomness(NONCE_OCTETS)
        self._given[nonce] = _Given(host_id, key, now + LIFETIME_S)
        self._open[host_id] += 1
        return nonce

    def take(self, nonce: bytes, host_id: str, key: str) -> None:
        """Use one up, whatever becomes of the proof. ProofRefusedError says why it is no good."""
        given = self._given.get(nonce)
        if given is None:
            raise ProofRefusedError("nonce-unknown", "this nonce was never given, or long ago")
        if given.host_id != host_id or given.key != key:
            # It stays good for whom it was given: a stranger must not use it up.
            raise ProofRefusedError("nonce-foreign", "this nonce was given for another host or key")
        if given.used:
            raise ProofRefusedError("nonce-used", "this nonce was used: a proof counts once")
        self._given[nonce] = given._replace(used=True)
        self._close(host_id)
        if self._monotonic() >= given.until:
            raise ProofRefusedError("nonce-expired", f"a nonce is good for {LIFETIME_S} seconds")

    def _forget(self, now: float) -> None:
        """Forget what ended a whole lifetime ago; until then it is told from nonsense."""
        while self._given:
            nonce, given = next(iter(self._given.items()))
            if now < given.until + LIFETIME_S:
                return
            del self._given[nonce]
            if not given.used:
                self._close(given.host_id)

    def _close(self, host_id: str) -> None:
        self._open[host_id] -= 1
        if self._open[host_id] <= 0:
            del self._open[host_id]
