"""The admin API on the fleet: tokens, hosts, keys, and whom an advisory hits."""

from typing import Any

import pytest

from server.fleet.enrolment import Asked
from tests.server.fleet.reports import HEALTHY, HOST, TODAY, a_key, a_report
from tests.server.web.office import Office

OLD = {
    **HEALTHY,
    "device.firmware": "5.4.3",
    "device.fips_series": False,
    "device.security_key_series": False,
    "device.usb.enabled": ("fido2", "piv"),
    "piv.pin.default": True,
}
IN_USE = {"device.firmware": "5.7.4", "device.form_factor": "usb-a-nano"}


@pytest.fixture
async def fleet(office: Office) -> Office:
    """Return an office with a host that saw an old key, a new one, and one that was in use."""
    made = await office.call("POST", "/fleet/tokens?reason=new", {"host": "laptop-17"})
    asked = Asked(made.json["token"], HOST, "laptop-17", bytes(32), "linux", "0.1.0")
    await office.store.enrol(asked)
    keys = (a_key(OLD, serial=1), a_key(serial=2), a_key(IN_USE, {"piv": "in-use"}, serial=3))
    await office.store.take_reports([a_report(*keys)])
    return office


async def get(office: Office, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = await office.call("GET", path)
    assert answer.status == 200, answer.json
    return answer.json


async def test_a_token_is_shown_once_and_names_its_host(office: Office) -> None:
    made = await office.call("POST", "/fleet/tokens?reason=new", {"host": "laptop-17", "days": 2})
    assert made.status == 201
    assert made.json["token"].startswith("kst_host_")
    assert (made.json["host"], made.json["replaces"]) == ("laptop-17", False)
    assert made.json["expires"] == "2026-11-23T12:00:00Z"
    journal = await get(office, "/journal")
    assert made.json["token"] not in str(journal)
    assert "laptop-17" not in str(journal)


@pytest.mark.parametrize("host", ["", " ", "two words", "bell\a", "x" * 254])
async def test_a_token_is_for_a_name_that_can_be_shown(office: Office, host: str) -> None:
    answer = await office.call("POST", "/fleet/tokens?reason=new", {"host": host})
    assert answer.status == 422


async def test_a_host_that_stands_is_replaced_only_when_that_is_said(fleet: Office) -> None:
    again = await fleet.call("POST", "/fleet/tokens?reason=new", {"host": "LAPTOP-17"})
    assert (again.status, "--replace" in again.json["detail"]) == (409, True)
    wanted = {"host": "laptop-17", "replace": True}
    assert (await fleet.call("POST", "/fleet/tokens?reason=new", wanted)).status == 201


async def test_hosts_tell_how_far_their_reports_are(fleet: Office) -> None:
    (host,) = (await get(fleet, "/fleet/hosts"))["hosts"]
    assert (host["id"], host["name"], host["state"]) == (HOST, "laptop-17", "active")
    assert (host["reports"], host["missing"], host["clashes"]) == (1, 0, 0)


async def test_a_key_shows_its_facts_its_faults_and_what_nobody_knows(fleet: Office) -> None:
    old = await get(fleet, "/fleet/keys/serial:1")
    assert (old["firmware"], old["level"]) == ("5.4.3", "danger")
    assert [fault["rule"] for fault in old["faults"]] == ["piv-pin-default"]
    assert old["facts"]["device.usb.enabled"] == {
        "value": ["fido2", "piv"],
        "trust": "host-signed",
        "day": "2026-11-21",
        "host": HOST,
        "others": [],
    }
    assert [seen["name"] for seen in old["seen"]] == ["laptop-17"]
    busy = await get(fleet, "/fleet/keys/serial:3")
    assert busy["unreadable"] == {"piv": "in-use"}
    assert "piv-pin-default" in {rule["rule"] for rule in busy["unknown"]}
    assert (busy["level"], busy["faults"]) == (None, [])


async def test_keys_are_paged_and_looked_for(fleet: Office) -> None:
    first = await get(fleet, "/fleet/keys?limit=2")
    rest = await get(fleet, f"/fleet/keys?limit=2&after={first['next']}")
    assert [key["serial"] for key in first["keys"] + rest["keys"]] == [1, 2, 3]
    assert rest["next"] is None
    assert [key["serial"] for key in (await get(fleet, "/fleet/keys?serial=2"))["keys"]] == [2]
    for query in ("level=bad", "firmware=new", "serial=x", "colour=red"):
        assert (await fleet.call("GET", f"/fleet/keys?{query}")).status == 400


async def test_an_advisory_names_whom_it_hits_and_what_nobody_knows(fleet: Office) -> None:
    hits = await get(fleet, "/fleet/advisories/YSA-2024-03/keys")
    assert hits["advisory"]["cve"] == "CVE-2024-45678"
    (old,) = hits["keys"]
    assert old["serial"] == 1
    assert (old["affected"], old["exposed"], old["hosts"]) == ("affected", "exposed", ["laptop-17"])
    assert old["lines"] == ["YubiKey 5"]
    assert (await fleet.call("GET", "/fleet/advisories/YSA-1999-01/keys")).status == 404
    known = {one["id"] for one in (await get(fleet, "/fleet/advisories"))["advisories"]}
    assert {"YSA-2017-01", "YSA-2024-03"} <= known


async def test_changes_are_told_newest_first(fleet: Office) -> None:
    mended = a_key({**OLD, "piv.pin.default": False}, serial=1)
    await fleet.store.take_reports([a_report(mended, sequence=2, day=TODAY)])
    (change,) = (await get(fleet, "/fleet/keys/serial:1/changes"))["changes"]
    assert change["number"] == 1
    older = await get(fleet, f"/fleet/keys/serial:1/changes?before={change['number']}")
    assert older["changes"] == []
    assert (change["fact"], change["before"], change["after"]) == ("piv.pin.default", True, False)
    assert (await fleet.call("GET", "/fleet/keys/serial:9/changes")).status == 404


async def test_a_host_is_forgotten_with_the_keys_that_nobody_else_saw(fleet: Office) -> None:
    erased = await fleet.call("POST", f"/fleet/hosts/{HOST}/erase?reason=asked")
    assert (erased.status, erased.json["state"], erased.json["name"]) == (200, "erased", "")
    assert (await get(fleet, "/fleet/keys"))["keys"] == []
    assert (await fleet.call("POST", f"/fleet/hosts/{'0' * 32}/erase?reason=x")).status == 404


async def test_a_key_that_another_host_calls_new_is_not_clear_but_disputed(fleet: Office) -> None:
    made = await fleet.call("POST", "/fleet/tokens?reason=new", {"host": "laptop-18"})
    liar = "1e" * 16
    await fleet.store.enrol(Asked(made.json["token"], liar, "laptop-18", bytes(32), "linux", "0"))
    lie = a_key({**OLD, "device.firmware": "5.7.4"}, serial=1)
    await fleet.store.take_reports([a_report(lie, host=liar)])
    (hit,) = (await get(fleet, "/fleet/advisories/YSA-2024-03/keys"))["keys"]
    assert (hit["affected"], hit["disputed"]) == ("unknown", ["device.firmware"])
    shown = await get(fleet, "/fleet/keys/serial:1")
    assert "disputed" in {fault["rule"] for fault in shown["faults"]}
    firmware = shown["facts"]["device.firmware"]
    assert (firmware["value"], firmware["host"]) == ("5.4.3", HOST)
    assert [(one["value"], one["host"]) for one in firmware["others"]] == [("5.7.4", liar)]
