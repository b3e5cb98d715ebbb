"""The security cases that verification itself must hold, by their ids."""

import asyncio
import random

import pytest

from server.otp.batcher import Batcher
from server.otp.verify import Verifier
from tests.server.acts import CAUSE
from tests.server.otp.room import NONCE, STRANGER, Client, Room, read_reply
from validation.modhex import ALPHABET
from validation.otp import OtpFields
from validation.request import Protocol
from validation.status import Status


@pytest.mark.parametrize("nonces", ["one nonce", "mixed nonces"])
async def test_s1_one_otp_in_16_parallel_requests_on_three_nodes_is_ok_once(
    room: Room, nonces: str
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    workers = [room.verifier, room.worker(), room.worker()]
    dice = random.Random(7)  # noqa: S311 - reproducible rounds
    for _ in range(50):
        otp = room.press(yubikey)
        asked = []
        for number in range(16):
            nonce = NONCE if nonces == "one nonce" else f"{dice.randrange(4):016d}"
            asked.append(room.ask(client, otp, nonce=nonce, worker=workers[number % 3]))
        statuses = [reply.status for reply in await asyncio.gather(*asked)]
        assert statuses.count(Status.OK) == 1
        expected = {Status.OK, Status.REPLAYED_REQUEST}
        if nonces == "mixed nonces":
            expected.add(Status.REPLAYED_OTP)
        assert set(statuses) <= expected


async def test_s2_no_parameter_however_odd_raises(room: Room) -> None:
    client = await room.client()
    odd = ["", "\0", "'; DROP TABLE keys; --", "\u202e", "%", "%zz", "a" * 100_000, "é" * 40]
    for value in odd:
        for name in ("id", "otp", "nonce", "h", "sl", "timeout", "timestamp", "x"):
            parameters = {"id": str(client.client_id), "otp": "c" * 44, "nonce": NONCE}
            parameters[name] = value
            query = "&".join(f"{key}={value}" for key, value in parameters.items())
            for text in (query, query.encode("utf-8", "surrogatepass")):
                verdict = await room.verifier.verify(text, Protocol.V2, STRANGER)
                assert verdict.status is not Status.OK
                assert verdict.body.count(b"status=") == 1


@pytest.mark.parametrize(
    "injected", ["%0d%0a", "%0astatus=OK", "%0d%0astatus%3dOK", "\r\nstatus=OK"]
)
@pytest.mark.parametrize("where", ["otp", "nonce", "id"])
async def test_s3_line_breaks_in_parameters_never_reach_an_answer(
    room: Room, injected: str, where: str
) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    parameters = {"id": str(client.client_id), "otp": room.press(yubikey), "nonce": NONCE}
    parameters[where] += injected
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    verdict = await room.verifier.verify(query, Protocol.V2, STRANGER)
    assert verdict.status is not Status.OK
    assert verdict.body.count(b"status=") == 1
    assert b"status=OK" not in verdict.body


async def test_s4_unknown_public_ids_leave_no_trace_in_the_store(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    dice = random.Random(4)  # noqa: S311 - reproducible ids
    for _ in range(200):
        otp = "".join(dice.choices(ALPHABET, k=44))
        assert (await room.ask(client, otp)).status == Status.BAD_OTP
    assert [key.public_id for key in await room.keys.list(None, 1000)] == [yubikey.public_id]


async def test_s5_counters_order_otps_as_a_pair(room: Room) -> None:
    client = await room.client()
    made = room.stranger("ccccccccccbb")
    await room.keys.import_ksm(made.line, cause=CAUSE)
    yubikey = made.yubikey
    yubikey.session, yubikey.use = 5, 200
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    for session, use, status in (
        (5, 200, Status.REPLAYED_OTP),
        (5, 199, Status.REPLAYED_OTP),
        (4, 255, Status.REPLAYED_OTP),
        (5, 201, Status.OK),
        (6, 0, Status.OK),
        (0x7FFF, 255, Status.OK),
    ):
        yubikey.session, yubikey.use = session, use
        assert (await room.ask(client, room.press(yubikey), nonce="s" * 16)).status == status


async def test_s5_a_session_counter_no_key_can_have_is_refused(room: Room) -> None:
    client = await room.client()
    made = room.stranger("ccccccccccbb")
    await room.keys.import_ksm(made.line, cause=CAUSE)
    otp = room.seal(made, OtpFields(made.secrets.private_id, 0x8000, 0, 0, 0))
    assert (await room.ask(client, otp)).status == Status.BAD_OTP
    otp = room.seal(made, OtpFields(made.secrets.private_id, 0x7FFF, 0, 0, 0))
    assert (await room.ask(client, otp)).status == Status.OK


async def test_s12_requests_for_one_key_never_touch_another(room: Room) -> None:
    client, mine = await room.client(), await room.yubikey()
    yours = await room.yubikey("ccccccccccbb")
    before = await room.keys.show(yours.public_id)
    otps = [room.press(mine), "c" * 44, yours.public_id + room.press(mine)[-32:]]
    for otp in otps:
        for signed in (True, False):
            await room.ask(client, otp, signed=signed)
    assert await room.keys.show(yours.public_id) == before
    assert (await room.ask(client, room.press(yours))).status == Status.OK


async def test_s12_no_identity_is_learned_on_first_use(room: Room) -> None:
    client = await room.client()
    made = room.stranger("ccccccccccbd")
    for _ in range(3):
        assert (await room.ask(client, room.press(made.yubikey))).status == Status.BAD_OTP
    assert not await room.keys.list(None, 10)
    nobody = Client(client.client_id + 1, client.key)
    assert (await room.verdict(nobody, "c" * 44)).status == Status.NO_SUCH_CLIENT


async def test_s10_no_secret_part_of_a_request_reaches_a_log_line(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    await room.clients.limit(client.client_id, rate=1, burst=5, cause=CAUSE)
    otps = [room.press(yubikey) for _ in range(8)]
    nonce = "canarycanarycanary"
    for otp in (*otps, otps[0]):
        await room.ask(client, otp, nonce=nonce)
    await room.ask(client, otps[0], nonce="x" + nonce * 5)
    assert len(room.log.lines) > 3
    written = repr(room.log.lines)
    for secret in (nonce, *(otp[-32:] for otp in otps)):
        assert secret not in written


async def test_s21_no_otp_is_ok_twice_whatever_the_hosts_clock_does(room: Room) -> None:
    client, yubikey = await room.client(phishing_test=True), await room.yubikey()
    accepted = []
    for jump in (3600, -3600, 315_360_000, -630_720_000, -1):
        room.clock.set_wall(jump)
        otp = room.press(yubikey)
        if (await room.ask(client, otp)).status == Status.OK:
            accepted.append(otp)
        for old in accepted:
            assert (await room.ask(client, old, nonce="o" * 16)).status != Status.OK
    assert accepted


async def test_nothing_before_the_counters_consumes_an_otp(room: Room) -> None:
    """P4, by every refusal there is, one after the other, with one and the same OTP."""
    client, strict = await room.client(), await room.client(signed_only=True)
    yubikey = await room.yubikey()
    otp = room.press(yubikey)
    nobody = Client(999, client.key)

    async def refused(worker: Verifier, status: Status, **how: object) -> None:
        assert (await room.ask(client, otp, worker=worker, **how)).status == status  # type: ignore[arg-type]

    for worker in (room.verifier, room.worker()):
        await refused(worker, Status.MISSING_PARAMETER, nonce="short")
        await refused(worker, Status.MISSING_PARAMETER, sl="101")
        await refused(worker, Status.BAD_SIGNATURE, key=strict.key)
        assert (await room.verdict(nobody, otp)).status == Status.NO_SUCH_CLIENT
        assert (await room.ask(strict, otp, signed=False)).status == Status.BAD_SIGNATURE
        await room.clients.disable(client.client_id, cause=CAUSE)
        await refused(worker, Status.OPERATION_NOT_ALLOWED)
        await room.clients.enable(client.client_id, cause=CAUSE)
        await room.keys.disable(yubikey.public_id, cause=CAUSE)
        await refused(worker, Status.BAD_OTP)
        await room.keys.enable(yubikey.public_id, cause=CAUSE)
    busy = room.worker(Batcher(room.store, clock=room.clock, queue_limit=0))
    await refused(busy, Status.BACKEND_ERROR)
    assert (await room.keys.show(yubikey.public_id)).session == -1
    assert (
        read_reply(
            await room.verifier.verify(
                f"id={client.client_id}&otp={otp}&nonce={NONCE}", Protocol.V2, STRANGER
            ),
            client.key,
        ).status
        == Status.OK
    )
