"""The admin API on minted keys: what is answered, what is refused, and what is logged."""

import base64

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.provisioning.release import open_release
from tests.server.web.office import Answer, Office
from validation.virtual import VirtualYubiKey

STATION = X25519PrivateKey.generate()
STATION_KEY = STATION.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
WANTED = {
    "order": "order-7",
    "serial": 7,
    "station": "station-1",
    "station_key": STATION_KEY.decode(),
    "public_id": "vvccccccccbd",
}
TAKING = {"order": "order-7", "station": "station-1"}
ONE = "/keys/vvccccccccbd"


def opened(answer: Answer) -> VirtualYubiKey:
    message = base64.b64decode(answer.json["release"], validate=True)
    context, secrets = open_release(
        message, STATION, order="order-7", serial=7, station="station-1", now_us=1
    )
    return VirtualYubiKey(context.public_id, secrets.private_id, secrets.aes_key)


async def test_a_key_goes_its_way_from_minting_to_activation(office: Office) -> None:
    made = await office.call("POST", "/keys/mint", WANTED)
    assert made.status == 201
    assert made.json == {
        "public_id": "vvccccccccbd",
        "generation": 1,
        "order": "order-7",
        "serial": 7,
        "station": "station-1",
        "expires": "2026-11-22T12:00:00Z",
        "created": "2026-11-21T12:00:00Z",
        "release": "offered",
        "state": "pre-activation",
    }
    assert (await office.call("GET", ONE)).json["active"] is False
    taken = await office.call("POST", f"{ONE}/release", TAKING)
    assert (taken.status, set(taken.json)) == (200, {"public_id", "release"})
    otp = opened(taken).press(1)
    active = await office.call("POST", f"{ONE}/activate", {"otp": otp})
    assert (active.status, active.json["state"]) == (200, "active")
    assert (await office.call("GET", f"{ONE}/minting")).json == active.json
    assert (await office.call("GET", ONE)).json["active"] is True


async def test_s22_a_second_fetch_is_a_conflict_that_says_what_to_do(office: Office) -> None:
    await office.call("POST", "/keys/mint", WANTED)
    await office.call("POST", f"{ONE}/release", TAKING)
    again = await office.call("POST", f"{ONE}/release", TAKING)
    assert again.status == 409
    assert "handed out once" in again.json["detail"]
    assert "release" not in again.json


async def test_s22_after_its_expiry_a_release_is_refused_and_the_key_gone(office: Office) -> None:
    await office.call("POST", "/keys/mint", {**WANTED, "expires_minutes": 1})
    office.clock.pass_by(60)
    late = await office.call("POST", f"{ONE}/release", TAKING)
    assert (late.status, "expired" in late.json["detail"]) == (409, True)
    assert (await office.call("GET", ONE)).status == 404
    assert (await office.call("GET", f"{ONE}/minting")).json["state"] == "destroyed"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/keys/mint", {**WANTED, "station_key": "x"}, 422),
        ("/keys/mint", {**WANTED, "serial": -1}, 422),
        ("/keys/mint", {**WANTED, "public_id": "xx"}, 422),
        ("/keys/mint", {**WANTED, "expires_minutes": 0}, 422),
        ("/keys/mint", {**WANTED, "more": 1}, 422),
        (f"{ONE}/release", {**TAKING, "station": "station-2"}, 409),
        (f"{ONE}/release", {**TAKING, "order": "order-8"}, 409),
        (f"{ONE}/release", {"order": "order-7"}, 422),
        (f"{ONE}/activate", {"otp": "c" * 44}, 422),
        (f"{ONE}/activate", {"otp": "vvccccccccbd" + "c" * 32}, 409),
        (f"{ONE}/void", {}, 422),
        (f"{ONE}/void", {"reason": ""}, 422),
        (f"{ONE}/enable", None, 409),
        ("/keys/vvvv/void", {"reason": "x"}, 404),
        ("/keys/vvvv/release", TAKING, 404),
    ],
)
async def test_what_is_not_right_is_refused_and_changes_nothing(
    office: Office, path: str, body: object, status: int
) -> None:
    await office.call("POST", "/keys/mint", WANTED)
    end = await office.store.journal_end()
    refused = await office.call("POST", path, body)
    assert (refused.status, await office.store.journal_end()) == (status, end), refused.json
    yubikey = opened(await office.call("POST", f"{ONE}/release", TAKING))
    assert yubikey.public_id == "vvccccccccbd"


async def test_acts_are_logged_by_public_id_and_no_otp_or_release_with_them(
    office: Office,
) -> None:
    with structlog.testing.capture_logs() as lines:
        await office.call("POST", "/keys/mint", WANTED)
        taken = await office.call("POST", f"{ONE}/release", TAKING)
        otp = opened(taken).press(1)
        await office.call("POST", f"{ONE}/activate", {"otp": otp})
        await office.call("POST", "/keys/mint", {**WANTED, "public_id": "vvcc"})
        await office.call("POST", "/keys/vvcc/void", {"reason": "a test"})
    assert [(one["action"], one["public_id"]) for one in lines] == [
        ("key.mint", "vvccccccccbd"),
        ("key.release", "vvccccccccbd"),
        ("key.activate", "vvccccccccbd"),
        ("key.mint", "vvcc"),
        ("key.void", "vvcc"),
    ]
    assert otp[-32:] not in str(lines)
    assert taken.json["release"] not in str(lines)
