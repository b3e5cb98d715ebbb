"""Every status of the protocol, and what its answer holds."""

import pytest

from server.otp.settings import VerifierSettings
from server.otp.verify import Source
from tests.server.acts import CAUSE
from tests.server.otp.conftest import OpenRoom
from tests.server.otp.room import NONCE, STRANGER, Client, Room, read_reply, sign_query
from tests.server.still_clock import NOW_US
from tests.server.storage.keepers import Keeper
from validation.request import Protocol
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

FOREIGN = "ccccccccccbb" + "c" * 32


async def test_a_fresh_otp_is_ok_and_the_answer_echoes_the_request(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    reply = await room.ask(client, otp)
    assert reply.status == Status.OK
    assert reply.answer.otp == otp
    assert reply.answer.nonce == NONCE
    assert reply.answer.sync_level == 100
    assert reply.answer.time_us == NOW_US
    assert (reply.answer.clock, reply.answer.session, reply.answer.use) == (None, None, None)
    assert reply.verdict.client_id == client.client_id
    assert reply.verdict.public_id == yubikey.public_id
    assert reply.verdict.limit is None
    assert not reply.verdict.shadowed


async def test_timestamp_adds_the_keys_counters_to_an_ok(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    yubikey.wait(100)
    otp = room.press(yubikey)
    answer = (await room.ask(client, otp, timestamp="1")).answer
    assert (answer.clock, answer.session, answer.use) == (100, 1, 0)
    answer = (await room.ask(client, otp, timestamp="1", nonce="q" * 20)).answer
    assert answer.status is Status.REPLAYED_OTP
    assert (answer.clock, answer.session, answer.use, answer.sync_level) == (None,) * 4


async def test_protocol_1_answers_without_otp_nonce_and_sl(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    query = sign_query(
        {"id": str(client.client_id), "otp": room.press(yubikey), "timestamp": "1"}, client.key
    )
    reply = read_reply(await room.verifier.verify(query, Protocol.V1, STRANGER), client.key)
    assert reply.status == Status.OK
    assert (reply.answer.otp, reply.answer.nonce, reply.answer.sync_level) == (None,) * 3
    assert reply.answer.session == 1
    again = read_reply(await room.verifier.verify(query, Protocol.V1, STRANGER), client.key)
    assert again.status == Status.REPLAYED_OTP


async def test_the_otp_is_echoed_exactly_as_it_was_sent(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey).upper()
    reply = await room.ask(client, otp)
    assert reply.status == Status.OK
    assert reply.answer.otp == otp


@pytest.mark.parametrize("public_id", ["", "c", "cbdefghijklnrtuv"])
async def test_public_ids_of_0_to_16_letters_validate(room: Room, public_id: str) -> None:
    client, yubikey = await room.client(), await room.yubikey(public_id)
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_a_key_nobody_knows_is_bad_otp(room: Room) -> None:
    client = await room.client()
    assert (await room.ask(client, FOREIGN)).status == Status.BAD_OTP


async def test_an_otp_of_another_key_under_this_public_id_is_bad_otp(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    other = await room.yubikey("ccccccccccbb")
    otp = yubikey.public_id + room.press(other)[-32:]
    assert (await room.ask(client, otp)).status == Status.BAD_OTP


async def test_a_disabled_key_is_bad_otp(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.keys.disable(yubikey.public_id, cause=CAUSE)
    assert (await room.ask(client, room.press(yubikey))).status == Status.BAD_OTP


async def test_an_otp_accepted_before_is_replayed_otp(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    first, second = room.press(yubikey), room.press(yubikey)
    assert (await room.ask(client, second)).status == Status.OK
    assert (await room.ask(client, second, nonce="n" * 16)).status == Status.REPLAYED_OTP
    assert (await room.ask(client, first)).status == Status.REPLAYED_OTP


async def test_the_same_otp_and_nonce_is_replayed_request(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    assert (await room.ask(client, otp)).status == Status.OK
    assert (await room.ask(client, otp)).status == Status.REPLAYED_REQUEST


async def test_an_otp_held_back_is_delayed_for_a_client_with_the_phishing_test(room: Room) -> None:
    careful, careless = await room.client(phishing_test=True), await room.client()
    yubikey = await room.yubikey()
    assert (await room.ask(careful, room.press(yubikey))).status == Status.OK
    otp = room.press(yubikey)
    room.clock.pass_by(3600)
    assert (await room.ask(careful, otp)).status == Status.DELAYED_OTP
    assert (await room.ask(careless, otp)).status == Status.OK


async def test_a_wrong_signature_is_bad_signature_signed_with_the_real_key(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    reply = await room.ask(client, room.press(yubikey), key=ApiKey(b"another key"))
    assert reply.status == Status.BAD_SIGNATURE


async def test_an_unsigned_request_is_served_unless_the_client_wants_signed_ones(
    room: Room,
) -> None:
    easy, strict = await room.client(), await room.client(signed_only=True)
    yubikey = await room.yubikey()
    assert (await room.ask(easy, room.press(yubikey), signed=False)).status == Status.OK
    otp = room.press(yubikey)
    assert (await room.ask(strict, otp, signed=False)).status == Status.BAD_SIGNATURE
    assert (await room.ask(strict, otp)).status == Status.OK


async def test_an_empty_signature_counts_as_unsigned(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    query = f"id={client.client_id}&otp={room.press(yubikey)}&nonce={NONCE}&h="
    verdict = await room.verifier.verify(query, Protocol.V2, STRANGER)
    assert read_reply(verdict, client.key).status == Status.OK


async def test_an_unknown_client_is_no_such_client_signed_with_the_empty_key(room: Room) -> None:
    yubikey = await room.yubikey()
    nobody = Client(4711, EMPTY_KEY)
    reply = await room.ask(nobody, room.press(yubikey))
    assert reply.status == Status.NO_SUCH_CLIENT
    assert reply.answer.nonce == NONCE
    assert reply.verdict.client_id == 4711


async def test_a_disabled_client_is_not_allowed_without_a_429(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.clients.disable(client.client_id, cause=CAUSE)
    reply = await room.ask(client, room.press(yubikey))
    assert reply.status == Status.OPERATION_NOT_ALLOWED
    assert reply.verdict.limit is None


async def test_a_malformed_request_of_a_known_client_is_signed_with_its_key(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    reply = await room.ask(client, room.press(yubikey), nonce="short")
    assert reply.status == Status.MISSING_PARAMETER
    assert reply.answer.nonce is None
    assert reply.answer.otp is not None
    assert (await room.ask(client, "no otp at all")).status == Status.BAD_OTP


@pytest.mark.parametrize("query", ["", "id=0", "id=77&otp=x&nonce=y", "\x00\udcff", b"\xff=%"])
async def test_a_malformed_request_of_nobody_is_signed_with_the_empty_key(
    room: Room, query: str | bytes
) -> None:
    verdict = await room.verifier.verify(query, Protocol.V2, STRANGER)
    assert read_reply(verdict).status == Status.MISSING_PARAMETER


async def test_more_certainty_than_we_have_is_not_enough_answers_and_consumes_nothing(
    open_room: OpenRoom,
) -> None:
    room = await open_room(settings=VerifierSettings(guaranteed_sync_level=50))
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    assert (await room.ask(client, otp, sl="51")).status == Status.NOT_ENOUGH_ANSWERS
    assert not room.store.batches
    reply = await room.ask(client, otp, sl="50")
    assert reply.status == Status.OK
    assert reply.answer.sync_level == 50


async def test_the_signature_is_checked_before_the_sync_level(open_room: OpenRoom) -> None:
    room = await open_room(settings=VerifierSettings(guaranteed_sync_level=50))
    client, yubikey = await room.client(), await room.yubikey()
    reply = await room.ask(client, room.press(yubikey), sl="100", key=ApiKey(b"another"))
    assert reply.status == Status.BAD_SIGNATURE


async def test_s6_a_key_without_counters_is_backend_error(room: Room, keeper: Keeper) -> None:
    """Fail closed: without counters every OTP of the key would look fresh."""
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    await keeper.lose_counters(yubikey.public_id)
    assert (await room.ask(client, room.press(yubikey))).status == Status.BACKEND_ERROR
    assert room.log.at("error") == ["counter_missing"]


async def test_during_a_rotation_both_keys_verify_and_each_signs_its_own_answers(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    new = await room.rotate(client)
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    assert (await room.ask(new, room.press(yubikey))).status == Status.OK
    unsigned = await room.ask(client, room.press(yubikey), signed=False)
    assert unsigned.status == Status.OK  # signed with the oldest live key
    await room.clients.finish_rotation(client.client_id, cause=CAUSE)
    otp = room.press(yubikey)
    reply = await room.ask(client, otp, answered_by=new.key)
    assert reply.status == Status.BAD_SIGNATURE
    assert (await room.ask(new, otp)).status == Status.OK


async def test_loopback_may_be_exempt_from_the_limit_per_source(open_room: OpenRoom) -> None:
    room = await open_room()
    client, yubikey = await room.client(), await room.yubikey()
    local = Source("127.0.0.1", exempt=True)
    for _ in range(1100):
        reply = await room.ask(client, "x", source=local)
    assert reply.status == Status.BAD_OTP
    assert (await room.ask(client, room.press(yubikey), source=local)).status == Status.OK
