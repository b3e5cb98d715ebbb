"""OTP keys under another key of the HSM: the same OTPs open, the old key is needed no more."""

from collections.abc import AsyncIterator

import pytest

from hsm.device.errors import DeviceRefusedError
from hsm.manifest import validation
from hsm.provisioning.proof import UnprovedRecordError
from hsm.provisioning.rewrap import Rewrapper, make_otp_key, rewrapped
from hsm.seals import seal_of
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError
from tests.strict_house import NEW, OLD, StrictHouse, strict_house
from validation.otp import InvalidOtpError, parse_otp
from validation.virtual import VirtualYubiKey

BINDING = OtpKeyBinding("cccccccccccb", 1)
SECRETS = OtpKeySecrets(b"CANARY-AES-KEY-1", b"CANARY")


@pytest.fixture
async def house() -> AsyncIterator[StrictHouse]:
    async with strict_house() as made:
        yield made


def an_otp() -> bytes:
    yubikey = VirtualYubiKey("", SECRETS.private_id, SECRETS.aes_key, session=4, use=9)
    return parse_otp(yubikey.press(1)).ciphertext


async def test_a_rewrapped_key_opens_the_same_otps_without_the_old_object(
    house: StrictHouse,
) -> None:
    key = house.a_key()
    before, after = await house.vault(OLD, key), await house.vault(NEW, key)
    record = await before.seal_otp_key(BINDING, SECRETS)
    fresh = await rewrapped(after, house.rewrapper(), BINDING, record, NEW)
    assert seal_of(record)[5:] == OLD.to_bytes(2, "big")
    assert seal_of(fresh)[5:] == NEW.to_bytes(2, "big")
    house.delete(OLD)
    fields = await after.open_otp(BINDING, fresh, an_otp())
    assert (fields.session, fields.use) == (4, 9)
    with pytest.raises(InvalidOtpError):
        await after.open_otp(BINDING, fresh, bytes(16))
    assert b"CANARY" not in record + fresh


class Never:
    """A device that must not be asked."""

    async def rewrap(self, source: int, target: int, aead: bytes) -> bytes:
        raise AssertionError((source, target, aead))


async def test_under_another_binding_key_alone_the_device_rewraps_nothing(
    house: StrictHouse,
) -> None:
    old, new = house.a_key(), house.a_key()
    record = await (await house.vault(OLD, old)).seal_otp_key(BINDING, SECRETS)
    fresh = await rewrapped(await house.vault(OLD, new, old), Never(), BINDING, record, OLD)
    assert fresh[7:43] == record[7:43], "the AEAD"
    alone = await house.vault(OLD, new)
    assert (await alone.open_otp(BINDING, fresh, an_otp())).use == 9
    with pytest.raises(RecordRefusedError):
        await alone.open_otp(BINDING, record, an_otp())


@pytest.mark.parametrize(
    "elsewhere", [OtpKeyBinding("cccccccccccd", 1), OtpKeyBinding("cccccccccccb", 2)]
)
async def test_a_record_of_another_row_is_refused_before_a_device_is_asked(
    house: StrictHouse, elsewhere: OtpKeyBinding
) -> None:
    key = house.a_key()
    record = await (await house.vault(OLD, key)).seal_otp_key(BINDING, SECRETS)
    with pytest.raises(RecordRefusedError):
        await rewrapped(await house.vault(NEW, key), Never(), elsewhere, record, NEW)


class Lying:
    """A device, or what stands in its place, that answers anything."""

    async def rewrap(self, source: int, target: int, aead: bytes) -> bytes:
        del source, target
        return aead[:-1] + bytes([aead[-1] ^ 1])


async def test_an_aead_that_does_not_open_is_not_handed_on(house: StrictHouse) -> None:
    key = house.a_key()
    record = await (await house.vault(OLD, key)).seal_otp_key(BINDING, SECRETS)
    liar: Rewrapper = Lying()
    with pytest.raises(UnprovedRecordError, match="nothing was stored"):
        await rewrapped(await house.vault(NEW, key), liar, BINDING, record, NEW)


async def test_a_session_that_ended_is_begun_anew(house: StrictHouse) -> None:
    key = house.a_key()
    rewrapper = house.rewrapper()
    before, after = await house.vault(OLD, key), await house.vault(NEW, key)
    record = await before.seal_otp_key(BINDING, SECRETS)
    await rewrapped(after, rewrapper, BINDING, record, NEW)
    house.clock.now += 60
    fresh = await rewrapped(after, rewrapper, BINDING, record, NEW)
    assert (await after.open_otp(BINDING, fresh, an_otp())).use == 9


async def test_an_object_that_is_not_there_is_the_devices_own_word(house: StrictHouse) -> None:
    key = house.a_key()
    record = await (await house.vault(OLD, key)).seal_otp_key(BINDING, SECRETS)
    vault = await house.vault(0x0109, key)
    with pytest.raises(DeviceRefusedError):
        await rewrapped(vault, house.rewrapper(), BINDING, record, 0x0109)


async def test_a_successor_is_made_like_the_manifests_key(house: StrictHouse) -> None:
    model = validation().object("otp")
    with house.session() as session:
        make_otp_key(session, model, model.id + 2)
    key = house.a_key()
    record = await (await house.vault(OLD, key)).seal_otp_key(BINDING, SECRETS)
    after = await house.vault(model.id + 2, key)
    fresh = await rewrapped(after, house.rewrapper(), BINDING, record, model.id + 2)
    assert (await after.open_otp(BINDING, fresh, an_otp())).use == 9
