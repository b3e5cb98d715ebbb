"""SIGTERM under load: what was accepted is answered."""

import asyncio
import signal
from contextlib import AsyncExitStack

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import known_keys
from validation.status import Status

ROUNDS = 5
HANDS = 64


async def test_sigterm_answers_every_request_that_was_accepted(
    keystead: KeysteadProcess, database: str | None
) -> None:
    party = RelyingParty.enrol(keystead, "crowd")
    keys = known_keys(keystead, HANDS)
    for _ in range(ROUNDS):
        assert keystead.ready is not None
        url = keystead.ready.verify_url
        async with AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(Wire(url)) for _ in range(HANDS)]
            for wire, key in zip(wires, keys, strict=True):
                assert (await party.ask(wire, key.press())).status is Status.OK
            asked = [
                asyncio.create_task(party.ask(wire, key.press()))
                for wire, key in zip(wires, keys, strict=True)
            ]
            # One answer is back: the others were sent before it.
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert keystead.process is not None
            keystead.process.send_signal(signal.SIGTERM)
            told = await asyncio.gather(*asked)
            assert {each.status for each in told} == {Status.OK}
        assert await asyncio.to_thread(keystead.wait) == 0
        keystead.start(workers=2, database=database)
