"""Rate limits and switches at the door, with several workers, on each store."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty, Told
from tests.system.wire import Wire
from tests.system.workers import kill_a_worker
from tests.system.yubikeys import known_keys
from validation.status import Status

HANDS = 16


def a_day(sessions: int) -> tuple[str, ...]:
    """Return options for an allowance that does not refill while a test runs."""
    return ("--rate", "1000000", "--burst", "1000000", "--per-day", str(sessions))


@pytest.fixture
async def wires(keystead: KeysteadProcess) -> AsyncIterator[Sequence[Wire]]:
    """Open connections, so many that every worker holds some."""
    assert keystead.ready is not None
    async with AsyncExitStack() as stack:
        url = keystead.ready.verify_url
        yield [await stack.enter_async_context(Wire(url)) for _ in range(HANDS)]


async def ask_all(party: RelyingParty, wires: Sequence[Wire], otps: Sequence[str]) -> list[Told]:
    """Ask about every OTP once, in parallel over all connections; answers in the OTPs' order."""
    told: dict[str, Told] = {}
    waiting = iter(otps)

    async def ask_in_turn(wire: Wire) -> None:
        for otp in waiting:
            told[otp] = await party.ask(wire, otp)

    async with asyncio.TaskGroup() as group:
        for wire in wires:
            group.create_task(ask_in_turn(wire))
    return [told[otp] for otp in otps]


def statuses(told: Sequence[Told]) -> Counter[Status]:
    return Counter(each.status for each in told)


async def test_the_budget_is_exact_across_workers_and_a_throttled_otp_stays_valid(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "exact", *a_day(50))
    otps = [key.press() for key in known_keys(keystead, 200)]
    told = await ask_all(party, wires, otps)
    assert statuses(told) == {Status.OK: 50, Status.OPERATION_NOT_ALLOWED: 150}
    throttled = [otp for otp, each in zip(otps, told, strict=True) if each.status is not Status.OK]
    party.limit(keystead, *a_day(1_000_000))
    again = await ask_all(party, wires, throttled)
    assert statuses(again) == {Status.OK: 150}


async def test_over_the_limit_is_said_with_429_and_its_headers(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "told", *a_day(1))
    first, second = (key.press() for key in known_keys(keystead, 2))
    assert (await party.ask(wires[0], first)).http.code == 200
    for wire in wires:
        told = await party.ask(wire, second)
        assert told.status is Status.OPERATION_NOT_ALLOWED
        assert told.http.code == 429
        headers = told.http.headers
        assert 1 <= int(headers["retry-after"]) <= 86_400
        assert re.fullmatch(r'"default";q=\d+;w=\d+', headers["ratelimit-policy"])
        assert re.fullmatch(r'"default";r=0;t=\d+', headers["ratelimit"])


async def test_signed_and_unsigned_requests_have_budgets_of_their_own(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "two buckets", *a_day(5))
    otps = [key.press() for key in known_keys(keystead, 20)]
    unsigned = [
        await party.ask(wires[n % HANDS], otp, signed=False) for n, otp in enumerate(otps[:10])
    ]
    assert statuses(unsigned) == {Status.OK: 5, Status.OPERATION_NOT_ALLOWED: 5}
    signed = await ask_all(party, wires, otps[10:])
    assert statuses(signed) == {Status.OK: 5, Status.OPERATION_NOT_ALLOWED: 5}


async def test_one_otp_with_one_nonce_costs_one_session_however_often_it_is_asked(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "fan-out", *a_day(3))
    otps = [key.press() for key in known_keys(keystead, 4)]
    nonce = secrets.token_hex(16)
    told = await asyncio.gather(*(party.ask(wire, otps[0], nonce) for wire in wires))
    assert statuses(told) == {Status.OK: 1, Status.REPLAYED_REQUEST: HANDS - 1}
    later = [await party.ask(wires[0], otp) for otp in otps[1:]]
    assert [each.status for each in later] == [
        Status.OK,
        Status.OK,
        Status.OPERATION_NOT_ALLOWED,
    ]


async def test_shadow_mode_lets_everybody_in_and_counts(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "shadow", *a_day(5), "--shadow")
    otps = [key.press() for key in known_keys(keystead, 20)]
    told = await ask_all(party, wires, otps)
    assert statuses(told) == {Status.OK: 20}
    assert keystead.metrics()["keystead_shadow_limited_total"] == 15


async def test_s12_a_disabled_client_or_key_is_refused_at_once_by_every_worker(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "switched")
    keys = known_keys(keystead, HANDS)
    client = str(party.client_id)

    async def everywhere() -> Counter[Status]:
        return statuses(await ask_all(party, wires, [key.press() for key in keys]))

    assert await everywhere() == {Status.OK: HANDS}
    keystead.cli("client", "disable", client)
    assert await everywhere() == {Status.OPERATION_NOT_ALLOWED: HANDS}
    keystead.cli("client", "enable", client)
    assert await everywhere() == {Status.OK: HANDS}
    keystead.cli("key", "disable", keys[0].public_id)
    told = [(await party.ask(wire, keys[0].press())).status for wire in wires]
    assert set(told) == {Status.BAD_OTP}
    assert await everywhere() == {Status.OK: HANDS - 1, Status.BAD_OTP: 1}
    keystead.cli("key", "enable", keys[0].public_id)
    assert await everywhere() == {Status.OK: HANDS}


async def test_s12_an_otp_under_another_keys_id_changes_neither_key(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "mixed up")
    mine, other = known_keys(keystead, 2)
    good, also_good = mine.press(), other.press()
    mixed_up = other.public_id + mine.press()[-32:]
    told = [(await party.ask(wire, mixed_up)).status for wire in wires]
    assert set(told) == {Status.BAD_OTP}
    assert (await party.ask(wires[0], good)).status is Status.OK
    assert (await party.ask(wires[0], also_good)).status is Status.OK


async def test_answers_are_counted_right_by_all_workers_together_and_after_a_kill(
    keystead: KeysteadProcess, wires: Sequence[Wire]
) -> None:
    party = RelyingParty.enrol(keystead, "counted")
    keys = known_keys(keystead, 100)
    otps = [key.press() for key in keys]
    assert statuses(await ask_all(party, wires, otps)) == {Status.OK: 100}
    assert statuses(await ask_all(party, wires, otps)) == {Status.REPLAYED_OTP: 100}
    assert keystead.responses("OK") == 100
    assert keystead.responses("REPLAYED_OTP") == 100
    kill_a_worker(keystead)
    assert keystead.responses("OK") == 100
    assert keystead.ready is not None
    async with Wire(keystead.ready.verify_url) as wire:
        told = await ask_all(party, [wire], [key.press() for key in keys])
    assert statuses(told) == {Status.OK: 100}
    assert keystead.responses("OK") == 200
