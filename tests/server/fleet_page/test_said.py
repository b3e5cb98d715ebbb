"""What laptops said is short, on one line, and shows all that is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import Value
from server.fleet_page.said import (
    MAX_TEXT,
    counted,
    host_name,
    named,
    plain,
    reason,
    value,
)

ANYTHING = st.text(st.characters(codec=None, exclude_categories=[]), max_size=400)


@given(ANYTHING)
def test_whatever_was_said_is_short_and_has_nothing_hidden_in_it(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= MAX_TEXT
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in shown)
    assert not set(shown) & set("\u202e\u2066\u200b\ufeff\u2028")
    shown.encode()  # no lone surrogate


@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=160))
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


def test_marks_do_not_climb_out_of_their_line() -> None:
    assert plain("Z" + "\u0335" * 100 + "!") == "Z\u0335\u0335!"
    assert plain("é") == "é"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (1, "1"),
        (None, "not there"),
        ("", "empty"),
        ((), "none"),
        (("fido2", "piv"), "fido2, piv"),
        ("x" * 500, "x" * (MAX_TEXT - 1) + "…"),
    ],
)
def test_values_are_told_in_words(found: Value | None, words: str) -> None:
    assert value(found) == words


def test_keys_and_hosts_have_names_that_fit() -> None:
    assert named("serial:123") == ("123", "123")
    assert named(f"hash:{'ab' * 32}") == ("hash abababababab…", "ab" * 32)
    assert named(f"kind:{'0' * 32}:{'cd' * 32}").text == "no number, cdcdcdcdcdcd…"
    assert host_name("laptop-17", "0f" * 16) == "laptop-17"
    assert host_name("", "0f" * 16) == "host 0f0f0f0f0f0f…"
    assert host_name("", "") == "an erased host"


def test_a_reason_that_nobody_knows_yet_is_shown_as_it_is() -> None:
    assert reason("in-use") == "another program was using the key"
    assert reason("solar-flare") == "solar-flare"


def test_one_is_not_told_as_many() -> None:
    assert counted(1, "key") == "1 key"
    assert counted(1234, "key") == "1,234 keys"
    assert counted(2, "copy", "copies") == "2 copies"
