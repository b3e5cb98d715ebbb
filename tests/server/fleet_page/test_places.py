"""Addresses: read strictly, written in one way, and never an address of somebody else."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.health import Level
from server.fleet.paging import Place
from server.fleet.ports import Search
from server.fleet.trouble import Trouble
from server.fleet_page import places
from server.fleet_page.places import FieldError, HitFilter, HostFilter, KeyFilter

FIELD = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60)
ENTRY = st.from_regex(r"\A(serial:[0-9]{1,10}|hash:[0-9a-f]{64}|[0-9a-f]{32})\Z")
PLACES = st.builds(Place, st.one_of(st.just(""), ENTRY), st.booleans())


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=bool(urlsplit(address).query)))


@given(st.builds(KeyFilter, FIELD, FIELD, FIELD, FIELD, FIELD), PLACES)
def test_a_filter_comes_back_out_of_its_address(filters: KeyFilter, place: Place) -> None:
    query = query_of(places.address(places.KEYS, filters, place))
    assert places.read_filter(query) == filters
    found = places.read_place(query)
    assert found == (place if place.entry else Place())


@given(st.builds(HostFilter, FIELD, FIELD))
def test_so_does_a_filter_of_hosts(filters: HostFilter) -> None:
    query = query_of(places.address(places.HOSTS, filters))
    assert places.read_host_filter(query) == filters


def test_what_is_looked_for_is_what_was_typed() -> None:
    filters = KeyFilter("123", "laptop-17", "5.4", "danger", "piv-pin-default")
    assert filters.search() == Search(123, "laptop-17", (5, 4), "piv-pin-default", Level.DANGER)
    assert KeyFilter().search() == Search()
    assert HostFilter(trouble="clashes").wanted() is Trouble.CLASHES


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        (KeyFilter(serial="x"), "serial"),
        (KeyFilter(serial="٣"), "serial"),
        (KeyFilter(serial="1" * 11), "serial"),
        (KeyFilter(firmware="new"), "firmware"),
        (KeyFilter(firmware="5.4.3.2"), "firmware"),
        (KeyFilter(level="bad"), "level"),
        (KeyFilter(rule="r" * 65), "rule"),
    ],
)
def test_what_makes_no_sense_is_said_of_its_field(filters: KeyFilter, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        filters.search()
    assert caught.value.field == field
    assert str(caught.value)


@pytest.mark.parametrize(
    "query", [{"after": "a", "before": "b"}, {"after": "A B"}, {"before": "x" * 200}]
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(FieldError):
        places.read_place(query)


def test_a_field_holds_what_can_be_seen() -> None:
    for text in ("two\nlines", "x" * 254, "\u202edlrow"):
        with pytest.raises(FieldError):
            places.read_filter({"host": text})
    with pytest.raises(FieldError):
        places.read_hit_filter({"show": "everything"})


@given(st.one_of(st.text(max_size=80), st.text(max_size=40).map(lambda text: f"/fleet{text}")))
def test_no_address_that_is_given_leads_away(text: str) -> None:
    for address in (places.rewritten(text), places.way_back(text).address):
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("", "", "")
        assert address == "/fleet" or address.startswith(("/fleet/", "/fleet?"))
        assert address.isascii()
        assert address.isprintable()


@pytest.mark.parametrize(
    "text",
    ["//evil.example/fleet", "https://evil.example/fleet/keys", "/fleet/../api", "/fleet/sign-out",
     "/fleet/keys/serial:1/../../x", "javascript:alert(1)", "\\\\evil", "/fleet//evil.example"],
)  # fmt: skip
def test_nor_does_one_that_looks_like_ours(text: str) -> None:
    assert places.rewritten(text) == "/fleet"
    assert places.way_back(text).address == "/fleet/keys"


@pytest.mark.parametrize(
    "text",
    [
        "/fleet",
        "/fleet/keys",
        "/fleet/keys?level=danger&after=serial%3A1",
        "/fleet/keys/serial:1",
        "/fleet/keys/serial:1?back=%2Ffleet%2Fkeys%3Flevel%3Ddanger",
        "/fleet/hosts?trouble=clashes",
        "/fleet/advisories",
        "/fleet/advisories/YSA-2024-03?show=exposed",
    ],
)
def test_what_is_ours_is_found_again(text: str) -> None:
    assert places.rewritten(text) == text


def test_the_way_back_says_what_is_there() -> None:
    assert places.way_back("/fleet/keys").text == "All keys"
    assert places.way_back("/fleet/keys?level=danger").text == "Keys that were looked for"
    assert places.way_back("/fleet/advisories/YSA-2024-03").text == "Keys of YSA-2024-03"
    assert places.address(places.ROOT, HitFilter()) == "/fleet"
