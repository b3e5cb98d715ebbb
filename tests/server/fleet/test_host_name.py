"""Names of hosts: those that look the same are one, and none looks like another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.enrolment import same_name
from server.fleet.host_name import MAX_NAME, HostNameError, checked, folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("laptop-17", "LAPTOP-17"),
        ("b\u00fcro", "bu\u0308ro"),
        ("\uff4c\uff41\uff50", "lap"),  # full width
        ("stra\u00dfe", "STRASSE"),
        ("\ufb01n", "FIN"),  # a ligature
    ],
)
def test_names_that_are_read_alike_are_one(one: str, other: str) -> None:
    assert same_name(one, other)


@pytest.mark.parametrize(
    "name", ["laptop-17", "b\u00fcro.example", "\u043d\u043e\u0443\u0442-1", "x" * MAX_NAME]
)
def test_a_name_is_kept_as_it_is_written(name: str) -> None:
    assert checked(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "two words",
        "bell\a",
        "x" * (MAX_NAME + 1),
        "lap\u202etop",  # turns what follows around
        "lap\u200btop",  # a blank of no width
        "l\u0430ptop-17",  # Cyrillic a
        "lapt\u03bfp",  # Greek o
        "\ud800",
    ],
)
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(HostNameError):
        checked(name)


@given(st.text(max_size=40))
def test_folding_is_done_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text(max_size=40))
def test_what_is_accepted_is_the_name_that_is_kept(name: str) -> None:
    try:
        kept = checked(name)
    except HostNameError:
        return
    assert checked(kept) == kept
    assert same_name(kept, name.strip(" "))
