"""Modhex: sixteen letters, both ways, and what a Dvorak layout makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation import modhex

# The same keys, struck on both layouts.
DVORAK = dict(zip("cbdefghijklnrtuv", "jxe.uidchtnbpygk", strict=True))


def test_the_published_example_encodes() -> None:
    assert modhex.encode(b"test") == "ifhgieif"
    assert modhex.decode("ifhgieif") == b"test"


def test_every_octet_has_its_two_letters() -> None:
    assert modhex.encode(bytes(range(16))) == "".join("c" + letter for letter in modhex.ALPHABET)


@given(st.binary(max_size=40))
def test_octets_survive_the_round_trip(data: bytes) -> None:
    text = modhex.encode(data)
    assert modhex.is_modhex(text)
    assert modhex.decode(text) == data


@given(st.text(max_size=50))
def test_decoding_never_raises_anything_but_value_error(text: str) -> None:
    if modhex.is_modhex(text) and len(text) % 2 == 0:
        assert modhex.encode(modhex.decode(text)) == text
    else:
        # The message is a constant: the text may be an OTP.
        with pytest.raises(ValueError, match=r"^not modhex, or an odd number of letters$"):
            modhex.decode(text)


@pytest.mark.parametrize(
    "text", ["c", "ccc", "CC", "c0", "0a", "ff ", "cc\n", "cä", "c\0", "\u212a"]
)
def test_what_is_not_lower_case_modhex_in_pairs_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not modhex"):
        modhex.decode(text)


@given(st.text(alphabet=modhex.ALPHABET + "aCx \n", max_size=20))
def test_is_modhex_looks_at_every_letter(text: str) -> None:
    assert modhex.is_modhex(text) == all(letter in modhex.ALPHABET for letter in text)


@given(text=st.text(alphabet=modhex.ALPHABET, max_size=48), upper=st.booleans())
def test_what_was_typed_on_dvorak_is_understood_in_either_case(text: str, *, upper: bool) -> None:
    typed = "".join(DVORAK[letter] for letter in text)
    assert modhex.from_dvorak(typed.upper() if upper else typed) == text


@given(st.text(max_size=48))
def test_the_dvorak_reading_never_raises(text: str) -> None:
    meant = modhex.from_dvorak(text)
    assert meant is None or modhex.is_modhex(meant)


@pytest.mark.parametrize("text", ["v", "f", "a", " ", "j\n", "\u212a", "é", "1"])
def test_what_dvorak_cannot_explain_has_no_reading(text: str) -> None:
    assert modhex.from_dvorak(text) is None
