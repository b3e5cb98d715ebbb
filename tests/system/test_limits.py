"""Rate limits and switches at the door, with several workers, on each store."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Sequence

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty, Told
from tests.system.wire import Wire
from tests.system.workers import kill_a_worker
from tests.system.yubikeys import known_keys
from validation.status import Status

HANDS = 16
LIMIT_KNOWN_WITHIN_S = 30.0


def a_day(sessions: int) -> tuple[str, ...]:
    """Return options for an allowance that does not refill while a test runs."""
    return ("--rate", "1000000", "--burst", "1000000", "--per-day", str(sessions))


async def ask_all(
    keystead: KeysteadProcess,
    party: RelyingParty,
    otps: Sequence[str],
    *,
    nonce: str | None = None,
    signed: bool = True,
) -> list[Told]:
    """Ask about each OTP in parallel, over so many connections that every worker holds some.

    Returns the answers in the OTPs' order.
    """
    assert keystead.ready is not None
    url = keystead.ready.verify_url
    told: dict[int, Told] = {}
    waiting = iter(enumerate(otps))

    async def ask_in_turn() -> None:
        async with Wire(url) as wire:
            for place, otp in waiting:
                told[place] = await party.ask(wire, otp, nonce, signed=signed)

    async with asyncio.TaskGroup() as group:
        for _ in range(HANDS):
            group.create_task(ask_in_turn())
    return [told[place] for place in range(len(otps))]


def statuses(told: Sequence[Told]) -> Counter[Status]:
    return Counter(each.status for each in told)


async def test_the_budget_is_exact_across_workers_and_a_throttled_otp_stays_valid(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "exact", *a_day(50))
    otps = [key.press() for key in known_keys(keystead, 200)]
    told = await ask_all(keystead, party, otps)
    assert statuses(told) == {Status.OK: 50, Status.OPERATION_NOT_ALLOWED: 150}
    party.limit(keystead, *a_day(1_000_000))
    limited = [otp for otp, each in zip(otps, told, strict=True) if each.status is not Status.OK]
    async with asyncio.timeout(LIMIT_KNOWN_WITHIN_S):
        # Workers remember for a second that a client was over its limit; then what it used up
        # comes back at the new rate, about twelve a second.
        while limited:
            told = await ask_all(keystead, party, limited)
            assert set(statuses(told)) <= {Status.OK, Status.OPERATION_NOT_ALLOWED}
            still = zip(limited, told, strict=True)
            limited = [otp for otp, each in still if each.status is not Status.OK]


async def test_over_the_limit_is_said_with_429_and_its_headers(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "told", *a_day(1))
    first, second = (key.press() for key in known_keys(keystead, 2))
    (good,) = await ask_all(keystead, party, [first])
    assert good.http.code == 200
    for told in await ask_all(keystead, party, [second] * HANDS):
        assert told.status is Status.OPERATION_NOT_ALLOWED
        assert told.http.code == 429
        headers = told.http.headers
        assert 1 <= int(headers["retry-after"]) <= 86_400
        assert re.fullmatch(r'"default";q=\d+;w=\d+', headers["ratelimit-policy"])
        assert re.fullmatch(r'"default";r=0;t=\d+', headers["ratelimit"])


async def test_signed_and_unsigned_requests_have_budgets_of_their_own(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "two buckets", *a_day(5))
    otps = [key.press() for key in known_keys(keystead, 20)]
    unsigned = await ask_all(keystead, party, otps[:10], signed=False)
    assert statuses(unsigned) == {Status.OK: 5, Status.OPERATION_NOT_ALLOWED: 5}
    signed = await ask_all(keystead, party, otps[10:])
    assert statuses(signed) == {Status.OK: 5, Status.OPERATION_NOT_ALLOWED: 5}


async def test_one_otp_with_one_nonce_costs_one_session_however_often_it_is_asked(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "fan-out", *a_day(3))
    otps = [key.press() for key in known_keys(keystead, 4)]
    nonce = secrets.token_hex(16)
    told = await ask_all(keystead, party, [otps[0]] * HANDS, nonce=nonce)
    assert statuses(told) == {Status.OK: 1, Status.REPLAYED_REQUEST: HANDS - 1}
    later = await ask_all(keystead, party, otps[1:])
    assert statuses(later) == {Status.OK: 2, Status.OPERATION_NOT_ALLOWED: 1}


async def test_shadow_mode_lets_everybody_in_and_counts(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "shadow", *a_day(5), "--shadow")
    otps = [key.press() for key in known_keys(keystead, 20)]
    before = keystead.metrics()["keystead_shadow_limited_total"]
    told = await ask_all(keystead, party, otps)
    assert statuses(told) == {Status.OK: 20}
    assert keystead.metrics()["keystead_shadow_limited_total"] - before == 15


async def test_s12_a_disabled_client_or_key_is_refused_at_once_by_every_worker(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "switched")
    keys = known_keys(keystead, HANDS)
    client = str(party.client_id)

    async def everywhere() -> Counter[Status]:
        return statuses(await ask_all(keystead, party, [key.press() for key in keys]))

    assert await everywhere() == {Status.OK: HANDS}
    keystead.cli("client", "disable", client)
    assert await everywhere() == {Status.OPERATION_NOT_ALLOWED: HANDS}
    keystead.cli("client", "enable", client)
    assert await everywhere() == {Status.OK: HANDS}
    keystead.cli("key", "disable", keys[0].public_id)
    told = await ask_all(keystead, party, [keys[0].press() for _ in range(HANDS)])
    assert statuses(told) == {Status.BAD_OTP: HANDS}
    assert await everywhere() == {Status.OK: HANDS - 1, Status.BAD_OTP: 1}
    keystead.cli("key", "enable", keys[0].public_id)
    assert await everywhere() == {Status.OK: HANDS}


async def test_s12_an_otp_under_another_keys_id_changes_neither_key(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "mixed up")
    mine, other = known_keys(keystead, 2)
    good, also_good = mine.press(), other.press()
    mixed_up = other.public_id + mine.press()[-32:]
    told = await ask_all(keystead, party, [mixed_up] * HANDS)
    assert statuses(told) == {Status.BAD_OTP: HANDS}
    assert statuses(await ask_all(keystead, party, [good, also_good])) == {Status.OK: 2}


async def test_answers_are_counted_right_by_all_workers_together_and_after_a_kill(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "counted")
    keys = known_keys(keystead, 100)
    before = counted(keystead)
    otps = [key.press() for key in keys]
    assert statuses(await ask_all(keystead, party, otps)) == {Status.OK: 100}
    assert statuses(await ask_all(keystead, party, otps)) == {Status.REPLAYED_OTP: 100}
    assert counted(keystead) - before == {Status.OK: 100, Status.REPLAYED_OTP: 100}
    kill_a_worker(keystead)
    assert counted(keystead) - before == {Status.OK: 100, Status.REPLAYED_OTP: 100}
    told = await ask_all(keystead, party, [key.press() for key in keys])
    assert statuses(told) == {Status.OK: 100}
    assert counted(keystead) - before == {Status.OK: 200, Status.REPLAYED_OTP: 100}


def counted(keystead: KeysteadProcess) -> Counter[Status]:
    """Return what /metrics says of the answers given so far."""
    return Counter({status: int(keystead.responses(status)) for status in Status})
