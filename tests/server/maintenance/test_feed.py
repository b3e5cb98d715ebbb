"""The feed: RFC 5545 to the octet, read by a parser of the test's own."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.maintenance import decisions
from server.maintenance.decisions import MAX_TITLE
from server.maintenance.feed import write_calendar
from server.maintenance.plan import Component, Maintenance
from tests.server.maintenance.histories import HOUR, T0, a_plan, announced, changed, do

START, END = a_plan().span


def read(octets: bytes) -> list[dict[str, str]]:
    """Return the events of a calendar by their properties; refuses what RFC 5545 does."""
    text = octets.decode("utf-8")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert max(len(line) for line in octets.split(b"\r\n")) <= 75
    lines = text.replace("\r\n ", "").split("\r\n")[:-1]
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    events: list[dict[str, str]] = []
    for line in lines[1:-1]:
        name, colon, value = line.partition(":")
        assert colon
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and line != "END:VEVENT":
            assert name not in events[-1]
            events[-1][name] = value
    return events


def unescaped(text: str) -> str:
    kept = text.replace("\\\\", "\0")
    for escape, meant in (("\\n", "\n"), ("\\,", ","), ("\\;", ";")):
        kept = kept.replace(escape, meant)
    return kept.replace("\0", "\\")


def stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def one(known: Maintenance) -> dict[str, str]:
    (event,) = read(write_calendar([known]))
    return event


def test_an_announced_maintenance_is_an_event_in_utc() -> None:
    event = one(announced())
    assert (event["DTSTART"], event["DTEND"]) == (stamp(START), stamp(END))
    assert (event["DTSTAMP"], event["CREATED"]) == (stamp(T0), stamp(T0))
    assert (event["STATUS"], event["SEQUENCE"]) == ("CONFIRMED", "0")
    assert event["SUMMARY"] == "Validation: Database upgrade"
    assert event["TRANSP"] == "TRANSPARENT"


def test_changes_keep_the_uid_raise_the_sequence_and_tell_what_was_announced_before() -> None:
    first = announced()
    second = changed(first, T0 + 60, end=END + HOUR)
    third = changed(second, T0 + 120, start=START + 60)
    off = do(third, decisions.cancel, T0 + 180)
    events = [one(known) for known in (first, second, third, off)]
    assert len({event["UID"] for event in events}) == 1
    assert [event["SEQUENCE"] for event in events] == ["0", "1", "2", "3"]
    assert [event["LAST-MODIFIED"] for event in events] == [
        stamp(T0 + late) for late in (0, 60, 120, 180)
    ]
    assert [event["STATUS"] for event in events] == ["CONFIRMED"] * 3 + ["CANCELLED"]
    assert unescaped(events[-1]["DESCRIPTION"]).splitlines() == [
        "2026-11-21T12:00:00Z announced: 2026-11-21T13:00:00Z to 2026-11-21T15:00:00Z",
        "2026-11-21T12:01:00Z changed: 2026-11-21T13:00:00Z to 2026-11-21T16:00:00Z",
        "2026-11-21T12:02:00Z changed: 2026-11-21T13:01:00Z to 2026-11-21T16:00:00Z",
        "2026-11-21T12:03:00Z cancelled",
    ]


def test_a_change_before_the_announcement_is_nobodys_business() -> None:
    draft = do(None, decisions.schedule(a_plan(), announce=False), T0)
    assert read(write_calendar([draft])) == []
    moved = changed(draft, T0 + 60, end=END + 60)
    event = one(do(moved, decisions.announce, T0 + 120))
    assert (event["SEQUENCE"], event["CREATED"]) == ("0", stamp(T0 + 120))
    assert "changed" not in event["DESCRIPTION"]


def test_that_the_work_began_is_no_new_version_of_the_plan() -> None:
    begun = do(announced(), decisions.begin, START)
    assert one(begun)["SEQUENCE"] == "0"
    assert one(begun)["LAST-MODIFIED"] == stamp(START)


def test_two_maintenances_have_two_uids_also_on_two_installations() -> None:
    known = [
        announced(),
        announced(at=T0 + 1),
        announced(a_plan(component=Component.API_KEYS), number=2),
    ]
    events = read(write_calendar(known))
    assert len({event["UID"] for event in events}) == 3
    assert write_calendar(known) == write_calendar(known)


printable = st.text(min_size=1, max_size=MAX_TITLE).filter(str.isprintable)


@given(printable)
def test_any_title_comes_through_folding_and_escaping(title: str) -> None:
    known = announced(a_plan()._replace(title=title))
    assert unescaped(one(known)["SUMMARY"]) == f"Validation: {title}"
