"""The feed, read by a feed reader that others wrote."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import feedparser  # type: ignore[import-untyped] # the library ships no types
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.states import State
from server.status.atom import write_atom
from server.status.snapshot import Snapshot, Update
from tests.server.status.samples import NOW_S, eventful, incident, quiet

URL = "https://status.example.org"


def read(snapshot: Snapshot, now_s: int = NOW_S) -> feedparser.FeedParserDict:
    feed = feedparser.parse(write_atom(snapshot, now_s, URL))
    assert not feed.bozo
    assert feed.version == "atom10"
    return feed


def test_a_reader_finds_each_incident_and_each_maintenance_once() -> None:
    feed = read(eventful())
    assert feed.feed.title == "Example OTP status"
    assert (feed.feed.id, feed.feed.link) == (URL, URL)
    ids = [entry.id for entry in feed.entries]
    assert len(set(ids)) == len(ids) == 8
    (incident_12,) = [entry for entry in feed.entries if entry.id == f"{URL}#incident-12"]
    assert incident_12.title == "Validation answers with BACKEND_ERROR"
    assert incident_12.link == incident_12.id
    assert "a full disk" in incident_12.content[0].value
    assert incident_12.content[0].type == "text/plain"
    stamps = [entry.updated for entry in feed.entries]
    assert stamps == sorted(stamps, reverse=True)
    assert feed.feed.updated == stamps[0]


def test_an_incident_keeps_its_id_and_moves_when_there_is_more_to_it() -> None:
    open_ = replace(quiet(), incidents=(incident(states=(State.OPEN,)),))
    over = incident(states=(State.OPEN, State.ACKNOWLEDGED, State.RESOLVED))
    (before,) = read(open_).entries
    (after,) = read(replace(quiet(), incidents=(over,))).entries
    assert after.id == before.id
    assert after.published == before.published
    assert after.updated > before.updated


def test_a_feed_without_anything_is_one_and_stays_the_same_for_the_day() -> None:
    empty = quiet()
    assert read(empty).entries == []
    later = replace(empty, read_us=empty.read_us + 5_000_000)
    assert write_atom(empty, NOW_S, URL) == write_atom(later, NOW_S + 5, URL)


@given(st.text(), st.text())
def test_whatever_somebody_wrote_is_text_in_the_feed(title: str, text: str) -> None:
    known = replace(
        incident(title=title or "x"), updates=(Update(NOW_S * 1_000_000, State.OPEN, text),)
    )
    octets = write_atom(replace(quiet(), incidents=(known,)), NOW_S, URL)
    root = ET.fromstring(octets)  # noqa: S314 - our own octets
    names = {element.tag.partition("}")[2] for element in root.iter()}
    assert names == {
        "feed", "title", "id", "link", "updated", "author", "name", "entry", "published", "content",
    }  # fmt: skip
