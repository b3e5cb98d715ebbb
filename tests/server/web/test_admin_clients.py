"""The admin API on clients: every change is answered with the new state, secrets shown once."""

from base64 import b64decode

import pytest
import structlog

from server.otp.ports import Entry
from tests.server.web.office import Office

OPTIONS = {"signed_only": False, "phishing_test": False}


async def test_a_client_is_made_and_its_key_is_shown_this_once(office: Office) -> None:
    made = await office.call("POST", "/clients", {"name": "Example", **OPTIONS})
    assert made.status == 201
    assert made.json["id"] == 1
    assert len(b64decode(made.json["api_key"], validate=True)) == 20
    shown = await office.call("GET", "/clients/1")
    assert shown.status == 200
    assert made.json == {**shown.json, "api_key": made.json["api_key"]}
    assert shown.json == {
        "id": 1,
        "name": "Example",
        "active": True,
        "signed_only": False,
        "phishing_test": False,
        "customer": None,
        "created": "2026-11-21T12:00:00Z",
        "limit": None,
        "limit_in_force": {"rate": 10, "burst": 50, "per_day": None},
        "api_keys": [{"key_id": 1, "created": "2026-11-21T12:00:00Z"}],
        "usage": {"signed": None, "unsigned": None},
    }
    assert shown.reply.header("Cache-Control") == "no-store"


async def test_a_name_alone_is_enough(office: Office) -> None:
    made = await office.call("POST", "/clients", {"name": "Example"})
    assert (made.status, made.json["signed_only"], made.json["phishing_test"]) == (
        201,
        False,
        False,
    )


async def test_clients_are_listed_page_by_page(office: Office) -> None:
    for number in range(5):
        await office.call("POST", "/clients", {"name": f"client {number}"})
    first = await office.call("GET", "/clients?limit=2")
    assert [client["id"] for client in first.json["clients"]] == [1, 2]
    assert first.json["next"] == 2
    second = await office.call("GET", "/clients?limit=2&after=2")
    assert [client["id"] for client in second.json["clients"]] == [3, 4]
    last = await office.call("GET", "/clients?limit=2&after=4")
    assert [client["id"] for client in last.json["clients"]] == [5]
    assert last.json["next"] is None
    assert len((await office.call("GET", "/clients")).json["clients"]) == 5


async def test_options_that_are_left_out_stay(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "Example", "signed_only": True})
    changed = await office.call("PATCH", "/clients/1", {"phishing_test": True})
    assert (changed.json["signed_only"], changed.json["phishing_test"]) == (True, True)
    changed = await office.call("PATCH", "/clients/1", {"signed_only": False})
    assert (changed.json["signed_only"], changed.json["phishing_test"]) == (False, True)


async def test_a_client_is_switched_off_and_on(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    assert (await office.call("POST", "/clients/1/disable")).json["active"] is False
    assert (await office.call("GET", "/clients/1")).json["active"] is False
    assert (await office.call("POST", "/clients/1/enable")).json["active"] is True


async def test_an_api_key_is_rotated(office: Office) -> None:
    made = await office.call("POST", "/clients", {"name": "Example"})
    too_early = await office.call("POST", "/clients/1/rotate/finish")
    assert (too_early.status, too_early.json["title"]) == (409, "Conflict")
    rotated = await office.call("POST", "/clients/1/rotate")
    assert rotated.status == 200
    assert rotated.json["api_key"] != made.json["api_key"]
    assert [key["key_id"] for key in rotated.json["api_keys"]] == [1, 2]
    assert (await office.call("POST", "/clients/1/rotate")).status == 409
    finished = await office.call("POST", "/clients/1/rotate/finish")
    assert [key["key_id"] for key in finished.json["api_keys"]] == [2]
    assert "api_key" not in finished.json


async def test_a_limit_is_given_and_taken_back(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    limit = {
        "rate": 5,
        "burst": 20,
        "per_day": 1000,
        "shadow": True,
        "reason": "a trial",
        "expires": "2027-01-31T12:00:00Z",
    }
    given = await office.call("PUT", "/clients/1/limit", limit)
    assert (given.status, given.json["limit"]) == (200, limit)
    assert given.json["limit_in_force"] == {"rate": 5, "burst": 20, "per_day": 1000}
    reset = await office.call("DELETE", "/clients/1/limit")
    assert reset.json["limit"] is None
    assert reset.json["limit_in_force"]["burst"] == 50
    short = await office.call("PUT", "/clients/1/limit", {"rate": 1, "burst": 1, "expires": None})
    assert short.json["limit"]["expires"] is None


@pytest.mark.parametrize(
    "limit",
    [
        {"rate": 0, "burst": 1},
        {"rate": 1, "burst": 10**12},
        {"rate": 1.5, "burst": 1},
        {"rate": "1", "burst": 1},
        {"rate": True, "burst": 1},
        {"burst": 1},
        {"rate": 1, "burst": 1, "per_day": -1},
        {"rate": 1, "burst": 1, "expires": "tomorrow"},
        {"rate": 1, "burst": 1, "expires": "2027-01-31T12:00:00"},
        {"rate": 1, "burst": 1, "expires": "2020-01-31T12:00:00Z"},
        {"rate": 1, "burst": 1, "expires": "9999-12-31T23:59:59-23:59"},
        {"rate": 1, "burst": 1, "reason": "two\nlines"},
        {"rate": 1, "burst": 1, "reason": "x" * 1000},
        {"rate": 1, "burst": 1, "color": "red"},
        [],
        "x",
        None,
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused_in_words(
    office: Office, limit: object
) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    refused = await office.call("PUT", "/clients/1/limit", limit)
    assert refused.status in {415, 422}
    assert refused.json["detail"]
    assert refused.reply.header("Content-Type") == "application/problem+json"
    assert (await office.call("GET", "/clients/1")).json["limit"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 1000},
        {"name": 7},
        {"name": None},
        {"name": "x", "signed_only": "yes"},
        {"name": "x", "api_key": "c2VjcmV0"},
        {"name": "two\nlines"},
        {"name": "\x1b[31mred"},
        {"name": "gpj.\u202eexe"},
    ],
)
async def test_s11_a_client_that_makes_no_sense_is_refused(office: Office, body: object) -> None:
    refused = await office.call("POST", "/clients", body)
    assert (refused.status, refused.json["status"]) == (422, 422)
    assert (await office.call("GET", "/clients")).json["clients"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/disable"),
        ("POST", "/enable"),
        ("POST", "/rotate"),
        ("POST", "/rotate/finish"),
        ("PUT", "/limit"),
        ("DELETE", "/limit"),
    ],
)
@pytest.mark.parametrize("client_id", ["7", "999999999999999999"])
async def test_an_unknown_client_is_404_everywhere(
    office: Office, method: str, path: str, client_id: str
) -> None:
    body = {
        "PATCH": {"signed_only": True},
        "PUT": {"rate": 1, "burst": 1},
    }.get(method)
    answer = await office.call(method, f"/clients/{client_id}{path}", body)
    assert answer.status == 404
    assert client_id in answer.json["detail"]


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=1001", "after=a", "x=1", "after=1&after=2"]
)
async def test_a_page_that_makes_no_sense_is_refused(office: Office, query: str) -> None:
    assert (await office.call("GET", f"/clients?{query}")).status == 400


async def test_usage_is_shown_as_shares_of_the_signed_and_the_fullest_unsigned_budget(
    office: Office,
) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    await office.call("PUT", "/clients/1/limit", {"rate": 1, "burst": 10, "per_day": 100})
    record = await office.store.client(1)
    assert record is not None
    for bucket in (0, 7, 7, 9):
        entry = Entry(1, record.version, bucket, False, "cccccccccccc", 0, None, "")
        await office.store.spend_and_advance([entry])
    shown = await office.call("GET", "/clients/1")
    assert shown.json["usage"] == {
        "signed": {"burst": 0.1, "day": 0.01},
        "unsigned": {"burst": 0.2, "day": 0.02},
    }
    await office.call("DELETE", "/clients/1/limit")
    assert (await office.call("GET", "/clients/1")).json["usage"]["signed"]["day"] is None


async def test_the_last_moment_of_the_calendar_can_be_shown(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    limit = {"rate": 1, "burst": 1, "expires": "9999-12-31T23:59:59Z"}
    given = await office.call("PUT", "/clients/1/limit", limit)
    assert given.json["limit"]["expires"] == "9999-12-31T23:59:59Z"


async def test_an_empty_change_is_refused(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "Example"})
    assert (await office.call("PATCH", "/clients/1", {})).status == 422


async def test_s10_the_log_says_who_did_what_to_whom_and_no_secret(office: Office) -> None:
    with structlog.testing.capture_logs() as lines:
        made = await office.call("POST", "/clients", {"name": "Example"})
        rotated = await office.call("POST", "/clients/1/rotate")
        await office.call("PUT", "/clients/1/limit", {"rate": 3, "burst": 4, "reason": "why"})
        await office.call("POST", "/clients/1/disable")
        await office.call("POST", "/clients/2/disable")
        await office.call("GET", "/clients/1")
    assert [(line["event"], line["action"], line["client_id"]) for line in lines] == [
        ("administration", "client.add", 1),
        ("administration", "client.rotate", 1),
        ("administration", "client.limit", 1),
        ("administration", "client.disable", 1),
    ]
    assert all(line["actor"].startswith("local ") for line in lines)
    assert (lines[2]["rate"], lines[2]["burst"]) == (3, 4)
    for secret in (made.json["api_key"], rotated.json["api_key"]):
        assert secret not in str(lines)
