"""The admin API on usage: of one client and of all, in steps, within bounds."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from server.usage.kinds import KINDS
from server.usage.ports import NOBODY, MinuteRow, Parcel
from tests.server.still_clock import NOW_US
from tests.server.web.office import LEFT_OUT, Office, open_office

T0 = NOW_US // 60_000_000
"""2026-11-21T12:00:00Z."""


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    for name in ("mail", "wiki"):
        await office.call("POST", "/clients", {"name": name})
    yield office
    await office.serving.stop()


async def store(office: Office, *rows: tuple[int, int, dict[str, int]]) -> None:
    parcel = Parcel(
        "test",
        1,
        tuple(
            MinuteRow(T0 + minute, client, tuple(named.get(kind, 0) for kind in KINDS))
            for minute, client, named in rows
        ),
    )
    await office.store.add_usage(parcel)


async def test_a_clients_last_day_in_hours(office: Office) -> None:
    await store(
        office,
        (-90, 1, {"ok": 7, "limited": 2}),
        (-61, 1, {"ok": 1, "backend_error": 1}),
        (0, 1, {"bad_otp": 3}),
        (0, 2, {"ok": 100}),
        (-1441, 1, {"ok": 1000}),
    )
    answer = await office.call("GET", "/clients/1/usage")
    assert answer.status == 200
    assert answer.json == {
        "client": 1,
        "from": "2026-11-20T12:01:00Z",
        "to": "2026-11-21T12:01:00Z",
        "step": "hour",
        "good": 11,
        "bad": 1,
        "excluded": 2,
        "kinds": {"ok": 8, "bad_otp": 3, "backend_error": 1, "limited": 2},
        "steps": [
            {
                "time": "2026-11-21T10:00:00Z",
                "good": 8,
                "bad": 1,
                "excluded": 2,
                "kinds": {"ok": 8, "backend_error": 1, "limited": 2},
            },
            {
                "time": "2026-11-21T12:00:00Z",
                "good": 3,
                "bad": 0,
                "excluded": 0,
                "kinds": {"bad_otp": 3},
            },
        ],
    }


async def test_minutes_of_a_range_with_any_offset(office: Office) -> None:
    await store(office, *((minute, 1, {"ok": 1}) for minute in range(-5, 5)))
    start, end = quote("2026-11-21T12:58:30+01:00"), "2026-11-21T12:01:01Z"
    answer = await office.call("GET", f"/clients/1/usage?step=minute&from={start}&to={end}")
    assert (answer.json["from"], answer.json["to"]) == (
        "2026-11-21T11:58:00Z",
        "2026-11-21T12:02:00Z",
    )
    assert [step["time"][11:16] for step in answer.json["steps"]] == [
        "11:58",
        "11:59",
        "12:00",
        "12:01",
    ]


async def test_the_total_has_everybody_but_who_is_left_out(office: Office) -> None:
    await store(
        office,
        (0, NOBODY, {"no_such_client": 1, "fault": 2}),
        (0, 1, {"ok": 5}),
        (0, 2, {"ok": 6}),
        (0, LEFT_OUT, {"ok": 1000}),
    )
    answer = await office.call("GET", "/usage?step=day")
    assert answer.json["client"] is None
    assert (answer.json["good"], answer.json["bad"], answer.json["excluded"]) == (12, 2, 0)


async def test_nothing_was_answered(office: Office) -> None:
    for path in ("/usage", "/clients/2/usage"):
        answer = await office.call("GET", path)
        assert answer.json["steps"] == []
        assert answer.json["kinds"] == {}
        assert (answer.json["good"], answer.json["bad"], answer.json["excluded"]) == (0, 0, 0)


async def test_a_client_that_is_not_there_has_no_usage(office: Office) -> None:
    assert (await office.call("GET", "/clients/999/usage")).status == 404
    assert (await office.call("GET", "/clients/0/usage")).status == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-11-21T12:00:00", "its offset"),
        ("from=yesterday", "its offset"),
        ("to=9999-12-31T23:59:59-12:00", "its offset"),
        ("to=0001-01-01T00:00:00Z", "1970"),
        ("to=9999-12-31T23:59:59Z", "1970"),
        ("from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:00Z", "ends before"),
        ("from=2026-11-22T12:00:00Z", "ends before"),
        ("from=2026-10-21T12:00:00Z&to=2026-11-21T12:01:00Z", "31 days"),
        ("from=2026-11-19T12:00:00Z&step=minute", "1,500"),
    ],
)
async def test_a_range_that_cannot_be_answered_is_refused_with_what_to_ask(
    office: Office, query: str, words: str
) -> None:
    for path in ("/usage", "/clients/1/usage"):
        answer = await office.call("GET", f"{path}?{query}")
        assert answer.status == 422
        assert words in answer.json["detail"]


async def test_an_unknown_step_is_refused(office: Office) -> None:
    assert (await office.call("GET", "/usage?step=week")).status == 400
