"""The dialogues that are under way: few, short, in memory alone, one for each host.

What a dialogue leaves is a proof in the store, or a count against the host that altered answers,
or nothing. A process that ends forgets those that are under way; their agents try another day.
"""

import hmac
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from agent.proof_wire import key_name
from agent.report import Identity, serial_hash
from server.clock import Clock
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.channel.dialogue import Ask, Dialogue, Proven, Refusal, Refused
from server.fleet.channel.roots import BundleRoots
from server.fleet.channel.steps import Told, asked_for, done, read_step
from server.fleet.pace import TooFastError
from server.fleet.proof import Proof, ProofRefusedError
from server.fleet.reception import BusyError
from server.journal.canonical import MalformedError
from server.otp.bounded_map import BoundedMap

AT_ONCE = 64
"""Dialogues of one process. Each is a few kilobytes, and a few milliseconds of computing."""

FINISHED = 1024
"""Of which the last answer is kept, for who did not hear it."""

LIFETIME_S = 20.0
"""Of a dialogue. An agent holds a key for five seconds at most."""

PENALTY_S = 30.0
"""Until a host that altered an answer may begin again: each time is told as a fact, and kept."""

_SUSPECTS = 10_000

_WORDS: Mapping[Refusal, str] = {
    Refusal.NO_CHANNEL_KEY: "this key has no key for such a channel: firmware 5.7.2 and later do",
    Refusal.NO_CHAIN: "no certificates came with this key, so that nothing it says can be proved",
    Refusal.CHAIN_UNKNOWN: "this key's certificates end in no root that is known here: it is a"
    " preview, or somebody gave it keys of their own, or the bundle of roots is old",
    Refusal.KEY_REFUSED: "this key did not open a channel",
    Refusal.NO_SERIAL: "this key tells no serial number that could be compared",
    Refusal.GARBAGE: "the answers make no sense: nothing was proved",
    Refusal.ANOTHER_KEY: "this is not the key that was named: it is counted against this host",
    Refusal.ALTERED: "an answer is not what the key said: it is counted against this host",
}


class ProofBook(Protocol):
    """What is kept of a dialogue."""

    async def prove(self, proof: Proof) -> object | None:
        """Keep what a key has proved. None: the host never reported that key. Store errors."""
        ...

    async def note_altered(self, host_id: str, key_id: str, how: str) -> None:
        """Count against a host that it altered what a key said, and tell it as a fact."""
        ...


@dataclass
class _Running:
    """A host's dialogue. asked, answered: the last step, which a lost connection may repeat."""

    channel: str
    key: Identity
    dialogue: Dialogue
    until: float
    step: int
    expected: int
    asked: dict[str, Any]
    answered: Mapping[str, Any]
    busy: bool = field(default=False)


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """Make a fresh key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


class Channels:
    """serial_key: what the organisation hashes serial numbers with; counted: outcomes, by word.

    bundle: the roots of now. Every step is of a host that signed it (`server.web.fleet_proofs`).
    """

    def __init__(
        self,
        book: ProofBook,
        bundle: Callable[[], Awaitable[AttestationBundle]],
        serial_key: bytes,
        *,
        clock: Clock,
        counted: Counter[str],
        fresh: Callable[[], ec.EllipticCurvePrivateKey] = new_private_key,
        at_once: int = AT_ONCE,
    ) -> None:
        self._book = book
        self._bundle = bundle
        self._serial_key = serial_key
        self._clock = clock
        self._counted = counted
        self._fresh = fresh
        self._at_once = at_once
        self._running: dict[str, _Running] = {}
        self._suspects: BoundedMap[str, float] = BoundedMap(_SUSPECTS)
        self._finished: BoundedMap[str, tuple[dict[str, Any], Mapping[str, Any]]] = BoundedMap(
            FINISHED
        )

    async def step(self, host_id: str, asked: dict[str, Any]) -> Mapping[str, Any]:
        """Take one step of a host's dialogue, and return the answer.

        ProofRefusedError, MalformedError, BusyError, TooFastError and the store's errors: the
        dialogue is over.
        """
        self._forget_late()
        told = read_step(asked)
        if told.channel is None:
            return await self._begin(host_id, told, asked)
        running = self._running.get(host_id)
        if running is None or running.channel != told.channel:
            finished = self._finished.get(host_id)
            if finished is not None and finished[0] == asked:
                return finished[1]
            raise ProofRefusedError(
                "channel-over", "there is no such channel, or not any more: begin another"
            )
        if running.busy:
            raise BusyError
        if asked == running.asked:
            return running.answered
        try:
            return await self._go_on(host_id, running, told, asked)
        except BaseException:
            if self._running.get(host_id) is running:
                del self._running[host_id]
            raise

    async def _begin(self, host_id: str, told: Told, asked: dict[str, Any]) -> Mapping[str, Any]:
        if told.answers:
            raise MalformedError('"answers" come after questions')
        if self._clock.monotonic() < (self._suspects.get(host_id) or 0.0):
            raise TooFastError
        roots = BundleRoots(await self._bundle(), self._now)
        # Another one takes the place of the host's own: a key that was pulled out ends none.
        self._running.pop(host_id, None)
        if len(self._running) >= self._at_once:
            raise BusyError
        dialogue = Dialogue(self._namer(told.key), roots, self._fresh)
        ask = dialogue.begin()
        channel = secrets.token_hex(16)
        answered = asked_for(channel, 1, ask)
        until = self._clock.monotonic() + LIFETIME_S
        self._running[host_id] = _Running(
            channel, told.key, dialogue, until, 1, len(ask.commands), asked, answered
        )
        return answered

    async def _go_on(
        self, host_id: str, running: _Running, told: Told, asked: dict[str, Any]
    ) -> Mapping[str, Any]:
        if (told.step, told.key) != (running.step, running.key):
            raise MalformedError('"step" or "key" is not that of this channel')
        if len(told.answers) != running.expected:
            raise MalformedError(f'"answers" has not one for each of {running.expected} commands')
        step = running.dialogue.take(told.answers)
        if not isinstance(step, Ask):
            running.busy = True
            answered = await self._end(host_id, running, step)
            self._finished.put(host_id, (asked, answered))
            if self._running.get(host_id) is running:
                del self._running[host_id]
            return answered
        running.step += 1
        running.expected = len(step.commands)
        running.asked = asked
        running.answered = asked_for(running.channel, running.step, step)
        return running.answered

    async def _end(
        self, host_id: str, running: _Running, step: Proven | Refused
    ) -> Mapping[str, Any]:
        key_id = key_name(running.key)
        if isinstance(step, Refused):
            if step.why.is_altered:
                self._suspects.put(host_id, self._clock.monotonic() + PENALTY_S)
                await self._book.note_altered(host_id, key_id, step.why.value)
            raise ProofRefusedError(step.why.value, _WORDS[step.why])
        proof = Proof(key_id, host_id, self._now().date(), step.trust, step.facts)
        if await self._book.prove(proof) is None:
            raise ProofRefusedError(
                "unknown-key", "this host has not reported this key: report it, then prove it"
            )
        self._counted[f"channel-{step.trust.word}"] += 1
        return done(running.channel, step.trust)

    def _namer(self, key: Identity) -> Callable[[int], bool]:
        def names(serial: int) -> bool:
            if key.serial_hash is not None:
                return hmac.compare_digest(key.serial_hash, serial_hash(self._serial_key, serial))
            return key.serial == serial

        return names

    def _forget_late(self) -> None:
        now = self._clock.monotonic()
        late = [host_id for host_id, one in self._running.items() if one.until <= now]
        for host_id in late:
            del self._running[host_id]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC)
