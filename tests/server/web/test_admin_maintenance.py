"""The admin API on maintenance: planned, announced, changed, called off; refusals say why."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.maintenance.test_feed import read
from tests.server.web.office import Answer, Office, open_office

NEW = {
    "component": "validation",
    "title": "Database upgrade",
    "start": "2026-12-05T22:00:00",
    "end": "2026-12-05T23:00:00",
    "zone": "Europe/Stockholm",
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    yield office
    await office.serving.stop()


async def plan(office: Office, **more: object) -> Answer:
    return await office.call("POST", "/maintenance?reason=needed", {**NEW, **more})


async def test_what_is_planned_on_a_wall_is_announced_in_utc(office: Office) -> None:
    answer = await plan(office)
    assert answer.status == 201
    assert answer.json == {
        "id": 1,
        "component": "validation",
        "title": "Database upgrade",
        "start": "2026-12-05T21:00:00Z",
        "end": "2026-12-05T22:00:00Z",
        "condition": "scheduled",
        "announced": "2026-11-21T12:00:00Z",
        "windows": [
            {
                "start": "2026-12-05T21:00:00Z",
                "end": "2026-12-05T22:00:00Z",
                "announced": "2026-11-21T12:00:00Z",
                "cancelled": None,
                "counts": True,
            }
        ],
        "history": [
            {
                "step": step,
                "time": "2026-11-21T12:00:00Z",
                "title": "Database upgrade",
                "start": "2026-12-05T21:00:00Z",
                "end": "2026-12-05T22:00:00Z",
            }
            for step in ("scheduled", "announced")
        ],
    }
    assert (await office.call("GET", "/maintenance/1")).json == answer.json
    assert (await office.call("GET", "/maintenance")).json == {
        "maintenance": [answer.json],
        "next": None,
    }
    entry = (await office.store.latest_entries(1))[0]
    assert (entry.deed.act.action, entry.deed.act.reason) == ("maintenance.schedule", "needed")


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"end": "2026-12-05T21:59:59"}, 422, "is not after the start"),
        ({"start": "2026-11-21T13:00:00", "end": "2026-11-21T14:00:00"}, 422, "is in the past"),
        ({"start": "2027-03-28T02:30:00", "end": "2027-03-28T09:00:00"}, 422, "does not exist in"),
        ({"start": "2027-10-31T02:30:00", "end": "2027-10-31T09:00:00"}, 422, "exists twice in"),
        ({"zone": "Europe/Atlantis"}, 422, "the zone is a name like"),
        ({"zone": "../../etc/passwd"}, 422, "the zone is a name like"),
        ({"zone": "Europe"}, 422, "the zone is a name like"),
        ({"start": "soon"}, 422, "is no time"),
        ({"start": "2026-12-05T22:00:00.5"}, 422, "parts of a second"),
        ({"end": "9999-12-31T23:59:59Z"}, 422, "between 1970 and 3000"),
        ({"title": " "}, 422, "one line of 1 to 120"),
        ({"title": "a\nb"}, 422, "one line of 1 to 120"),
        ({"component": "coffee"}, 422, "component"),
        ({"announce": "yes"}, 422, "announce"),
    ],
)
async def test_what_cannot_be_announced_is_refused_with_the_reason(
    office: Office, more: dict[str, object], status: int, words: str
) -> None:
    answer = await plan(office, **more)
    assert answer.status == status
    assert words in answer.json["detail"]
    assert (await office.call("GET", "/maintenance")).json["maintenance"] == []


async def test_a_window_over_another_is_refused_until_that_is_called_off(office: Office) -> None:
    await plan(office)
    refused = await plan(office, start="2026-12-05T22:30:00", end="2026-12-06T01:00:00")
    assert refused.status == 409
    assert "maintenance 1 of validation is planned" in refused.json["detail"]
    off = await office.call("POST", "/maintenance/1/cancel")
    assert (off.status, off.json["condition"]) == (200, "cancelled")
    assert [window["counts"] for window in off.json["windows"]] == [False]
    assert (await plan(office)).status == 201
    assert (await office.call("POST", "/maintenance/1/cancel")).status == 409


async def test_a_change_shows_beside_what_was_announced_before(office: Office) -> None:
    await plan(office)
    body = {"end": "2026-12-06T00:30:00", "zone": "Europe/Stockholm"}
    answer = await office.call("PATCH", "/maintenance/1", body)
    assert (answer.status, answer.json["end"]) == (200, "2026-12-05T23:30:00Z")
    ends = [step["end"][11:16] for step in answer.json["history"]]
    assert ends == ["22:00", "22:00", "23:30"]
    for empty in ({}, {"zone": "UTC"}):
        assert (await office.call("PATCH", "/maintenance/1", empty)).status == 422


async def test_a_draft_is_nobodys_until_it_is_announced(office: Office) -> None:
    draft = await plan(office, announce=False)
    assert (draft.json["condition"], draft.json["announced"]) == ("draft", None)
    calendar = await office.call("GET", "/maintenance.ics")
    assert read(calendar.reply.body) == []
    told = await office.call("POST", "/maintenance/1/announce")
    assert told.json["windows"][0]["counts"] is True
    calendar = await office.call("GET", "/maintenance.ics")
    assert calendar.reply.header("content-type") == "text/calendar; charset=utf-8"
    assert [event["DTSTART"] for event in read(calendar.reply.body)] == ["20261205T210000Z"]


async def test_work_that_nobody_ended_is_seen_to_overrun(office: Office) -> None:
    await plan(office, start="2026-11-21T13:01:00", end="2026-11-21T13:10:00")
    early = await office.call("POST", "/maintenance/1/begin")
    assert early.status == 409
    office.clock.pass_by(90)
    begun = await office.call("POST", "/maintenance/1/begin")
    assert begun.json["condition"] == "in-progress"
    office.clock.pass_by(600)
    late = await office.call("GET", "/maintenance/1")
    assert late.json["condition"] == "overrun"
    refused = await office.call("PATCH", "/maintenance/1", {"end": "2026-11-21T14:00:00Z"})
    assert refused.status == 409
    assert "announced before the old end" in refused.json["detail"]
    done = await office.call("POST", "/maintenance/1/finish")
    assert done.json["condition"] == "finished"
    assert [window["end"][11:16] for window in done.json["windows"]] == ["12:10"]


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    assert (await office.call("GET", "/maintenance/7")).status == 404
    assert (await office.call("PATCH", "/maintenance/7", {"title": "x"})).status == 404
    for verb in ("announce", "cancel", "begin", "finish"):
        assert (await office.call("POST", f"/maintenance/7/{verb}")).status == 404
