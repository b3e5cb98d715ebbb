"""Tokens: one spelling each, never shown by accident, compared without telling how close."""

from hypothesis import given
from hypothesis import strategies as st

from server.accounts.tokens import SECRET_OCTETS, Token, digest_of

NUMBERS = st.integers(1, 10**18 - 1)
SECRETS = st.binary(min_size=SECRET_OCTETS, max_size=SECRET_OCTETS)


@given(NUMBERS, SECRETS)
def test_a_token_is_read_as_it_was_written(number: int, secret: bytes) -> None:
    token = Token(number, secret)
    assert Token.parse(token.format()) == token
    assert token.has(digest_of(secret))


@given(NUMBERS, SECRETS)
def test_a_token_is_in_no_repr(number: int, secret: bytes) -> None:
    token = Token(number, secret)
    assert token.format().split("_", 2)[2] not in repr(token)
    assert repr(secret) not in repr(token)


@given(NUMBERS, SECRETS, st.integers(0, SECRET_OCTETS * 8 - 1))
def test_a_secret_that_is_one_bit_off_is_another(number: int, secret: bytes, bit: int) -> None:
    other = (int.from_bytes(secret) ^ (1 << bit)).to_bytes(SECRET_OCTETS)
    assert not Token(number, other).has(digest_of(secret))


@given(st.text() | st.from_regex(r"kst_[0-9]{1,20}_[A-Za-z0-9_-]{40,46}", fullmatch=True))
def test_whatever_is_read_has_that_spelling_only(text: str) -> None:
    token = Token.parse(text)
    assert token is None or token.format() == text


def test_two_spellings_of_one_secret_are_not_both_taken() -> None:
    text = Token(1, bytes(32)).format()
    assert text.endswith("A")
    assert Token.parse(text) is not None
    assert Token.parse(text[:-1] + "B") is None
    for other in (text + "\n", " " + text, text.replace("kst_1", "kst_01"), text.upper()):
        assert Token.parse(other) is None
