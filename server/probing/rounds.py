"""One round after the other: press the key, ask twice, judge, keep; and say what is unknown."""

import secrets
from typing import Final, NamedTuple

from server.clock import Clock
from server.probing.clockwatch import Look, Unknown, jump
from server.probing.finding import MAX_SPAN_US, MAX_WHY, Finding, Outcome
from server.probing.gaps import silence
from server.probing.judge import Exchange, Judgement, is_accepted, judge
from server.probing.ports import FindingSpool, Knocker
from server.probing.virtual_key import KeptKey
from validation.signature import ApiKey

_REMEMBERED: Final = 100
_NONCE_OCTETS: Final = 16
JUMPED = "the clock jumped"


class Round(NamedTuple):
    """A round as it went. finding: as it is kept; judgement: what was seen, whatever the clock."""

    finding: Finding
    judgement: Judgement
    at_us: int


class Prober:
    """Does rounds. silent_us: who did none for longer than that reports a gap."""

    def __init__(
        self,
        *,
        knocker: Knocker,
        key: KeptKey,
        api_key: ApiKey,
        spool: FindingSpool,
        clock: Clock,
        silent_us: int,
    ) -> None:
        self._knocker = knocker
        self._key = key
        self._api_key = api_key
        self._spool = spool
        self._clock = clock
        self._silent_us = silent_us
        self._unknown: list[Unknown] = []
        self._look = self._now()
        self._resume()

    async def round(self) -> Round:
        """Do one round; durable on return. What the key's file or the spool refuse passes."""
        before = self._watch()
        self._report_silence(before.wall_us)
        first = await self._ask(self._key.press(before.wall_us))
        second = None
        if is_accepted(first, self._api_key):
            second = await self._ask(first.otp)
        judgement = judge(first, second, self._api_key)
        if "REPLAYED_OTP" in judgement.why and second is None:
            # Our counters are behind: the key's file is an old copy. They catch up in steps.
            self._key.power_up()
        after = self._watch()
        at_us, until_us = sorted((before.wall_us, after.wall_us))
        if any(span.touches(at_us, until_us) for span in self._unknown):
            # It happened, and nobody can say when.
            finding = self._spool.append(Outcome.EXCLUDED, at_us, until_us, JUMPED)
        else:
            outcome, why = judgement
            finding = self._spool.append(outcome, at_us, until_us, why[:MAX_WHY])
        return Round(finding, judgement, at_us)

    async def _ask(self, otp: str) -> Exchange:
        nonce = secrets.token_hex(_NONCE_OCTETS)
        return Exchange(otp, nonce, await self._knocker.ask(otp, nonce))

    def _now(self) -> Look:
        return Look(self._clock.now_us(), self._clock.monotonic())

    def _watch(self) -> Look:
        """Look at both clocks, and keep what a jump since the last look makes unknown."""
        now = self._now()
        for span in jump(self._look, now):
            self._keep(span)
        self._look = now
        return now

    def _keep(self, span: Unknown) -> None:
        self._spool.append(Outcome.UNKNOWN, span.start_us, span.end_us, JUMPED)
        self._unknown = [*self._unknown[-_REMEMBERED:], span]

    def _resume(self) -> None:
        """Take up from the newest finding of before: it may be later than now is."""
        latest_us = self._spool.latest_us()
        now_us = self._look.wall_us
        if latest_us is not None and latest_us > now_us:
            for span in jump(Look(latest_us, 0.0), Look(now_us, 0.0)):
                self._keep(span)

    def _report_silence(self, now_us: int) -> None:
        latest_us = self._spool.latest_us()
        if latest_us is None or now_us - latest_us <= self._silent_us:
            return
        span = silence(max(latest_us, now_us - MAX_SPAN_US), now_us)
        if span is not None:
            self._spool.append(Outcome.UNKNOWN, span.start_us, span.end_us, "no rounds were done")
