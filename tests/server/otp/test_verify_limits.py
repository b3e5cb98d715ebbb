"""The limit per Client ID, as a client meets it."""

import asyncio

import pytest

from server.accounts.clients import ClientView
from server.otp.settings import VerifierSettings
from server.otp.verify import LimitAdvice, Source
from tests.server.acts import CAUSE
from tests.server.otp.conftest import OpenRoom
from tests.server.otp.room import STRANGER, Client, Room, sign_query
from validation.gcra import UNLIMITED, Policy, Rate
from validation.request import Protocol
from validation.signature import EMPTY_KEY
from validation.status import Status

SMALL = Policy(Rate.per_second(10, 5), UNLIMITED)
ELSEWHERE = Source("198.51.100.7", exempt=False)


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    return await open_room(policy=SMALL)


async def exhaust(room: Room, client: Client, **how: object) -> None:
    """Spend a whole burst on OTPs that nobody knows."""
    for number in range(5):
        reply = await room.ask(client, "c" * 44, nonce=f"{number:016d}", **how)  # type: ignore[arg-type]
        assert reply.status == Status.BAD_OTP


async def test_over_the_limit_is_a_429_with_advice_and_a_signed_refusal(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client)
    reply = await room.ask(client, room.press(yubikey))
    assert reply.status == Status.OPERATION_NOT_ALLOWED
    assert reply.verdict.limit == LimitAdvice(
        policy_name="default", quota=5, window_s=1, remaining=0, retry_after_s=1
    )


async def test_a_throttled_otp_stays_valid(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client)
    otp = room.press(yubikey)
    assert (await room.ask(client, otp)).verdict.limit is not None
    room.clock.pass_by(0.1)
    assert (await room.ask(client, otp)).status == Status.OK


async def test_exactly_the_budget_is_admitted(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(5):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    for wait, admitted in ((0.0, 0), (0.099, 0), (0.001, 1), (0.3, 3), (60.0, 5)):
        room.clock.pass_by(wait)
        got = [(await room.ask(client, room.press(yubikey))).status for _ in range(admitted + 1)]
        assert got == [Status.OK] * admitted + [Status.OPERATION_NOT_ALLOWED]


async def test_bad_otps_are_charged_too_and_the_limit_outranks_them(room: Room) -> None:
    client = await room.client()
    await exhaust(room, client)
    reply = await room.ask(client, "c" * 44, nonce="z" * 16)
    assert reply.status == Status.OPERATION_NOT_ALLOWED
    assert reply.verdict.limit is not None


async def test_strangers_cannot_spend_the_budget_of_signed_requests(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client, signed=False)
    assert (await room.ask(client, room.press(yubikey), signed=False)).verdict.limit is not None
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_unsigned_requests_from_another_network_have_a_budget_of_their_own(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client, signed=False)
    neighbour = Source("192.0.2.200", exempt=False)
    otp = room.press(yubikey)
    assert (await room.ask(client, otp, signed=False, source=neighbour)).verdict.limit is not None
    reply = await room.ask(client, otp, signed=False, source=ELSEWHERE)
    assert reply.status == Status.OK


@pytest.mark.parametrize("fault", ["signature", "form", "client"])
async def test_requests_that_prove_nothing_cost_the_client_nothing(room: Room, fault: str) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(10):
        if fault == "signature":
            await room.ask(client, "c" * 44, key=EMPTY_KEY)
        elif fault == "form":
            await room.ask(client, "c" * 44, nonce="x")
        else:
            await room.ask(Client(99, EMPTY_KEY), "c" * 44)
    assert not room.store.batches
    for _ in range(5):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_one_otp_and_nonce_asked_of_several_urls_costs_one_session(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(5):
        otp = room.press(yubikey)
        statuses = [(await room.ask(client, otp)).status for _ in range(4)]
        assert statuses == [Status.OK] + [Status.REPLAYED_REQUEST] * 3
    assert (await room.ask(client, room.press(yubikey))).verdict.limit is not None


async def test_a_repeated_session_is_answered_even_over_the_limit(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    assert (await room.ask(client, otp, nonce="first" * 4)).status == Status.OK
    for number in range(4):
        assert (await room.ask(client, otp, nonce=f"{number:016d}")).status == Status.REPLAYED_OTP
    assert (await room.ask(client, otp, nonce="another" * 3)).verdict.limit is not None
    assert (await room.ask(client, otp, nonce="first" * 4)).status == Status.REPLAYED_REQUEST
    assert (await room.ask(client, otp, nonce=f"{0:016d}")).status == Status.REPLAYED_OTP


async def test_a_bad_otp_asked_again_in_the_same_session_is_free(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(20):
        assert (await room.ask(client, "c" * 44)).status == Status.BAD_OTP
    for _ in range(4):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    assert (await room.ask(client, room.press(yubikey))).verdict.limit is not None


async def test_a_known_refusal_asks_neither_vault_nor_store_again(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client)
    otp = room.press(yubikey)
    assert (await room.ask(client, otp)).verdict.limit is not None
    seen = len(room.store.batches), room.store.key_reads
    assert (await room.ask(client, otp)).verdict.limit is not None
    assert (len(room.store.batches), room.store.key_reads) == seen


async def test_a_limit_raised_by_an_operator_holds_within_a_second(
    open_room: OpenRoom,
) -> None:
    room = await open_room(policy=Policy(Rate.per_second(1, 1), Rate.per_day(1)))
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    refused = await room.ask(client, room.press(yubikey))
    assert refused.verdict.limit is not None
    assert refused.verdict.limit.retry_after_s == 86_400
    view = await room.clients.limit(client.client_id, rate=100, burst=100, cause=CAUSE)
    assert isinstance(view, ClientView)
    room.clock.pass_by(1)
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_advice_counts_down_while_the_refusal_is_remembered(open_room: OpenRoom) -> None:
    room = await open_room(policy=Policy(Rate(3_000_000, 0), UNLIMITED))
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    otp = room.press(yubikey)
    advised = []
    for _ in range(4):
        reply = await room.ask(client, otp)
        assert reply.verdict.limit is not None
        advised.append(reply.verdict.limit.retry_after_s)
        room.clock.pass_by(0.7)
    assert advised == [3, 3, 2, 1]


async def test_shadow_mode_lets_through_what_it_would_refuse(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.clients.limit(client.client_id, rate=10, burst=5, shadow=True, cause=CAUSE)
    replies = [await room.ask(client, room.press(yubikey)) for _ in range(7)]
    assert [reply.status for reply in replies] == [Status.OK] * 7
    assert [reply.verdict.shadowed for reply in replies] == [False] * 5 + [True] * 2
    assert all(reply.verdict.limit is None for reply in replies)


async def test_a_clock_that_jumped_forward_and_back_blocks_nobody(room: Room) -> None:
    """S21, as far as the limit goes."""
    client, yubikey = await room.client(), await room.yubikey()
    room.clock.set_wall(3600)
    for _ in range(5):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    room.clock.set_wall(-3600)
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_a_source_over_its_rate_is_refused_before_its_request_is_read(
    open_room: OpenRoom,
) -> None:
    room = await open_room(settings=VerifierSettings(source_rate=Rate.per_second(2, 4)))
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(4):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    otp = room.press(yubikey)
    reply = await room.ask(client, otp, answered_by=EMPTY_KEY)
    assert reply.status == Status.OPERATION_NOT_ALLOWED
    assert reply.verdict.limit == LimitAdvice("source", 4, 2, 0, 1)
    assert reply.answer.otp is None
    assert (await room.ask(client, otp, source=ELSEWHERE)).status == Status.OK
    room.clock.pass_by(0.5)
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_a_client_near_its_limit_is_told_of_once_a_minute(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(3):
        await room.ask(client, room.press(yubikey))
    assert room.log.at("warning") == []
    await room.ask(client, room.press(yubikey))
    await room.ask(client, room.press(yubikey))
    assert room.log.at("warning") == ["client_near_its_limit"]
    room.clock.pass_by(60)
    for _ in range(4):
        await room.ask(client, room.press(yubikey), source=STRANGER)
    assert room.log.at("warning") == ["client_near_its_limit"] * 2


async def test_in_protocol_1_every_request_is_a_session(room: Room) -> None:
    """Without a nonce nothing tells a request asked twice from a replay, so both pay."""
    client, yubikey = await room.client(), await room.yubikey()
    query = sign_query({"id": str(client.client_id), "otp": room.press(yubikey)}, client.key)
    verdicts = [await room.verifier.verify(query, Protocol.V1, STRANGER) for _ in range(7)]
    assert [verdict.status for verdict in verdicts] == [
        Status.OK,
        *[Status.REPLAYED_OTP] * 4,
        *[Status.OPERATION_NOT_ALLOWED] * 2,
    ]


async def test_requests_of_one_session_side_by_side_pay_once(room: Room) -> None:
    client = await room.client()
    for number in range(5):
        replies = await asyncio.gather(
            *(room.ask(client, "c" * 44, nonce=f"{number:016d}") for _ in range(4))
        )
        assert [reply.status for reply in replies] == [Status.BAD_OTP] * 4
    assert (await room.ask(client, "c" * 44, nonce="n" * 16)).verdict.limit is not None


async def test_a_refused_session_lets_nobody_of_it_through_for_nothing(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await exhaust(room, client)
    otp = room.press(yubikey)
    replies = await asyncio.gather(*(room.ask(client, otp) for _ in range(8)))
    assert all(reply.verdict.limit is not None for reply in replies)
