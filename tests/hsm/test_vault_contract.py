"""What every vault promises (`hsm.vault.Vault`), tested once against each of its keepers."""

import pytest

from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, Vault
from validation.otp import InvalidOtpError, parse_otp
from validation.virtual import VirtualYubiKey

BINDING = OtpKeyBinding("cccccccccccb", 1)
SECRETS = OtpKeySecrets(aes_key=b"an aes key of 16", private_id=b"secret")
OTHER = OtpKeySecrets(aes_key=b"another key of16", private_id=b"SECRET")
API_KEY = b"twenty octets of key"


def an_otp(secrets: OtpKeySecrets = SECRETS, *, use: int = 3) -> bytes:
    key = VirtualYubiKey("", secrets.private_id, secrets.aes_key, session=2, use=use, clock=77)
    return parse_otp(key.press(random=5)).ciphertext


async def test_a_sealed_key_opens_its_otps(vault: Vault) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    for use in (3, 4, 3):
        fields = await vault.open_otp(BINDING, record, an_otp(use=use))
        assert (fields.session, fields.use, fields.clock) == (2, use, 77)


@pytest.mark.parametrize("public_id", ["", "c", "cbdefghijklnrtuv"])
async def test_every_length_of_public_id_has_its_keys(vault: Vault, public_id: str) -> None:
    binding = OtpKeyBinding(public_id, 1)
    record = await vault.seal_otp_key(binding, SECRETS)
    assert (await vault.open_otp(binding, record, an_otp())).use == 3


async def test_a_record_is_small_and_shows_nothing(vault: Vault) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    assert len(record) <= 256
    assert SECRETS.aes_key not in record
    assert SECRETS.private_id not in record


async def test_no_two_records_are_alike(vault: Vault) -> None:
    records = {await vault.seal_otp_key(BINDING, SECRETS) for _ in range(100)}
    assert len(records) == 100


async def test_an_otp_of_another_key_is_invalid(vault: Vault) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, record, an_otp(OTHER))


async def test_an_otp_with_another_private_id_is_invalid(vault: Vault) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, record, an_otp(SECRETS._replace(private_id=b"SECRET")))


@pytest.mark.parametrize(
    "elsewhere",
    [
        OtpKeyBinding("cccccccccccd", 1),
        OtpKeyBinding("cccccccccccb", 2),
        OtpKeyBinding("ccccccccccc", 1),
        OtpKeyBinding("", 1),
    ],
)
@pytest.mark.parametrize("opened_before", [False, True])
async def test_a_record_copied_elsewhere_does_not_open(
    vault: Vault, elsewhere: OtpKeyBinding, *, opened_before: bool
) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    if opened_before:
        await vault.open_otp(BINDING, record, an_otp())
    with pytest.raises(RecordRefusedError):
        await vault.open_otp(elsewhere, record, an_otp())


@pytest.mark.parametrize("opened_before", [False, True])
async def test_an_altered_record_does_not_open(vault: Vault, *, opened_before: bool) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    if opened_before:
        await vault.open_otp(BINDING, record, an_otp())
    for place in range(len(record)):
        altered = record[:place] + bytes([record[place] ^ 1]) + record[place + 1 :]
        with pytest.raises(RecordRefusedError):
            await vault.open_otp(BINDING, altered, an_otp())
    for odd in (b"", record[:1], record[:-1], record + b"\0", record * 2):
        with pytest.raises(RecordRefusedError):
            await vault.open_otp(BINDING, odd, an_otp())
    assert (await vault.open_otp(BINDING, record, an_otp())).use == 3


async def test_a_new_record_takes_the_place_of_an_opened_one_at_once(vault: Vault) -> None:
    old = await vault.seal_otp_key(BINDING, SECRETS)
    await vault.open_otp(BINDING, old, an_otp())
    new = await vault.seal_otp_key(BINDING, OTHER)
    assert (await vault.open_otp(BINDING, new, an_otp(OTHER))).use == 3
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, new, an_otp())


async def test_a_record_of_another_vault_does_not_open(vault: Vault, foreign_vault: Vault) -> None:
    record = await foreign_vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(RecordRefusedError):
        await vault.open_otp(BINDING, record, an_otp())
    secret = await foreign_vault.seal_secret("client 1 key 1", API_KEY)
    with pytest.raises(RecordRefusedError):
        await vault.open_secret("client 1 key 1", secret)


@pytest.mark.parametrize("ciphertext", [b"", b"short", bytes(17), bytes(32)])
async def test_anything_but_one_block_is_no_otp(vault: Vault, ciphertext: bytes) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(InvalidOtpError):
        await vault.open_otp(BINDING, record, ciphertext)
    assert (await vault.open_otp(BINDING, record, an_otp())).use == 3


@pytest.mark.parametrize(
    ("binding", "secrets"),
    [
        (BINDING, SECRETS._replace(aes_key=bytes(24))),
        (BINDING, SECRETS._replace(private_id=bytes(5))),
        (BINDING, OtpKeySecrets(b"an aes key of 1", b"6secret")),
        (OtpKeyBinding("c" * 17, 1), SECRETS),
        (OtpKeyBinding("CC", 1), SECRETS),
        (OtpKeyBinding("cc", 0), SECRETS),
    ],
)
async def test_what_is_no_otp_key_is_not_sealed(
    vault: Vault, binding: OtpKeyBinding, secrets: OtpKeySecrets
) -> None:
    with pytest.raises(ValueError, match=r"octets|letters|generation"):
        await vault.seal_otp_key(binding, secrets)


@pytest.mark.parametrize("secret", [b"", API_KEY, bytes(4096)])
async def test_a_secret_comes_back_under_its_label(vault: Vault, secret: bytes) -> None:
    record = await vault.seal_secret("client 1 key 1", secret)
    assert await vault.open_secret("client 1 key 1", record) == secret
    assert not secret or secret not in record


@pytest.mark.parametrize("label", ["client 1 key 2", "client 1 key 1 ", "client 11 key 1", ""])
async def test_a_secret_copied_elsewhere_does_not_open(vault: Vault, label: str) -> None:
    record = await vault.seal_secret("client 1 key 1", API_KEY)
    with pytest.raises(RecordRefusedError):
        await vault.open_secret(label, record)


async def test_an_altered_secret_does_not_open(vault: Vault) -> None:
    record = await vault.seal_secret("label", API_KEY)
    for place in range(len(record)):
        altered = record[:place] + bytes([record[place] ^ 0x80]) + record[place + 1 :]
        with pytest.raises(RecordRefusedError):
            await vault.open_secret("label", altered)
    for odd in (b"", record[:1], record[:-1], record + b"\0"):
        with pytest.raises(RecordRefusedError):
            await vault.open_secret("label", odd)


async def test_one_kind_of_record_does_not_pass_for_the_other(vault: Vault) -> None:
    secret = await vault.seal_secret("cccccccccccb", SECRETS.aes_key + SECRETS.private_id)
    with pytest.raises(RecordRefusedError):
        await vault.open_otp(BINDING, secret, an_otp())
    record = await vault.seal_otp_key(BINDING, SECRETS)
    with pytest.raises(RecordRefusedError):
        await vault.open_secret("cccccccccccb", record)


async def test_a_secret_beyond_the_seams_size_is_not_sealed(vault: Vault) -> None:
    with pytest.raises(ValueError, match="4096"):
        await vault.seal_secret("label", bytes(4097))


async def test_s10_no_secret_is_shown(vault: Vault) -> None:
    record = await vault.seal_otp_key(BINDING, SECRETS)
    await vault.open_otp(BINDING, record, an_otp())
    with pytest.raises(InvalidOtpError) as caught:
        await vault.open_otp(BINDING, record, an_otp(OTHER))
    shown = [repr(vault), str(vault), repr(SECRETS), repr(caught.value)]
    for text in shown:
        assert "secret" not in text
        assert "aes key" not in text
