"""The pages as octets: no laptop's word breaks out of its place, and nothing is fetched or run."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.fleet.trust import Trust
from server.fleet_page import document
from server.fleet_page.places import KeyFilter
from tests.server.fleet_page.samples import (
    a_change,
    a_fleet_key,
    a_host,
    advisory_html,
    form_html,
    holders_html,
    hosts_html,
    key_html,
    keys_html,
    overview_html,
    software_html,
)

CALM = a_fleet_key({"device.firmware": "calm", "otp.word": "calm"}, {"piv.slot": "calm"})
EVERYTHING = {
    "overview": overview_html(CALM),
    "keys": keys_html(CALM),
    "key": key_html(CALM, a_change()),
    "hosts": hosts_html(a_host()),
    "advisory": advisory_html(CALM),
    "software": software_html(),
    "holders": holders_html(),
    "form": form_html("Wrong."),
}


class Outline(HTMLParser):
    """Elements and attributes of a page, and its text."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.ids: Counter[str] = Counter()
        self.said: list[str] = []
        self.feed(octets.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            self.names.add(name)
            if name in {"href", "action", "src"}:
                self.links.append(value or "")
            if name == "id":
                self.ids[value or ""] += 1

    def handle_data(self, data: str) -> None:
        self.said.append(data)


# What reports let through at most, and what might break a page.
HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=128),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onfocus='alert(1)",
            "javascript:alert(1)",
            "{{ 7 * 7 }}{% raw %}",
            "</title></style><style>*{display:none}",
            "-->]]>",
            "\u202egnp.exe",
            "W" * 128,
            "a\u0335" + "\u0335" * 120,
            "&lt;b&gt;&#0;",
            "%3Cscript%3E",
        ]
    ),
)


@settings(max_examples=25, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_word_of_a_laptop_breaks_out_of_its_place(one: str, two: str, three: str) -> None:
    known = a_fleet_key(
        {"device.firmware": one, "otp.word": two}, {"piv.slot": three}, host=three or "x"
    )
    pages = {
        "keys": keys_html(known),
        "key": key_html(known, a_change(before=one, after=(two, three))),
        "hosts": hosts_html(a_host(one or "x", two, three)),
        "advisory": advisory_html(known, reason=one),
        "software": software_html(one or "x", two),
        "holders": holders_html(one or "x"),
    }
    for name, octets in pages.items():
        found, calm = Outline(octets), Outline(EVERYTHING[name])
        assert found.tags == calm.tags, name
        assert found.names <= calm.names | {"title"}, name
        assert b"alert(1)</script" not in octets
        check_links(found)


@settings(max_examples=15, deadline=None)
@given(HOSTILE)
def test_nor_does_what_somebody_looked_for(text: str) -> None:
    filters = KeyFilter(*(f"x{text}",) * 5)
    found = Outline(keys_html(CALM, filters=filters))
    assert found.tags == Outline(keys_html(CALM, filters=KeyFilter(host="x"))).tags
    check_links(found)


def check_links(page: Outline) -> None:
    for link in page.links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc) in {("", ""), ("data", "")}, link
        assert link == "data:," or link.startswith(("/fleet", "#"))


@pytest.mark.parametrize("name", EVERYTHING)
def test_pages_have_no_script_and_ask_nobody_for_anything(name: str) -> None:
    page = Outline(EVERYTHING[name])
    assert not {"script", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert not {each for each in page.names if each.startswith("on")} | ({"style"} & page.names)
    assert all(number == 1 for number in page.ids.values())
    check_links(page)


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_one_style_is_the_one_that_the_policy_allows(name: str) -> None:
    style = re.search(rb"<style>(.*?)</style>", EVERYTHING[name], re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in document.house().header


def test_a_long_word_ends() -> None:
    page = key_html(a_fleet_key({"otp.word": "W" * 128, "otp.words": ("V" * 128,) * 32}))
    assert b"V" * 200 not in page
    assert "…".encode() in page


def test_each_fact_has_its_level() -> None:
    for trust in Trust:
        said = " ".join(Outline(key_html(a_fleet_key(trust=trust))).said)
        assert trust.word in said


def test_a_host_that_contradicts_what_a_key_proved_is_shown() -> None:
    lie = a_fleet_key(against="5.7.4", trust=Trust.KEY_CHANNEL)
    said = " ".join(Outline(key_html(lie)).said)
    assert "Altered by a host" in said
    assert "Word against word" not in said
    assert "contradicted" in said
    disputed = " ".join(Outline(key_html(a_fleet_key(against="5.7.4"))).said)
    assert "Word against word" in disputed
    assert "Altered by a host" not in disputed


def test_what_is_being_counted_is_not_told_as_nothing() -> None:
    said = " ".join(Outline(EVERYTHING["overview"]).said)
    assert "counting anew: 12,000 of 1,234,567 so far" in said
    assert "1,234,567 keys on 980,000 hosts" in said
    assert "other versions" in said
    assert "of-our-own" in said
