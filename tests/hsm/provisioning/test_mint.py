"""A minted key: its record opens its OTPs, the station alone learns the secret, nobody else."""

import logging
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from yubihsm.core import YubiHsm

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.keyfile import SealingKey
from hsm.provisioning.entropy import MixedRandomness
from hsm.provisioning.mint import mint
from hsm.provisioning.proof import UnprovedRecordError
from hsm.provisioning.release import ReleaseContext, open_release
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets
from validation.otp import OtpFields, parse_otp
from validation.virtual import VirtualYubiKey

KEY = X25519PrivateKey.generate()
CONTEXT = ReleaseContext("order-7", "cccccccccccb", 3, 7, "station-1", 1_000)
RINGS = Rings.single(SealingKey.of(bytes(range(32))))
CANARY = b"CANARY-AES-KEY-1" + b"CANARY"


def vault() -> SealedVault:
    return SealedVault(RINGS)


async def canary(octets: int) -> bytes:
    return CANARY[:octets]


async def test_a_key_minted_of_the_hsms_randomness_validates() -> None:
    session = YubiHsm(EmulatorBackend(Emulator())).create_session_derived(1, "password")
    keeper = vault()
    mixed = MixedRandomness(session.get_pseudo_random)

    async def randomness(octets: int) -> bytes:
        return mixed(octets)

    minted = await mint(keeper, randomness, CONTEXT, KEY.public_key())
    _, secrets = open_release(
        minted.release.format(), KEY, order="order-7", serial=7, station="station-1", now_us=999
    )
    yubikey = VirtualYubiKey(CONTEXT.public_id, secrets.private_id, secrets.aes_key, session=5)
    otp = yubikey.press(1)
    fields = await keeper.open_otp(minted.binding, minted.record, parse_otp(otp).ciphertext)
    assert (fields.session, fields.use) == (5, 0)
    assert minted.binding == OtpKeyBinding("cccccccccccb", 3)
    another = await mint(keeper, randomness, CONTEXT, KEY.public_key())
    assert another.record[17:] != minted.record[17:]


class Forgetful(SealedVault):
    """A keeper that seals another secret than it was given."""

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        return await super().seal_otp_key(binding, OtpKeySecrets(bytes(16), secrets.private_id))


async def test_s22_a_key_whose_record_is_not_proven_is_void() -> None:
    with pytest.raises(UnprovedRecordError, match="nothing was stored"):
        await mint(Forgetful(RINGS), canary, CONTEXT, KEY.public_key())


class Confused(SealedVault):
    """A keeper that opens every OTP to the same fields."""

    async def open_otp(
        self, _binding: OtpKeyBinding, _record: bytes, _ciphertext: bytes
    ) -> OtpFields:
        return OtpFields(bytes(6), 1, 2, 3, 4)


async def test_a_keeper_that_says_anything_proves_nothing() -> None:
    with pytest.raises(UnprovedRecordError):
        await mint(Confused(RINGS), canary, CONTEXT, KEY.public_key())


async def test_a_context_of_the_wrong_form_makes_no_secret() -> None:
    async def never(_: int) -> bytes:
        raise AssertionError("randomness was drawn")

    with pytest.raises(ValueError, match="modhex"):
        await mint(vault(), never, CONTEXT._replace(public_id="xyz"), KEY.public_key())


async def test_the_secret_is_nowhere_but_in_the_two_sealed_forms(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    minted = await mint(vault(), canary, CONTEXT, KEY.public_key())
    said = [repr(minted), repr(minted.release), caplog.text, *capfd.readouterr()]
    with pytest.raises(UnprovedRecordError) as refused:
        await mint(Forgetful(RINGS), canary, CONTEXT, KEY.public_key())
    said.append("".join(traceback.format_exception(refused.value)))
    assert not any("CANARY" in one or CANARY.hex() in one for one in said)
    assert b"CANARY" not in minted.record + minted.release.format()
