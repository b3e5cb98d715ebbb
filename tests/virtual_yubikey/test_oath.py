"""OATH as yubikit meets it: codes are RFC 6238's, a password closes everything else."""

import pytest
from yubikit.core import BadResponseError
from yubikit.core.smartcard import SW, ApduError
from yubikit.oath import HASH_ALGORITHM, OATH_TYPE, CredentialData, OathSession

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SECRET = b"12345678901234567890"  # of the test vectors in RFC 4226 and RFC 6238


def session(key: VirtualYubiKey) -> OathSession:
    return OathSession(DirectConnection(key))


@pytest.fixture
def key() -> VirtualYubiKey:
    return VirtualYubiKey(yubikey_5c_nfc(31234567))


@pytest.mark.parametrize(("at", "code"), [(59, "94287082"), (1111111109, "07081804")])
def test_codes_are_those_of_rfc_6238(key: VirtualYubiKey, at: int, code: str) -> None:
    oath = session(key)
    oath.put_credential(
        CredentialData("alice", OATH_TYPE.TOTP, HASH_ALGORITHM.SHA1, SECRET, digits=8)
    )
    told = oath.calculate_all(at)
    (made,) = told.values()
    assert made is not None
    assert made.value == code


def test_an_account_that_counts_counts(key: VirtualYubiKey) -> None:
    oath = session(key)
    account = oath.put_credential(
        CredentialData("bob", OATH_TYPE.HOTP, HASH_ALGORITHM.SHA1, SECRET)
    )
    codes = [oath.calculate_code(account).value for _ in range(3)]
    assert codes == ["755224", "287082", "359152"]


def test_an_account_that_asks_for_a_touch_makes_no_code_without(key: VirtualYubiKey) -> None:
    oath = session(key)
    account = oath.put_credential(
        CredentialData("carol", OATH_TYPE.TOTP, HASH_ALGORITHM.SHA1, SECRET), touch_required=True
    )
    assert list(oath.calculate_all(59).values()) == [None]
    with pytest.raises(ApduError) as refused:
        oath.calculate_code(account, 59)
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
    key.finger.touches = True
    assert oath.calculate_code(account, 59).value == "287082"


def test_with_a_password_names_are_told_to_who_knows_it(key: VirtualYubiKey) -> None:
    key.oath.set_password("open sesame")
    oath = session(key)
    assert oath.locked
    with pytest.raises(ApduError) as refused:
        oath.list_credentials()
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
    with pytest.raises((ApduError, BadResponseError)):
        oath.validate(oath.derive_key("open barley"))
    oath = session(key)
    oath.validate(oath.derive_key("open sesame"))
    assert oath.list_credentials() == []
    assert session(key).locked


def test_a_client_sets_and_removes_the_password(key: VirtualYubiKey) -> None:
    oath = session(key)
    assert not oath.has_key
    access = oath.derive_key("open sesame")
    oath.set_key(access)
    oath = session(key)
    assert oath.has_key
    oath.validate(access)
    oath.unset_key()
    assert not session(key).has_key


def test_a_reset_leaves_nothing(key: VirtualYubiKey) -> None:
    oath = session(key)
    oath.put_credential(CredentialData("dave", OATH_TYPE.TOTP, HASH_ALGORITHM.SHA1, SECRET))
    before = oath.device_id
    oath.reset()
    assert oath.list_credentials() == []
    assert oath.device_id != before
