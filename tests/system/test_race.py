"""S1: one OTP, many hands. However they are spread over workers, one gets in."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import known_keys
from validation.status import Status

ROUNDS = 1_000
HANDS = 16
KEYS = 50


NONCES = (HANDS, 4, 1)
"""Rounds in turn: a nonce for each hand, four that four hands share, one that all share."""


async def test_s1_one_otp_asked_in_parallel_gets_exactly_one_ok(keystead: KeysteadProcess) -> None:
    assert keystead.ready is not None
    party = RelyingParty.enrol(keystead, "race")
    keys = known_keys(keystead, KEYS)
    async with AsyncExitStack() as stack:
        wires = [
            await stack.enter_async_context(Wire(keystead.ready.verify_url)) for _ in range(HANDS)
        ]
        for number in range(ROUNDS):
            otp = keys[number % KEYS].press()
            nonces = NONCES[number % len(NONCES)]
            used = [secrets.token_hex(16) for _ in range(nonces)]
            asked = [used[hand % nonces] for hand in range(HANDS)]
            told = await asyncio.gather(
                *(party.ask(wire, otp, nonce) for wire, nonce in zip(wires, asked, strict=True))
            )
            check_one_winner(asked, [each.status for each in told])


def check_one_winner(asked: Sequence[str], told: Sequence[Status]) -> None:
    """Hold that one got OK, those who asked with its nonce learn so, the rest were replays."""
    winners = [nonce for nonce, status in zip(asked, told, strict=True) if status is Status.OK]
    assert len(winners) == 1, Counter(told)
    for nonce, status in zip(asked, told, strict=True):
        late = Status.REPLAYED_REQUEST if nonce == winners[0] else Status.REPLAYED_OTP
        assert status in {Status.OK, late}
