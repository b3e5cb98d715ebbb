"""The strict vault beyond what every vault promises: the HSM is asked last, and answers alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubihsm.defs import ERROR

from hsm.binding import Binder, BindingKey
from hsm.device.errors import DeviceRefusedError, DeviceUnavailableError
from hsm.device.pool import DevicePool
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.emulator.wire.kind import Kind
from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.strict_vault import RECORD_OCTETS, StrictVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, VaultUnavailableError
from tests.hsm.device.provisioned import (
    AES_KEY,
    OTP_KEY,
    PRIVATE_ID,
    PROVISIONER,
    VALIDATOR,
    a_ciphertext,
    an_emulator,
    here,
)
from validation.otp import InvalidOtpError, OtpCipher, OtpFields

_ROW = OtpKeyBinding("cccccccccccb", 1)
_SECRETS = OtpKeySecrets(AES_KEY, PRIVATE_ID)
_DATA_KEY = SealingKey.of(bytes(range(32)))
_SEALED = SealedVault(Rings.single(_DATA_KEY))
_BINDER = Binder([BindingKey.derive(_DATA_KEY)])


def _vault(mishaps: Mishaps, binder: Binder = _BINDER) -> StrictVault:
    device = here(mishaps)
    return StrictVault(
        DevicePool([device], VALIDATOR),
        DevicePool([device], PROVISIONER),
        otp_key=OTP_KEY,
        binder=binder,
        sealed=_SEALED,
    )


@pytest.fixture
def emulator() -> Emulator:
    return an_emulator()


@pytest.fixture
def mishaps(emulator: Emulator) -> Mishaps:
    return Mishaps(emulator)


@pytest.fixture
def vault(mishaps: Mishaps) -> StrictVault:
    return _vault(mishaps)


class _NeverAsked:
    """HSMs that a test expects nothing to be asked of."""

    async def decrypt_otp(self, key: int, aead: bytes, ciphertext: bytes) -> OtpFields:
        raise AssertionError((key, aead, ciphertext))

    async def create_otp_aead(self, key: int, aes_key: bytes, private_id: bytes) -> bytes:
        raise AssertionError((key, aes_key, private_id))


_UNASKED = StrictVault(
    _NeverAsked(), _NeverAsked(), otp_key=OTP_KEY, binder=_BINDER, sealed=_SEALED
)


async def test_a_record_copied_to_another_public_id_does_not_open_and_asks_no_hsm(
    vault: StrictVault,
) -> None:
    mine = await vault.seal_otp_key(_ROW, _SECRETS)
    assert (await vault.open_otp(_ROW, mine, a_ciphertext())).use == 3
    for victim in (OtpKeyBinding("cccccccccccd", 1), OtpKeyBinding("cccccccccccb", 2)):
        with pytest.raises(RecordRefusedError, match="another row"):
            await _UNASKED.open_otp(victim, mine, a_ciphertext())


@given(st.binary(max_size=70))
async def test_what_nobody_bound_reaches_no_hsm(record: bytes) -> None:
    for made_up in (record, (b"\x02" + _DATA_KEY.key_id + record).ljust(RECORD_OCTETS, b"\0")):
        with pytest.raises(RecordRefusedError):
            await _UNASKED.open_otp(_ROW, made_up, a_ciphertext())


async def test_another_aead_under_the_same_mac_reaches_no_hsm(vault: StrictVault) -> None:
    mine = await vault.seal_otp_key(_ROW, _SECRETS)
    theirs = await vault.seal_otp_key(OtpKeyBinding("cccccccccccd", 1), _SECRETS)
    with pytest.raises(RecordRefusedError):
        await _UNASKED.open_otp(_ROW, mine[:7] + theirs[7:43] + mine[43:], a_ciphertext())


async def test_a_record_of_another_binding_key_says_which(vault: StrictVault) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    other = Binder([BindingKey.derive(SealingKey.of(bytes(32)))])
    strange = StrictVault(
        _NeverAsked(), _NeverAsked(), otp_key=OTP_KEY, binder=other, sealed=_SEALED
    )
    with pytest.raises(RecordRefusedError, match=_DATA_KEY.key_id.hex()):
        await strange.open_otp(_ROW, record, a_ciphertext())


async def test_a_device_made_anew_is_an_alarm_not_a_wrong_otp(vault: StrictVault) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    anew = an_emulator()
    key = anew.device.store.get(Kind.OTP_AEAD_KEY, OTP_KEY)
    assert key is not None
    anew.device.store.remove(key)
    anew.device.store.add(replace(key, material=key.material[:4] + bytes(32)))
    with pytest.raises(RecordRefusedError, match="made anew"):
        await _vault(Mishaps(anew)).open_otp(_ROW, record, a_ciphertext())


async def test_records_of_before_open_beside_the_new_ones(vault: StrictVault) -> None:
    before = await _SEALED.seal_otp_key(_ROW, _SECRETS)
    assert (await vault.open_otp(_ROW, before, a_ciphertext())).use == 3
    with pytest.raises(RecordRefusedError):
        await vault.open_otp(_ROW._replace(generation=2), before, a_ciphertext())


async def test_an_aead_that_a_device_made_is_bound_without_its_secrets(
    vault: StrictVault, mishaps: Mishaps
) -> None:
    pool = DevicePool([here(mishaps)], PROVISIONER)
    aead = await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)
    record = vault.bind(_ROW, aead)
    assert (await vault.open_otp(_ROW, record, a_ciphertext())).use == 3
    with pytest.raises(ValueError, match="36"):
        vault.bind(_ROW, aead[:-1])
    with pytest.raises(ValueError, match="generation"):
        vault.bind(_ROW._replace(generation=0), aead)


async def test_a_session_counter_beyond_its_end_was_never_made_by_a_key(
    vault: StrictVault,
) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    for session, good in ((0x7FFF, True), (0x8000, False), (0xFFFF, False)):
        ciphertext = OtpCipher(AES_KEY).seal(OtpFields(PRIVATE_ID, session, 1, 1, 1))
        if good:
            assert (await vault.open_otp(_ROW, record, ciphertext)).session == session
        else:
            with pytest.raises(InvalidOtpError):
                await vault.open_otp(_ROW, record, ciphertext)


@pytest.mark.parametrize("ciphertext", [a_ciphertext(), a_ciphertext(private_id=b"other!")])
async def test_an_outage_is_an_outage_whatever_the_otp_is(
    vault: StrictVault, mishaps: Mishaps, ciphertext: bytes
) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    mishaps.plan(*[Fault.REPLY_LOST] * 20)
    for _ in range(3):
        with pytest.raises(VaultUnavailableError):
            await vault.open_otp(_ROW, record, ciphertext)


async def test_a_device_that_says_no_says_why(vault: StrictVault, emulator: Emulator) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    key = emulator.device.store.get(Kind.OTP_AEAD_KEY, OTP_KEY)
    assert key is not None
    emulator.device.store.remove(key)
    with pytest.raises(DeviceRefusedError) as caught:
        await vault.open_otp(_ROW, record, a_ciphertext())
    assert caught.value.code is ERROR.OBJECT_NOT_FOUND


async def test_sealing_is_never_done_twice(vault: StrictVault, mishaps: Mishaps) -> None:
    await vault.seal_otp_key(_ROW, _SECRETS)
    mishaps.plan(None, Fault.REPLY_LOST)  # first it is asked whether the session stands
    with pytest.raises(DeviceUnavailableError):
        await vault.seal_otp_key(_ROW, _SECRETS)
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    assert (await vault.open_otp(_ROW, record, a_ciphertext())).use == 3


async def test_the_private_id_stays_in_the_device(vault: StrictVault) -> None:
    record = await vault.seal_otp_key(_ROW, _SECRETS)
    fields = await vault.open_otp(_ROW, record, a_ciphertext())
    assert fields.private_id == b""
