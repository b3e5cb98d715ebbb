"""Whose usage an answer is: a client's that is there, and nobody's when it may not be."""

import asyncio

import pytest

from server.otp.ports import StoreUnavailableError
from server.otp.settings import VerifierSettings
from tests.server.acts import CAUSE
from tests.server.faulty_store import turn
from tests.server.otp.conftest import OpenRoom
from tests.server.otp.room import STRANGER, Client, Room
from validation.gcra import UNLIMITED, Policy, Rate
from validation.request import Protocol
from validation.signature import ApiKey
from validation.status import Status

FOREIGN = ApiKey(b"another key, somebody else's")


async def test_a_clients_answers_are_its_own_whatever_they_say(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    verdicts = [
        await room.verdict(client, otp),
        await room.verdict(client, otp),
        await room.verdict(client, otp, nonce="n" * 20),
        await room.verdict(client, "c" * 44),
        await room.verdict(client, otp, key=FOREIGN),
        await room.verdict(client, "no otp"),
    ]
    await room.clients.disable(client.client_id, cause=CAUSE)
    verdicts.append(await room.verdict(client, room.press(yubikey)))
    assert [one.status for one in verdicts] == [
        Status.OK,
        Status.REPLAYED_REQUEST,
        Status.REPLAYED_OTP,
        Status.BAD_OTP,
        Status.BAD_SIGNATURE,
        Status.BAD_OTP,
        Status.OPERATION_NOT_ALLOWED,
    ]
    assert {one.counted_for for one in verdicts} == {client.client_id}
    assert not any(one.beyond_level for one in verdicts)


async def test_an_answer_over_a_clients_limit_is_its_own(open_room: OpenRoom) -> None:
    room = await open_room(policy=Policy(Rate.per_second(1, 1), UNLIMITED))
    client, yubikey = await room.client(), await room.yubikey()
    verdicts = [await room.verdict(client, room.press(yubikey)) for _ in range(3)]
    assert [one.limit is not None for one in verdicts] == [False, True, True]
    assert {one.counted_for for one in verdicts} == {client.client_id}


async def test_made_up_client_ids_are_nobodys(room: Room) -> None:
    """Else a stranger could make rows, as many as there are numbers."""
    yubikey = await room.yubikey()
    made_up = Client(4711, FOREIGN)
    absent = await room.verdict(made_up, room.press(yubikey))
    assert (absent.status, absent.client_id) == (Status.NO_SUCH_CLIENT, 4711)
    malformed = await room.verifier.verify("id=4711&otp=x", Protocol.V2, STRANGER)
    assert (malformed.status, malformed.client_id) == (Status.MISSING_PARAMETER, 4711)
    room.store.fail_reads = StoreUnavailableError("away")
    broken = await room.verdict(made_up, room.press(yubikey))
    assert (broken.status, broken.client_id) == (Status.BACKEND_ERROR, 4711)
    without = await room.verifier.verify("", Protocol.V2, STRANGER)
    assert [one.counted_for for one in (absent, malformed, broken, without)] == [0] * 4


async def test_what_breaks_is_the_clients_that_had_to_bear_it(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.verdict(client, room.press(yubikey))).status is Status.OK
    room.store.fail_before = room.store.fail_reads = StoreUnavailableError("away")
    broken = await room.verdict(client, room.press(yubikey))
    assert (broken.status, broken.counted_for) == (Status.BACKEND_ERROR, client.client_id)


async def test_an_answer_that_came_too_late_is_the_clients(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.verdict(client, room.press(yubikey))).status is Status.OK
    room.store.hold()
    asked = asyncio.create_task(room.verdict(client, room.press(yubikey)))
    await turn()
    room.clock.pass_by(60)
    room.verifier.deadlines.sweep()
    late = await asked
    room.store.release()
    assert (late.status, late.counted_for) == (Status.BACKEND_ERROR, client.client_id)


async def test_a_source_over_its_limit_is_nobodys(open_room: OpenRoom) -> None:
    room = await open_room(settings=VerifierSettings(source_rate=Rate.per_second(1, 1)))
    client, yubikey = await room.client(), await room.yubikey()
    verdicts = [await room.verdict(client, room.press(yubikey)) for _ in range(2)]
    assert verdicts[1].limit is not None
    assert [one.counted_for for one in verdicts] == [client.client_id, 0]


@pytest.mark.parametrize(("level", "beyond"), [("51", True), ("100", True), ("50", False)])
async def test_a_level_beyond_the_configuration_is_told_apart(
    open_room: OpenRoom, level: str, *, beyond: bool
) -> None:
    room = await open_room(settings=VerifierSettings(guaranteed_sync_level=50))
    client, yubikey = await room.client(), await room.yubikey()
    verdict = await room.verdict(client, room.press(yubikey), sl=level)
    assert verdict.beyond_level is beyond
    assert (verdict.status is Status.NOT_ENOUGH_ANSWERS) is beyond
    assert verdict.counted_for == client.client_id
