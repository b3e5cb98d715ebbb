"""Who holds a key: one spelling of a name, both names of a key, and when it changed hands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.text import InputError
from server.fleet.holders import (
    Holder,
    HolderKind,
    KeyName,
    checked_person,
    entrusted,
    folded,
    name_of_serial,
)

PRIMARY, SPARE, LOST = HolderKind
KEY = "serial:1"
D1, D2, D3 = "2026-11-25", "2026-11-26", "2026-11-27"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna Berg", "anna  BERG"),
        ("Åsa", "A\u030asa"),
        ("Straße", "STRASSE"),
        ("\u0390", "\u03aa\u0301"),  # a Greek iota with two marks, as there is none in upper case
        ("\uff21nna", "anna"),
    ],
)
def test_a_name_is_one_name_however_it_is_spelt(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(st.text(max_size=40))
def test_folding_again_changes_nothing_that_matters(name: str) -> None:
    assert folded(name.upper()) == folded(name.upper().lower()) or not name.isascii()
    assert folded(f"  {name} ") == folded(name)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\u202egnu", "x" * 101])
def test_a_person_has_a_name_that_can_be_shown(name: str) -> None:
    with pytest.raises(InputError):
        checked_person(name)


def test_a_number_is_found_under_both_names_and_new_under_the_one_that_is_wanted() -> None:
    hashed = name_of_serial(1, bytes(32), plain=False)
    plain = name_of_serial(1, bytes(32), plain=True)
    assert (plain.preferred, plain.other) == (KEY, hashed.preferred)
    assert hashed.among(set()) == hashed.preferred
    assert hashed.preferred.startswith("hash:")
    assert hashed.among({KEY}) == KEY
    assert hashed.among({KEY, hashed.preferred}) == hashed.preferred
    assert KeyName(KEY).ids == (KEY,)


def test_a_key_that_changes_hands_is_new_to_who_has_it_now() -> None:
    first = entrusted(None, KEY, "Anna", PRIMARY, D1)
    assert first == Holder(KEY, "Anna", PRIMARY)
    assert entrusted(first, KEY, "ANNA", SPARE, D2) == Holder(KEY, "ANNA", SPARE)
    second = entrusted(first, KEY, "Bo", PRIMARY, D2)
    assert second.after == D2
    assert entrusted(second, KEY, "Bo", PRIMARY, D3) == second
    assert entrusted(None, KEY, "Bo", PRIMARY, D2, handed_over=True).after == D2


def test_a_key_is_lost_since_the_day_it_was_first_called_so() -> None:
    first = entrusted(None, KEY, "Anna", PRIMARY, D1)
    lost = entrusted(first, KEY, "Anna", LOST, D2)
    assert lost.lost == D2
    assert entrusted(lost, KEY, "anna", LOST, D3).lost == D2
    assert entrusted(lost, KEY, "Bo", LOST, D3).lost == D3
    assert entrusted(lost, KEY, "Anna", PRIMARY, D3).lost == ""
