"""What breaks on our side: BACKEND_ERROR, never a wrong OK, and service again afterwards."""

import asyncio
from collections.abc import Callable

import pytest

from server.otp.batcher import Batcher
from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.otp.settings import VerifierSettings
from tests.server.faulty_store import turn
from tests.server.otp.conftest import OpenRoom
from tests.server.otp.room import STRANGER, Room, read_reply, sign_query
from tests.server.storage.keepers import Keeper, MemoryKeeper
from validation.gcra import Policy
from validation.request import Protocol
from validation.status import Status


@pytest.fixture
def keep() -> Callable[[Policy], Keeper]:
    """Return the store in memory: it does its work within a turn of the loop, no thread's."""
    return MemoryKeeper


async def test_a_store_that_refuses_is_backend_error_and_the_otp_stays_valid(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    room.store.fail_before = StoreUnavailableError("the disk is full")
    for _ in range(3):
        assert (await room.ask(client, otp)).status == Status.BACKEND_ERROR
    room.store.fail_before = None
    assert (await room.ask(client, otp)).status == Status.OK


async def test_an_unknown_outcome_is_backend_error_and_never_becomes_ok(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    room.store.fail_after = UnknownOutcomeError("the connection broke during the commit")
    assert (await room.ask(client, otp)).status == Status.BACKEND_ERROR
    room.store.fail_after = None
    assert (await room.ask(client, otp)).status == Status.REPLAYED_REQUEST
    assert (await room.ask(client, otp, nonce="n" * 20)).status == Status.REPLAYED_OTP


async def test_a_keeper_that_breaks_its_promise_is_an_unknown_outcome(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    room.store.fail_after = ZeroDivisionError("a bug in the keeper")
    assert (await room.ask(client, room.press(yubikey))).status == Status.BACKEND_ERROR
    assert room.log.lines[0].event == "store_outcome_unknown"
    assert room.log.lines[0].fields["cause"] == "ZeroDivisionError"
    room.store.fail_after = None
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_an_alarm_is_told_once_not_per_request_and_its_end_too(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    room.store.fail_before = StoreUnavailableError("away")
    for _ in range(50):
        await room.ask(client, room.press(yubikey))
    assert room.log.at("error") == ["store_unavailable"]
    room.store.fail_before = None
    room.clock.pass_by(10)
    await room.ask(client, room.press(yubikey))
    await room.ask(client, room.press(yubikey))
    assert [line for line in room.log.lines if line.event == "recovered"] == [
        ("info", "recovered", {"alarm": "store_unavailable", "times": 50})
    ]


@pytest.mark.parametrize(("asked_for", "seconds"), [("1", 1), ("0", 1), ("3", 3), ("900", 5)])
async def test_a_verification_ends_by_the_shorter_of_both_deadlines(
    room: Room, asked_for: str, seconds: int
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    room.store.hold()
    asked = asyncio.create_task(room.ask(client, room.press(yubikey), timeout=asked_for))
    await turn()
    room.clock.pass_by(seconds - 0.01)
    room.verifier.deadlines.sweep()
    await turn()
    assert not asked.done()
    room.clock.pass_by(0.02)
    room.verifier.deadlines.sweep()
    assert (await asked).status == Status.BACKEND_ERROR
    room.store.release()
    assert room.log.at("error") == ["deadline_passed"]


async def test_without_a_timeout_the_servers_deadline_holds(open_room: OpenRoom) -> None:
    room = await open_room(settings=VerifierSettings(deadline_s=0.01))
    client, yubikey = await room.client(), await room.yubikey()
    room.store.hold()
    asked = asyncio.create_task(room.ask(client, room.press(yubikey)))
    await turn()
    room.clock.pass_by(1)
    assert (await asked).status == Status.BACKEND_ERROR  # by the timer, which nobody moved
    room.store.release()


async def test_an_entry_late_before_its_batch_began_consumes_nothing(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    other = await room.yubikey("ccccccccccbb")
    room.store.hold()
    in_flight = asyncio.create_task(room.ask(client, room.press(yubikey), timeout="5"))
    await turn()
    otp = room.press(other)
    waiting = asyncio.create_task(room.ask(client, otp, timeout="1"))
    await turn()
    room.clock.pass_by(1)
    room.verifier.deadlines.sweep()
    assert (await waiting).status == Status.BACKEND_ERROR
    room.store.release()
    assert (await in_flight).status == Status.OK
    assert (await room.ask(client, otp)).status == Status.OK


async def test_an_entry_late_in_flight_is_of_unknown_outcome_and_is_consumed(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    room.store.hold()
    asked = asyncio.create_task(room.ask(client, otp, timeout="1"))
    await turn()
    room.clock.pass_by(1)
    room.verifier.deadlines.sweep()
    assert (await asked).status == Status.BACKEND_ERROR
    room.store.release()
    await turn()
    assert (await room.ask(client, otp, nonce="m" * 16)).status == Status.REPLAYED_OTP


async def test_a_directory_that_hangs_ends_with_the_deadline(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    room.store.hold_reads()
    asked = asyncio.create_task(room.verdict(client, otp))
    malformed = asyncio.create_task(room.verdict(client, otp, nonce="x"))
    await turn()
    room.clock.pass_by(5)
    room.verifier.deadlines.sweep()
    assert (await asked).status == Status.BACKEND_ERROR
    assert (await malformed).status == Status.MISSING_PARAMETER
    room.store.release_reads()
    assert (await room.ask(client, otp)).status == Status.OK


@pytest.mark.parametrize("when", ["before its batch", "in flight"])
async def test_a_client_that_hangs_up_breaks_nothing(room: Room, when: str) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    other = await room.yubikey("ccccccccccbb")
    room.store.hold()
    if when == "before its batch":
        first = asyncio.create_task(room.ask(client, room.press(other)))
        await turn()
    otp = room.press(yubikey)
    gone = asyncio.create_task(room.ask(client, otp))
    await turn()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    room.store.release()
    if when == "before its batch":
        assert (await first).status == Status.OK
        assert (await room.ask(client, otp)).status == Status.OK
    else:
        await turn()
        assert (await room.ask(client, otp)).status == Status.REPLAYED_REQUEST
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_hanging_up_while_others_share_the_read_leaves_them_alone(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    room.store.hold_reads()
    asked = [asyncio.create_task(room.ask(client, room.press(yubikey))) for _ in range(4)]
    await turn()
    asked[0].cancel()
    await turn()
    room.store.release_reads()
    replies = await asyncio.gather(*asked[1:])
    assert [reply.status for reply in replies] == [Status.OK] * 3
    assert asked[0].cancelled()


async def test_too_much_waiting_is_backend_error_at_once_and_consumes_nothing(room: Room) -> None:
    batcher = Batcher(room.store, clock=room.clock, queue_limit=2)
    worker = room.worker(batcher)
    client = await room.client()
    yubikeys = [await room.yubikey("ccccccccccb" + letter) for letter in "cbde"]
    for yubikey in yubikeys:  # so that nothing below waits for a read
        assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    room.store.hold()
    in_flight = asyncio.create_task(room.ask(client, room.press(yubikeys[0]), worker=worker))
    await turn()
    waiting = [
        asyncio.create_task(room.ask(client, room.press(yubikey), worker=worker))
        for yubikey in yubikeys[1:3]
    ]
    await turn()
    otp = room.press(yubikeys[3])
    assert (await room.ask(client, otp, worker=worker)).status == Status.BACKEND_ERROR
    assert room.log.at("error") == ["verifications_shed"]
    room.store.release()
    assert [(await task).status for task in (in_flight, *waiting)] == [Status.OK] * 3
    assert (await room.ask(client, otp, worker=worker)).status == Status.OK


async def test_after_closing_what_was_accepted_is_answered_and_the_rest_refused(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    other = await room.yubikey("ccccccccccbb")
    room.store.hold()
    accepted = [
        asyncio.create_task(room.ask(client, room.press(key))) for key in (yubikey, yubikey, other)
    ]
    await turn()
    closing = asyncio.create_task(room.batcher.close())
    await turn()
    assert not closing.done()
    late = room.press(other)
    assert (await room.ask(client, late)).status == Status.BACKEND_ERROR
    room.store.release()
    await closing
    assert [(await task).status for task in accepted] == [Status.OK] * 3
    assert not room.log.at("error")


async def test_backend_error_during_a_rotation_is_signed_with_the_key_that_asked(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    new = await room.rotate(client)
    room.store.fail_before = StoreUnavailableError("away")
    assert (await room.ask(new, room.press(yubikey))).status == Status.BACKEND_ERROR
    assert (await room.ask(client, room.press(yubikey))).status == Status.BACKEND_ERROR


async def test_protocol_1_gets_its_form_of_a_backend_error_too(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    room.store.fail_before = StoreUnavailableError("away")
    query = sign_query({"id": str(client.client_id), "otp": room.press(yubikey)}, client.key)
    # The first request finds nothing in memory; its client is known all the same.
    for _ in range(2):
        reply = read_reply(await room.verifier.verify(query, Protocol.V1, STRANGER), client.key)
        assert reply.status == Status.BACKEND_ERROR
        assert reply.answer.otp is None
