"""The page as octets: what it says, that it fetches nothing, and that no text breaks out."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.states import State
from server.status.document import content_policy, write_html
from server.status.page import headline, lay_out
from server.status.snapshot import ComponentView, PeriodName, Snapshot, Update
from tests.server.status.samples import (
    DAY_S,
    MONTH,
    NOW_S,
    QUARTER,
    degraded,
    eventful,
    figure,
    incident,
    quiet,
    stale,
    validation,
    work,
)

EVERYTHING = [quiet(), eventful(), degraded(), stale()]


class Outline(HTMLParser):
    """Elements and attributes of a page, and its text."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said: list[str] = []
        self.feed(octets.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.said))


def page(snapshot: Snapshot, now_s: int = NOW_S) -> Outline:
    return Outline(write_html(snapshot, now_s, "/status/"))


@pytest.mark.parametrize("snapshot", EVERYTHING)
def test_the_page_runs_nothing_and_fetches_nothing(snapshot: Snapshot) -> None:
    outline = page(snapshot)
    assert not {"script", "iframe", "img", "object", "form", "base"} & set(outline.tags)
    names = {name for name, _ in outline.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"style", "src"} & names)
    links = [value or "" for name, value in outline.attributes if name == "href"]
    assert all(link.startswith(("/status/", "data:,", "#")) for link in links)


def test_the_one_style_is_the_one_that_the_policy_allows() -> None:
    octets = write_html(quiet(), NOW_S, "")
    style = re.search(rb"<style>(.*?)</style>", octets, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_policy()
    assert content_policy().startswith("default-src 'none';")


@pytest.mark.parametrize("snapshot", EVERYTHING)
def test_ids_are_there_once_and_labels_point_at_them(snapshot: Snapshot) -> None:
    outline = page(snapshot)
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for name, value in outline.attributes if name == "aria-labelledby"} <= set(ids)


@given(st.text(min_size=1), st.text())
def test_whatever_somebody_wrote_is_text_on_the_page(title: str, text: str) -> None:
    def with_texts(title: str, text: str) -> Snapshot:
        told = (Update(NOW_S * 1_000_000, State.OPEN, text),)
        known = replace(incident(), title=title, updates=told)
        one = replace(work(), steps=(replace(work().steps[0], title=title),))
        return replace(quiet(), service=title, incidents=(known,), maintenance=(one,))

    harmless = page(with_texts("a", "b"))
    outline = page(with_texts(title, text))
    assert outline.tags == harmless.tags
    assert {name for name, _ in outline.attributes} == {name for name, _ in harmless.attributes}


def test_script_in_a_title_is_shown_as_it_was_written() -> None:
    nasty = '</h3><script>alert("x")</script>'
    octets = write_html(replace(quiet(), incidents=(incident(title=nasty),)), NOW_S, "")
    assert b"<script" not in octets
    assert b"&lt;script&gt;" in octets


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (quiet(), "Everything works, as far as is known"),
        (replace(quiet(), components=quiet().components[:1]), "Everything works"),
        (eventful(), "Validation is out of order"),
        (degraded(), "Validation works with faults"),
        (stale(), "It is not known how things are now"),
        (
            replace(quiet(), components=(validation(measured=None),)),
            "It is not known whether Validation works",
        ),
        (
            replace(
                quiet(),
                components=tuple(map(ComponentView, Component)),
                maintenance=(
                    work(1, start_s=NOW_S, component=Component.UPLOAD),
                    work(2, start_s=NOW_S, component=Component.API_KEYS),
                    work(3, start_s=NOW_S, component=Component.PROVISIONING),
                ),
            ),
            "Upload, API keys and Provisioning are in maintenance",
        ),
    ],
)
def test_the_headline_says_how_it_is(snapshot: Snapshot, said: str) -> None:
    assert headline(snapshot, NOW_S) == said
    assert f'<h2 id="now">{said}</h2>' in write_html(snapshot, NOW_S, "").decode()


def test_old_records_are_said_to_be_old() -> None:
    assert "could not be read for 1 h 7 min" in page(stale()).text
    assert "could not be read" not in page(quiet()).text


def test_what_was_measured_has_its_bars_and_each_day_that_was_not_well_in_words() -> None:
    octets = write_html(eventful(), NOW_S, "").decode()
    assert octets.count("<g><title>") == 90
    (part, *_) = lay_out(eventful(), NOW_S).components
    assert part.summary == "3 h 15 min lost, 1 d 12 h not known"
    assert [row.day for row in part.rows][:2] == ["24 November 2026", "18 November 2026"]
    assert "Not measured" in page(eventful()).text


def test_figures_say_verdict_bounds_and_what_is_left() -> None:
    month, quarter, term, rolling = lay_out(eventful(), NOW_S).figures
    assert (month.name, month.span) == ("November 2026", "1 to 30 November 2026")
    assert (month.availability, month.verdict_text) == ("99.9960 %", "Met so far")
    assert ("At least, at most", "99.9701 % to 99.9960 %") in month.facts
    assert ("Announced maintenance", "2 h, left out") in month.facts
    assert (quarter.name, quarter.verdict_text) == ("Quarter 4 of 2026", "Not decided")
    assert quarter.availability == "97.4171 % to 99.9463 %"
    assert ("Of what is known", "99.9449 %") in quarter.facts
    assert (term.verdict_text, term.span) == (
        "Missed so far",
        "1 March 2026 to 28 February 2027",
    )
    assert any(name == "Budget overspent" for name, _ in term.facts)
    assert (rolling.name, rolling.availability) == ("Last 30 days", "not known")


def test_a_breach_by_one_second_is_missed_and_never_rounded_to_the_target() -> None:
    september = Span(MONTH.start - 61 * DAY_S, MONTH.start - 31 * DAY_S)
    breach = figure(PeriodName.MONTH, september, downtime_s=2593)
    (part,) = lay_out(replace(quiet(), figures=(breach,)), NOW_S).figures
    assert (part.availability, part.verdict_text) == ("99.8999 %", "Missed so far")


def test_a_period_without_time_to_measure_says_so() -> None:
    nothing = figure(
        PeriodName.QUARTER, QUARTER, maintenance_s=min(QUARTER.end, NOW_S) - QUARTER.start
    )
    (part,) = lay_out(replace(quiet(), figures=(nothing,)), NOW_S).figures
    assert (part.availability, part.verdict_text) == ("not known", "Nothing to measure yet")


def test_the_key_explains_what_is_drawn_and_nothing_more() -> None:
    assert lay_out(quiet(), NOW_S).key == ()
    assert [kind for kind, _ in lay_out(eventful(), NOW_S).key] == [
        "well", "some", "bad", "maintenance", "unknown", "none",
    ]  # fmt: skip


def test_incidents_that_are_over_stand_apart_from_those_that_are_not() -> None:
    laid = lay_out(eventful(), NOW_S)
    assert [one.anchor for one in laid.unresolved] == ["incident-12", "incident-11"]
    assert [one.anchor for one in laid.settled] == ["incident-9", "incident-8"]
    newest = laid.unresolved[0].updates[0]
    assert newest.text.startswith("About one in three requests")
