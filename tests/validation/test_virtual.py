"""A virtual YubiKey counts as the device does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.otp import OtpCipher, OtpFields, parse_otp
from validation.virtual import VirtualYubiKey, WornOutError

AES_KEY = b"an aes key of 16"
PRIVATE_ID = b"secret"


def a_key(**counters: int) -> VirtualYubiKey:
    return VirtualYubiKey("cccccccccccb", PRIVATE_ID, AES_KEY, **counters)


def opened(text: str) -> OtpFields:
    return OtpCipher(AES_KEY).open(parse_otp(text).ciphertext, PRIVATE_ID)


@given(
    st.text(alphabet="cbdefghijklnrtuv", max_size=16),
    st.integers(0, 0x7FFF),
    st.integers(0, 255),
    st.integers(0, 0xFFFFFF),
    st.integers(0, 0xFFFF),
)
def test_its_otp_holds_its_counters(
    public_id: str, session: int, use: int, clock: int, random: int
) -> None:
    key = VirtualYubiKey(public_id, PRIVATE_ID, AES_KEY, session=session, use=use, clock=clock)
    text = key.press(random)
    assert parse_otp(text).public_id == public_id
    assert opened(text) == OtpFields(PRIVATE_ID, session, clock, use, random)


def test_each_press_is_a_use() -> None:
    key = a_key()
    uses = [opened(key.press(0)) for _ in range(3)]
    assert [(fields.session, fields.use) for fields in uses] == [(1, 0), (1, 1), (1, 2)]


def test_a_wrapped_use_counter_moves_the_session() -> None:
    key = a_key(session=4, use=255)
    key.press(0)
    assert (key.session, key.use) == (5, 0)


def test_powering_up_starts_the_next_session() -> None:
    key = a_key(session=4, use=9)
    key.power_up(clock=0x1000002)
    assert (key.session, key.use, key.clock) == (5, 0, 2)


def test_its_clock_runs_on_and_wraps() -> None:
    key = a_key(clock=0xFFFFFF)
    key.wait(8)
    assert opened(key.press(0)).clock == 7


def test_a_worn_out_key_stays_silent() -> None:
    key = a_key(session=0x7FFF, use=255)
    assert opened(key.press(0)).session == 0x7FFF
    with pytest.raises(WornOutError, match="make another"):
        key.press(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_id": "c" * 17},
        {"public_id": "CC"},
        {"private_id": b"12345"},
        {"aes_key": b"short"},
        {"session": -1},
        {"use": 256},
        {"clock": 1 << 24},
    ],
)
def test_what_no_key_can_be_is_refused(wrong: dict[str, Any]) -> None:
    slot = {"public_id": "cc", "private_id": PRIVATE_ID, "aes_key": AES_KEY}
    with pytest.raises(ValueError, match=r"octets|letters|bits"):
        VirtualYubiKey(**(slot | wrong))


def test_its_secrets_are_not_shown() -> None:
    assert repr(a_key()) == "VirtualYubiKey('cccccccccccb', session=1, use=0)"
