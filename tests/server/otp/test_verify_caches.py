"""Memory is never the last word: every change holds with the next request, everywhere."""

import asyncio

import pytest

from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, Vault
from server.otp.ports import Kind, Outcome, StoreUnavailableError
from tests.server.acts import CAUSE
from tests.server.faulty_store import turn
from tests.server.otp.conftest import OpenRoom
from tests.server.otp.room import Client, Room
from tests.server.otp.vaults import ForgetfulVault
from validation.status import Status


async def test_a_key_disabled_is_refused_at_once_by_workers_that_hold_it(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    workers = [room.worker(), room.worker()]
    for worker in workers:
        assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    await room.keys.disable(yubikey.public_id, cause=CAUSE)
    for worker in workers:
        reply = await room.ask(client, room.press(yubikey), worker=worker)
        assert reply.status == Status.BAD_OTP
    await room.keys.enable(yubikey.public_id, cause=CAUSE)
    for worker in workers:
        assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK


async def test_a_client_disabled_is_refused_at_once_by_workers_that_hold_it(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    workers = [room.worker(), room.worker()]
    for worker in workers:
        assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    await room.clients.disable(client.client_id, cause=CAUSE)
    for worker in workers:
        otp = room.press(yubikey)
        for _ in range(2):
            reply = await room.ask(client, otp, worker=worker)
            assert reply.status == Status.OPERATION_NOT_ALLOWED
    await room.clients.enable(client.client_id, cause=CAUSE)
    for worker in workers:
        assert (await room.ask(client, otp, worker=worker)).status in {
            Status.OK,
            Status.REPLAYED_REQUEST,
        }


async def test_a_bad_otp_does_not_outlive_the_enabling_of_its_key(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.keys.disable(yubikey.public_id, cause=CAUSE)
    otp = room.press(yubikey)
    assert (await room.ask(client, otp)).status == Status.BAD_OTP
    await room.keys.enable(yubikey.public_id, cause=CAUSE)
    assert (await room.ask(client, otp)).status == Status.OK


async def test_a_key_imported_after_a_refusal_validates_at_once(room: Room) -> None:
    client = await room.client()
    yubikey = await room.yubikey("ccccccccccbd")
    stranger = room.stranger("ccccccccccbe")
    otp = room.press(stranger.yubikey)
    assert (await room.ask(client, otp)).status == Status.BAD_OTP
    await room.keys.import_ksm(stranger.line, cause=CAUSE)
    assert (await room.ask(client, otp)).status == Status.OK
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


async def test_a_client_made_after_a_refusal_is_served_at_once(room: Room) -> None:
    first, yubikey = await room.client(), await room.yubikey()
    early = Client(first.client_id + 1, first.key)
    otp = room.press(yubikey)
    refused = (await room.verdict(early, otp)).status
    assert refused == Status.NO_SUCH_CLIENT
    second = await room.client()
    assert second.client_id == early.client_id
    assert (await room.ask(second, otp)).status == Status.OK


async def test_a_new_api_key_is_accepted_and_an_ended_one_refused_at_once(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    worker = room.worker()
    assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    new = await room.rotate(client)
    assert (await room.ask(new, room.press(yubikey), worker=worker)).status == Status.OK
    await room.clients.finish_rotation(client.client_id, cause=CAUSE)
    otp = room.press(yubikey)
    reply = await room.ask(client, otp, worker=worker, answered_by=new.key)
    assert reply.status == Status.BAD_SIGNATURE
    assert (await room.ask(new, otp, worker=worker)).status == Status.OK


async def test_signed_only_holds_at_once_and_ends_at_once(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    assert (await room.ask(client, otp, signed=False)).status == Status.OK
    await room.clients.options(client.client_id, signed_only=True, cause=CAUSE)
    otp = room.press(yubikey)
    assert (await room.ask(client, otp, signed=False)).status == Status.BAD_SIGNATURE
    await room.clients.options(client.client_id, signed_only=False, cause=CAUSE)
    assert (await room.ask(client, otp, signed=False)).status == Status.OK


async def test_a_client_and_a_key_that_both_changed_are_read_anew_for_the_same_request(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    worker = room.worker()
    assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    await room.clients.options(client.client_id, signed_only=True, cause=CAUSE)
    await room.keys.disable(yubikey.public_id, cause=CAUSE)
    await room.keys.enable(yubikey.public_id, cause=CAUSE)
    assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK


async def test_a_version_that_stays_stale_is_backend_error_signed_for_the_client(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for kind in (Kind.STALE_CLIENT, Kind.STALE_KEY):
        room.store.answer_with = [Outcome(kind), Outcome(kind)]
        reply = await room.ask(client, room.press(yubikey))
        assert reply.status == Status.BACKEND_ERROR
        assert not room.store.answer_with


async def test_a_read_that_began_before_a_request_refuses_only_those_that_asked_for_it(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.clients.disable(client.client_id, cause=CAUSE)
    otp = room.press(yubikey)
    room.store.hold_reads()
    early = asyncio.create_task(room.ask(client, otp))
    await turn()
    assert room.store.client_reads == 1  # read, and on its way back: still disabled
    await room.clients.enable(client.client_id, cause=CAUSE)
    late = asyncio.create_task(room.ask(client, otp))
    await turn()
    room.store.release_reads()
    assert (await early).status == Status.OPERATION_NOT_ALLOWED
    assert (await late).status == Status.OK


async def test_good_otps_need_no_read_once_client_and_key_are_known(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    for _ in range(5):
        assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    assert (room.store.client_reads, room.store.key_reads) == (1, 1)


async def test_a_record_of_another_row_is_an_alarm_and_backend_error(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    other = await room.yubikey("ccccccccccbb")
    genuine = await room.store.key(yubikey.public_id)
    copied = await room.store.key(other.public_id)
    assert genuine is not None
    assert copied is not None
    room.store.keys[yubikey.public_id] = genuine._replace(record=copied.record)
    otp = room.press(yubikey)
    for _ in range(3):
        assert (await room.ask(client, otp)).status == Status.BACKEND_ERROR
    assert room.log.at("error") == ["sealed_record_refused"]
    room.store.keys.clear()
    room.clock.pass_by(5)
    assert (await room.ask(client, otp)).status == Status.OK
    assert "recovered" in room.log.at("info")


@pytest.mark.parametrize("what", ["api key", "otp key"])
async def test_a_vault_that_does_not_answer_is_backend_error_and_consumes_nothing(
    open_room: OpenRoom, what: str
) -> None:
    vaults: list[ForgetfulVault] = []

    def between(vault: Vault) -> Vault:
        vaults.append(ForgetfulVault(vault))
        return vaults[0]

    room = await open_room(vault=between)
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    vaults[0].unavailable = {what}
    status = (await room.verdict(client, otp)).status
    assert status == Status.BACKEND_ERROR
    assert not room.store.batches
    assert room.log.at("error") == ["vault_unavailable"]
    vaults[0].unavailable = set()
    assert (await room.ask(client, otp)).status == Status.OK


async def test_a_store_that_cannot_be_read_is_backend_error_and_recovers(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    otp = room.press(yubikey)
    room.store.fail_reads = StoreUnavailableError("the database is away")
    assert (await room.verdict(client, otp)).status == Status.BACKEND_ERROR
    assert (await room.verdict(client, otp, nonce="x")).status == Status.MISSING_PARAMETER
    room.store.fail_reads = None
    assert (await room.ask(client, otp)).status == Status.OK
    assert room.log.at("error") == ["store_unavailable"]


async def test_a_secret_replaced_under_a_held_record_is_found_before_bad_otp_is_said(
    room: Room,
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    stranger = room.stranger(yubikey.public_id)
    record = await room.vault.seal_otp_key(OtpKeyBinding(yubikey.public_id, 2), stranger.secrets)
    genuine = await room.store.key(yubikey.public_id)
    assert genuine is not None
    room.store.keys[yubikey.public_id] = genuine._replace(record=record, generation=2)
    stranger.yubikey.power_up()
    assert (await room.ask(client, room.press(stranger.yubikey))).status == Status.OK


async def test_the_vault_refuses_a_record_under_another_binding(room: Room) -> None:
    """What the tests above rest on."""
    secrets = OtpKeySecrets(bytes(16), bytes(6))
    record = await room.vault.seal_otp_key(OtpKeyBinding("cc", 1), secrets)
    with pytest.raises(RecordRefusedError):
        await room.vault.open_otp(OtpKeyBinding("cc", 2), record, bytes(16))
