"""The admin API on incidents: opened, taken on, told of, resolved; refusals say why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from server.accounts.access import Caller, Role
from server.journal.acts import Actor
from tests.server.web.office import Answer, Office, open_office

NEW = {"title": "Nobody gets an answer", "situation": {"unavailable": True}}
US = 1_000_000


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    yield office
    await office.serving.stop()


async def begin(office: Office, **more: object) -> Answer:
    return await office.call("POST", "/incidents", {**NEW, **more})


async def do(office: Office, verb: str, body: object = None, reason: str = "") -> Answer:
    path = f"/incidents/1/{verb}" + (f"?reason={quote(reason)}" if reason else "")
    return await office.call("POST", path, {} if body is None else body)


async def test_what_is_opened_shows_its_proposal_its_clocks_and_its_history(
    office: Office,
) -> None:
    answer = await begin(office)
    assert answer.status == 201
    author = answer.json["history"][0]["author"]
    assert author.startswith("operator local ")
    assert answer.json == {
        "id": 1,
        "component": "validation",
        "title": "Nobody gets an answer",
        "state": "open",
        "severity": 1,
        "proposed": {"severity": 1, "sentence": "The validation service is unavailable."},
        "origin": "person",
        "public": True,
        "customer": None,
        "clients": [],
        "reported": "2026-11-21T12:00:00Z",
        "acknowledged": None,
        "resolved": None,
        "losses": [],
        "amendments": [],
        "clocks": [
            {
                "clock": "initial_response",
                "start": "2026-11-21T12:00:00Z",
                "due": "2026-11-21T12:15:00Z",
                "outcome": "running",
                "answered": None,
                "missed": None,
            }
        ],
        "history": [
            {
                "step": "opened",
                "time": "2026-11-21T12:00:00Z",
                "author": author,
                "by_person": True,
                "text": "",
                "detail": {
                    "component": "validation",
                    "title": "Nobody gets an answer",
                    "origin": "person",
                    "severity": 1,
                    "sentence": "The validation service is unavailable.",
                    "reported_us": 1_795_262_400 * US,
                    "customer": None,
                    "public": True,
                },
            }
        ],
    }
    assert (await office.call("GET", "/incidents/1")).json == answer.json
    listed = (await office.call("GET", "/incidents?open=yes")).json
    assert listed == {"incidents": [answer.json], "next": None}


async def test_an_incident_goes_from_the_report_to_its_resolution(office: Office) -> None:
    await begin(office)
    office.clock.pass_by(15 * 60)
    taken = (await do(office, "acknowledge", {"tell": "We are on it."}, "eve has it")).json
    assert taken["state"] == "acknowledged"
    assert taken["clocks"][0]["outcome"] == "met"
    assert [one["step"] for one in taken["history"]] == ["opened", "acknowledged", "update"]
    assert (await do(office, "resolve", {"summary": "a disk"})).status == 409
    assert (await do(office, "assign", {"severity": 2})).status == 422
    assigned = await do(office, "assign", {"severity": 2}, "half of them get through")
    assert assigned.json["severity"] == 2
    lost = {"start": "2026-11-21T12:00:00", "end": "2026-11-21T12:10:00", "impact": "1/3"}
    confirmed = await do(office, "confirm", {"losses": [lost]})
    assert confirmed.json["losses"] == [
        {"start": "2026-11-21T12:00:00Z", "end": "2026-11-21T12:10:00Z", "impact": "1/3"}
    ]
    assert (await do(office, "affect", {"clients": [7, 3]})).json["clients"] == [3, 7]
    assert (await do(office, "mitigate")).json["state"] == "mitigated"
    assert (await do(office, "worsen")).json["state"] == "acknowledged"
    assert (await do(office, "resolve")).status == 422
    over = (await do(office, "resolve", {"summary": "A disk was full.", "tell": "Over."})).json
    assert (over["state"], over["resolved"]) == ("resolved", "2026-11-21T12:15:00Z")
    report = over["clocks"][-1]
    assert (report["clock"], report["due"]) == ("incident_report", "2026-12-22T01:00:00Z")
    amended = {"start": "2026-11-21T12:00:00Z", "end": "2026-11-21T12:01:00Z", "impact": "0"}
    assert (await do(office, "amend", amended)).status == 422
    after = (await do(office, "amend", amended, "counted twice")).json
    assert after["amendments"][0]["reason"] == "counted twice"
    assert (await do(office, "reopen")).status == 422
    assert (await do(office, "reopen", reason="again")).json["resolved"] is None
    assert (await office.call("GET", "/incidents?open=no")).json["incidents"][0]["id"] == 1


async def test_a_note_stops_no_clock_and_an_update_does(office: Office) -> None:
    await begin(office)
    noted = await do(office, "note", {"text": "the log is on /srv"})
    assert noted.json["clocks"][0]["outcome"] == "running"
    office.clock.pass_by(15 * 60 + 1)
    told = await do(office, "update", {"text": "We look at it.", "public": False})
    assert told.json["state"] == "acknowledged"
    assert told.json["clocks"][0]["outcome"] == "missed"
    assert told.json["clocks"][0]["missed"] == "2026-11-21T12:15:00Z"


async def test_a_customers_report_counts_from_when_it_came_and_asks_for_updates(
    office: Office,
) -> None:
    assert (await begin(office, customer=1)).status == 404
    body = {"name": "Acme", "entity": "inc", "validation": False}
    assert (await office.call("POST", "/customers", body)).status == 201
    answer = await begin(
        office,
        customer=1,
        reported="2026-11-21T12:30:00",
        zone="Europe/Stockholm",
        severity=2,
    )
    assert answer.status == 422
    answer = await begin(
        office, customer=1, reported="2026-11-21T12:30:00", zone="Europe/Stockholm", severity=1
    )
    assert answer.json["reported"] == "2026-11-21T11:30:00Z"
    assert [(one["clock"], one["due"], one["outcome"]) for one in answer.json["clocks"]] == [
        ("initial_response", "2026-11-21T11:45:00Z", "missed"),
        ("update", "2026-11-21T12:30:00Z", "running"),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"title": "a\nb"}, "one line of 1 to 120"),
        ({"title": " "}, "one line of 1 to 120"),
        ({"tell": "a\u202eb"}, "cannot be shown"),
        ({"reported": "2026-11-21T12:00:01Z"}, "in the future"),
        ({"reported": "2025-01-01T00:00:00Z"}, "more than a year old"),
        ({"reported": "2026-10-25T02:30:00", "zone": "Europe/Stockholm"}, "exists twice"),
        ({"reported": "2026-03-29T02:30:00", "zone": "Europe/Stockholm"}, "does not exist"),
        ({"reported": "yesterday"}, "is no time"),
        ({"zone": "Mars/Olympus"}, "is no time zone"),
        ({"zone": "../../etc/passwd"}, "is no time zone"),
        ({"severity": 4}, "give a reason for 4"),
        ({"severity": 5}, "severity"),
        ({"situation": {"reach": "everyone"}}, "reach"),
        ({"component": "coffee"}, "component"),
    ],
)
async def test_what_cannot_be_opened_is_refused_with_the_reason(
    office: Office, more: dict[str, object], words: str
) -> None:
    answer = await begin(office, **more)
    assert answer.status == 422
    assert words in answer.json["detail"]
    assert (await office.call("GET", "/incidents")).json["incidents"] == []


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({"start": "2026-11-21T12:00:01Z"}, "in the future"),
        ({"start": "2026-11-21T11:00:00Z", "end": "2026-11-21T10:00:00Z"}, "not after the start"),
        ({"start": "2026-11-21T11:00:00Z", "end": "2026-11-21T13:00:00Z"}, "in the future"),
        ({"start": "2026-11-21T11:00:00Z", "impact": "0"}, "an impact is which part"),
        ({"start": "2026-11-21T11:00:00Z", "impact": "1.5"}, "an impact is which part"),
        ({"start": "2026-11-21T11:00:00Z", "impact": "1e9"}, "an impact is which part"),
        ({"start": "2026-11-21T11:00:00.5Z"}, "parts of a second"),
    ],
)
async def test_losses_that_cannot_be_are_refused_with_the_reason(
    office: Office, loss: dict[str, str], words: str
) -> None:
    await begin(office, tell="We are on it.")
    answer = await do(office, "confirm", {"losses": [loss]})
    assert answer.status == 422
    assert words in answer.json["detail"]


async def test_what_cannot_be_done_now_says_what_can(office: Office) -> None:
    await begin(office)
    refused = await do(office, "mitigate")
    assert refused.status == 409
    assert "acknowledged or " in refused.json["detail"]
    assert (await office.call("POST", "/incidents/2/acknowledge", {})).status == 404
    assert (await office.call("GET", "/incidents/2")).status == 404


def handed(at_us: int, **more: object) -> dict[str, Any]:
    opening = {
        "component": "validation",
        "title": "Nobody gets an answer",
        "origin": "probe",
        "severity": 1,
        "sentence": "The validation service is unavailable.",
        "reported_us": at_us,
        "customer": None,
        "public": True,
    }
    record = {
        "step": "opened",
        "at_us": at_us,
        "author": {"kind": "prober", "name": "oslo"},
        "text": "",
        "detail": opening | more,
    }
    acknowledged = {
        "step": "acknowledged",
        "at_us": at_us + 600 * US,
        "author": {"kind": "operator", "name": "on-call eve"},
        "text": "",
        "detail": None,
    }
    return {"reference": "0123456789abcdef", "records": [record, acknowledged]}


async def test_what_the_prober_began_is_taken_over_once_with_its_true_times(
    office: Office,
) -> None:
    body = handed((1_795_262_400 - 7200) * US)
    for _ in range(2):
        answer = await office.call("POST", "/incidents/taken-over", body)
        assert answer.status == 200
    assert answer.json["reported"] == "2026-11-21T10:00:00Z"
    assert answer.json["acknowledged"] == "2026-11-21T10:10:00Z"
    assert answer.json["clocks"][0]["outcome"] == "met"
    assert len((await office.call("GET", "/incidents")).json["incidents"]) == 1


async def test_a_flood_of_incidents_of_a_prober_is_refused_and_nothing_of_it_is_kept(
    office: Office,
) -> None:
    statuses = []
    for number in range(8):
        body = {**handed(1_795_255_200 * US), "reference": f"{number:016}"}
        answer = await office.call("POST", "/incidents/taken-over", body)
        statuses.append(answer.status)
    assert statuses == [200] * 5 + [409] * 3
    assert "dismiss or resolve" in answer.json["detail"]
    assert len((await office.call("GET", "/incidents")).json["incidents"]) == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (handed(1, severity=9), "one of the records is none"),
        (handed(1, more=1), "one of the records is none"),
        (handed(1, title="a\x1bb"), "one line"),
        (handed(2**52), "times to come"),
        (handed(1) | {"reference": "short"}, "a reference is 16 to 64"),
        (handed(1) | {"records": [{"step": "opened"}]}, "one of the records is none"),
    ],
)
async def test_a_hand_in_that_is_none_is_refused(
    office: Office, body: dict[str, object], words: str
) -> None:
    answer = await office.call("POST", "/incidents/taken-over", body)
    assert answer.status == 422
    assert words in answer.json["detail"]


async def test_support_dismisses_nothing_of_which_seconds_were_confirmed(tmp_path: Path) -> None:
    role = Role.SUPPORT

    async def authenticate(_: web.Request) -> Caller:
        return Caller(Actor("operator", "ann"), role)

    office = await open_office(tmp_path, authenticate=authenticate)
    try:
        await begin(office)
        await do(office, "acknowledge")
        lost = {"start": "2026-11-21T11:58:00Z", "end": "2026-11-21T11:59:00Z", "impact": "1"}
        assert (await do(office, "confirm", {"losses": [lost]})).status == 200
        refused = await do(office, "dismiss", None, "was none")
        assert (refused.status, "incident.amend" in refused.json["detail"]) == (403, True)
        role = Role.OPERATOR
        assert (await do(office, "dismiss")).status == 422
        assert (await do(office, "dismiss", None, "was none")).json["state"] == "dismissed"
    finally:
        await office.serving.stop()
