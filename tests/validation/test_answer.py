"""Answers: the reference's lines in the reference's order, signed over all of them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.answer import Answer, ForgedAnswerError, compose, parse
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

KEY = ApiKey(b"an api key")
TIME_US = 1_795_262_400_123_999  # 2026-11-21T12:00:00.123999Z
OTP = "cccccccccccbdteffujehknhfjbrjnlnldnhcujvddbi"
NONCE = "abcdefghijklmnop"


def test_a_whole_answer() -> None:
    answer = Answer(Status.OK, TIME_US, OTP, NONCE, 100, clock=1234567, session=19, use=17)
    signed = (
        f"nonce={NONCE}&otp={OTP}&sessioncounter=19&sessionuse=17&sl=100&status=OK"
        "&t=2026-11-21T12:00:00Z0123&timestamp=1234567"
    )
    assert compose(answer, KEY).decode() == (
        f"h={KEY.sign(signed.encode())}\r\n"
        "t=2026-11-21T12:00:00Z0123\r\n"
        f"otp={OTP}\r\n"
        f"nonce={NONCE}\r\n"
        "sl=100\r\n"
        "timestamp=1234567\r\n"
        "sessioncounter=19\r\n"
        "sessionuse=17\r\n"
        "status=OK\r\n"
        "\r\n"
    )


def test_an_error_to_an_unknown_client() -> None:
    signature = EMPTY_KEY.sign(b"status=NO_SUCH_CLIENT&t=2026-11-21T12:00:00Z0123")
    assert compose(Answer(Status.NO_SUCH_CLIENT, TIME_US), EMPTY_KEY).decode() == (
        f"h={signature}\r\nt=2026-11-21T12:00:00Z0123\r\nstatus=NO_SUCH_CLIENT\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00Z0000"),
        (999_999, "1970-01-01T00:00:00Z0999"),
        (1_000_000, "1970-01-01T00:00:01Z0000"),
        (1_795_262_400_001_000, "2026-11-21T12:00:00Z0001"),
        (2_110_881_600_000_000, "2036-11-21T12:00:00Z0000"),  # S21: ten years ahead
        (-1_000, "1969-12-31T23:59:59Z0999"),
    ],
)
def test_s21_the_time_is_as_the_reference_prints_it(time_us: int, text: str) -> None:
    assert f"t={text}\r\n" in compose(Answer(Status.OK, time_us), KEY).decode()


@given(st.integers(0, 2**52))
def test_any_moment_is_printed_in_utc(time_us: int) -> None:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}Z0{time_us // 1000 % 1000:03d}"
    assert f"t={text}\r\n".encode() in compose(Answer(Status.OK, time_us), KEY)


PERHAPS_A_COUNTER = st.none() | st.integers(0, 0xFFFFFF)
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from(Status),
    time_us=st.integers(0, 2**42).map(lambda millis: millis * 1000),
    otp=st.none() | st.text(alphabet="cbdefghijklnrtuvCBjx.py", min_size=32, max_size=48),
    nonce=st.none() | st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True),
    sync_level=st.none() | st.integers(0, 100),
    clock=PERHAPS_A_COUNTER,
    session=PERHAPS_A_COUNTER,
    use=PERHAPS_A_COUNTER,
)


@given(ANSWERS)
def test_an_answer_survives_the_round_trip(answer: Answer) -> None:
    assert parse(compose(answer, KEY), KEY) == answer


@given(ANSWERS)
def test_its_signature_covers_all_fields_sorted(answer: Answer) -> None:
    lines = compose(answer, KEY).decode().removesuffix("\r\n\r\n").split("\r\n")
    assert lines[0].startswith("h=")
    assert lines[-1] == f"status={answer.status}"
    assert KEY.verifies("&".join(sorted(lines[1:])).encode(), lines[0][2:])


@given(ANSWERS, st.integers(0), st.integers(1, 255))
def test_a_changed_octet_is_noticed(answer: Answer, place: int, flip: int) -> None:
    body = bytearray(compose(answer, KEY))
    body[place % len(body)] ^= flip
    with pytest.raises(ForgedAnswerError):
        parse(bytes(body), KEY)


@given(
    st.binary(max_size=200) | st.text(alphabet="hst=atuOK\r\n0Z-:1", max_size=60).map(str.encode)
)
def test_no_body_is_dangerous_to_read(body: bytes) -> None:
    with pytest.raises(ForgedAnswerError):
        parse(body, KEY)


def test_an_answer_under_another_key_is_forged() -> None:
    with pytest.raises(ForgedAnswerError, match="not an answer signed"):
        parse(compose(Answer(Status.OK, TIME_US), EMPTY_KEY), KEY)


@pytest.mark.parametrize("injected", ["\r\nstatus=OK", "\n", "\r", "\0", "\x1b[31m", "\u2028", "é"])
@pytest.mark.parametrize("name", ["otp", "nonce"])
def test_s3_nothing_echoed_can_add_a_line(name: str, injected: str) -> None:
    echo = NONCE + injected
    answer = Answer(Status.BAD_OTP, TIME_US)
    answer = answer._replace(otp=echo) if name == "otp" else answer._replace(nonce=echo)
    with pytest.raises(ValueError, match=r"line break|ascii"):
        compose(answer, KEY)
