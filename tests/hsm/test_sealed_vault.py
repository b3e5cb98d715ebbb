"""The sealed vault beyond the seam: its record format, its bounds, its messages."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, VaultError
from validation import modhex
from validation.otp import InvalidOtpError, OtpCipher, OtpFields

KEY = SealingKey.of(bytes(range(32)))
NONCE = b"twelve octet"
BINDING = OtpKeyBinding("cccccccccccb", 7)
SECRETS = OtpKeySecrets(aes_key=b"an aes key of 16", private_id=b"secret")
GARBLED = bytes(16)


def a_vault(**bounds: int) -> SealedVault:
    return SealedVault(Rings.single(KEY), randomness=lambda octets: NONCE[:octets], **bounds)


async def test_the_format_of_an_otp_keys_record_stays() -> None:
    context = (
        b"keystead otp key v1\0\x01" + KEY.key_id + b"\x0ccccccccccccb" + (7).to_bytes(8, "big")
    )
    sealed = AESGCM(KEY.key).encrypt(NONCE, b"an aes key of 16secret", context)
    assert await a_vault().seal_otp_key(BINDING, SECRETS) == b"\x01" + KEY.key_id + NONCE + sealed
    assert len(sealed) + 17 == 55


async def test_the_format_of_a_secrets_record_stays() -> None:
    context = b"keystead secret v1\0\x01" + KEY.key_id + b"\0\x05label"
    sealed = AESGCM(KEY.key).encrypt(NONCE, b"api key", context)
    assert await a_vault().seal_secret("label", b"api key") == b"\x01" + KEY.key_id + NONCE + sealed


async def test_opened_keys_are_bounded_and_every_key_opens_whether_kept_or_not() -> None:
    vault = a_vault(opened=3)
    cipher = OtpCipher(SECRETS.aes_key)
    fields = OtpFields(SECRETS.private_id, 1, 2, 3, 4)
    bindings = [OtpKeyBinding(modhex.encode(bytes([number])), 1) for number in range(9)]
    records = {binding: await vault.seal_otp_key(binding, SECRETS) for binding in bindings}
    for used in (0, 1, 2, 0, 3, 4, 5, 6, 7, 8, 8, 0):
        binding = bindings[used]
        assert await vault.open_otp(binding, records[binding], cipher.seal(fields)) == fields
        assert len(vault._opened) <= 3


async def test_another_record_of_a_key_replaces_the_opened_one() -> None:
    vault = SealedVault(Rings.single(KEY), opened=3)
    for _ in range(5):
        record = await vault.seal_otp_key(BINDING, SECRETS)
        with pytest.raises(InvalidOtpError):
            await vault.open_otp(BINDING, record, GARBLED)
    assert len(vault._opened) == 1
    opened = vault._opened.get(BINDING)
    assert opened is not None
    assert opened.record == record
    assert "hidden" in repr(opened)


async def test_a_refused_record_leaves_the_opened_one_alone() -> None:
    vault = a_vault()
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, record, GARBLED)
    with pytest.raises(RecordRefusedError):
        await vault.open_otp(BINDING, record[:-1] + b"\0", GARBLED)
    opened = vault._opened.get(BINDING)
    assert opened is not None
    assert opened.record == record


def test_at_least_one_opened_key_is_kept() -> None:
    with pytest.raises(ValueError, match="at least one"):
        a_vault(opened=0)


@pytest.mark.parametrize(
    "binding",
    [OtpKeyBinding("é", 1), OtpKeyBinding("c" * 300, 1), OtpKeyBinding("c", -1)],
)
async def test_a_binding_that_was_never_sealed_is_refused(binding: OtpKeyBinding) -> None:
    vault = a_vault()
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(RecordRefusedError, match="binding"):
        await vault.open_otp(binding, record, GARBLED)


async def test_a_label_has_its_bound() -> None:
    with pytest.raises(ValueError, match="label"):
        await a_vault().seal_secret("x" * 65_536, b"")


async def test_the_operator_learns_which_key_file_is_missing() -> None:
    other = SealingKey.of(bytes(32))
    record = await SealedVault(Rings.single(other)).seal_secret("label", b"")
    with pytest.raises(RecordRefusedError, match=other.key_id.hex()) as caught:
        await a_vault().open_secret("label", record)
    assert KEY.key_id.hex() in str(caught.value)


async def test_the_operator_learns_what_is_no_record() -> None:
    record = await a_vault().seal_secret("label", b"")
    for odd in (b"\x02" + record[1:], record[:20], b"some text that somebody put into the column"):
        with pytest.raises(RecordRefusedError, match="format"):
            await a_vault().open_secret("label", odd)
    with pytest.raises(RecordRefusedError, match="altered"):
        await a_vault().open_secret("another", record)


def test_its_repr_names_the_key_by_its_id() -> None:
    assert repr(a_vault()) == f"SealedVault(keys {KEY.key_id.hex()}; 0 opened)"


async def test_each_purpose_has_its_keys_and_the_header_of_a_record_selects_one() -> None:
    otp, old, secrets = (SealingKey.of(bytes([number]) * 32) for number in (1, 2, 3))
    old_records = [
        await SealedVault(Rings.single(old)).seal_otp_key(BINDING, SECRETS),
        await SealedVault(Rings.single(old)).seal_secret("label", b"api key"),
    ]
    vault = SealedVault(Rings(KeyRing(otp, (old,)), KeyRing(secrets, (old,))))
    assert await vault.reveal_otp_key(BINDING, old_records[0]) == SECRETS
    assert await vault.open_secret("label", old_records[1]) == b"api key"
    assert (await vault.seal_otp_key(BINDING, SECRETS))[1:5] == otp.key_id
    secret = await vault.seal_secret("label", b"api key")
    assert secret[1:5] == secrets.key_id
    assert await vault.open_secret("label", secret) == b"api key"
    # A key of one purpose opens nothing of the other.
    swapped = SealedVault(Rings(KeyRing(secrets), KeyRing(otp)))
    with pytest.raises(RecordRefusedError, match=secrets.key_id.hex()):
        await swapped.open_secret("label", secret)


async def test_without_an_active_key_nothing_is_sealed_and_all_is_opened() -> None:
    record = await a_vault().seal_otp_key(BINDING, SECRETS)
    vault = SealedVault(Rings(KeyRing(None, (KEY,)), KeyRing()))
    assert await vault.reveal_otp_key(BINDING, record) == SECRETS
    with pytest.raises(VaultError, match="no data key that OTP keys"):
        await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(VaultError, match="no data key that secrets"):
        await vault.seal_secret("label", b"")


async def test_other_rings_are_taken_up_and_what_a_lost_key_opened_is_forgotten() -> None:
    vault = SealedVault(Rings.single(KEY))
    record = await vault.seal_otp_key(BINDING, SECRETS)
    newer = SealingKey.of(bytes(32))
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, record, GARBLED)
    vault.take(Rings(KeyRing(newer, (KEY,)), KeyRing(newer)))
    assert len(vault._opened) == 1
    assert (await vault.seal_otp_key(BINDING, SECRETS))[1:5] == newer.key_id
    vault.take(Rings.single(newer))
    with pytest.raises(RecordRefusedError, match=KEY.key_id.hex()):
        await vault.open_otp(BINDING, record, GARBLED)
