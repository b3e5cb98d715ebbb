"""Data keys made, wrapped and unwrapped by a device: the emulator, through Yubico's library."""

from collections.abc import Iterator

import pytest
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import WrapKey

from hsm import wrapping
from hsm.data_keys import DataKeyError, DataKeys, unwrapped
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.rings import Purpose

WRAP_KEY = 0x0201


@pytest.fixture
def session() -> Iterator[AuthSession]:
    yield from a_session()


@pytest.fixture
def elsewhere() -> Iterator[AuthSession]:
    yield from a_session()


def a_session() -> Iterator[AuthSession]:
    device = YubiHsm(EmulatorBackend(Emulator()))
    session = device.create_session_derived(1, "password")
    capabilities = CAPABILITY.WRAP_DATA | CAPABILITY.UNWRAP_DATA
    WrapKey.generate(
        session,
        WRAP_KEY,
        "data-keys",
        0xFFFF,
        capabilities,
        ALGORITHM.AES256_CCM_WRAP,
        CAPABILITY.NONE,
    )
    yield session
    session.close()


def test_a_data_key_comes_back_as_it_was_made(session: AuthSession) -> None:
    made = [wrapping.make(session, WRAP_KEY, purpose) for purpose in Purpose]
    keys = DataKeys()
    for one in made:
        keys = keys.with_new(one).activated(one.key_id)
    rings = unwrapped(keys, lambda key: wrapping.unwrap(session, key))
    for one in made:
        (key,) = rings.of(one.purpose).keys
        assert key.key_id == one.key_id
        assert key.key not in one.wrapped
    assert rings.otp != rings.secrets


def test_another_device_does_not_open_it(session: AuthSession, elsewhere: AuthSession) -> None:
    key = wrapping.make(session, WRAP_KEY, Purpose.OTP)
    with pytest.raises(DataKeyError, match="another device"):
        wrapping.unwrap(elsewhere, key)


def test_an_altered_one_does_not_open(session: AuthSession) -> None:
    key = wrapping.make(session, WRAP_KEY, Purpose.OTP)
    for wrapped in (key.wrapped[:-1] + bytes([key.wrapped[-1] ^ 1]), key.wrapped[:-1], b"x"):
        with pytest.raises(DataKeyError, match="does not open"):
            wrapping.unwrap(session, key._replace(wrapped=wrapped))


def test_one_key_does_not_pass_for_another(session: AuthSession) -> None:
    key, other = (wrapping.make(session, WRAP_KEY, Purpose.OTP) for _ in range(2))
    for odd in (
        key._replace(wrapped=other.wrapped),
        key._replace(purpose=Purpose.SECRETS),
        key._replace(key_id=other.key_id),
    ):
        with pytest.raises(DataKeyError, match="not the key that it says"):
            wrapping.unwrap(session, odd)


@pytest.mark.parametrize("plain", [b"\0", bytes(38), bytes(39), b"\x01\x01"])
def test_data_of_another_form_is_no_data_key(session: AuthSession, plain: bytes) -> None:
    key = wrapping.make(session, WRAP_KEY, Purpose.OTP)
    wrapped = WrapKey(session, WRAP_KEY).wrap_data(plain)
    with pytest.raises(DataKeyError, match="not the key that it says"):
        wrapping.unwrap(session, key._replace(wrapped=wrapped))


def test_a_right_head_over_another_key_is_refused(session: AuthSession) -> None:
    key = wrapping.make(session, WRAP_KEY, Purpose.OTP)
    plain = b"\x01\x01" + key.key_id + bytes(32)
    wrapped = WrapKey(session, WRAP_KEY).wrap_data(plain)
    with pytest.raises(DataKeyError, match="not the key that it says"):
        wrapping.unwrap(session, key._replace(wrapped=wrapped))
