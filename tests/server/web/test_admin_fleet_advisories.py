"""The admin API on advisories: files, decisions, software of hosts, rules of health."""

from typing import Any

import pytest

from server.fleet.criterion import CRITERION
from server.fleet.enrolment import Asked
from tests.server.fleet.advisory_files import OTHER, PUBLIC, advisory, document, signed
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.web.office import Office

OLD = {
    **HEALTHY,
    "device.firmware": "5.4.3",
    "device.fips_series": True,
    "device.security_key_series": False,
    "device.usb.enabled": ("fido2", "piv"),
}


@pytest.fixture
async def fleet(office: Office) -> Office:
    """Return an office with a host that saw an old key of the FIPS line, and has old software."""
    made = await office.call("POST", "/fleet/tokens?reason=new", {"host": "laptop-17"})
    asked = Asked(made.json["token"], HOST, "laptop-17", bytes(32), "linux", "0.1.0")
    await office.store.enrol(asked)
    software = {"pam-u2f": "1.3.0", "yubikey-manager": "5.9.1", "yubico-piv-tool": "9.0"}
    report = a_report(a_key(OLD, serial=1), a_key(serial=2))
    await office.store.take_reports([report._replace(software=software)])
    return office


async def get(office: Office, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = await office.call("GET", path)
    assert answer.status == 200, answer.json
    return answer.json


async def load(office: Office, file: bytes, **more: Any) -> Any:  # noqa: ANN401 - JSON
    return await office.call("POST", "/fleet/advisories?reason=new", raw=file, **more)


async def test_a_signed_file_stands_from_then_on_and_says_who_signed(fleet: Office) -> None:
    before = await get(fleet, "/fleet/advisories")
    assert (before["edition"], before["key"]) == (2, None)
    answer = await load(fleet, signed(document()))
    assert (answer.status, answer.json["edition"]) == (201, 7)
    after = await get(fleet, "/fleet/advisories")
    assert (after["edition"], after["key"]) == (7, answer.json["key"])
    assert [one["id"] for one in after["advisories"]] == ["YSA-2099-01", "YSA-2099-02"]
    files = await get(fleet, "/fleet/advisory-files")
    assert [(one["edition"], one["problem"]) for one in files["files"]] == [(7, "")]
    assert (files["waiting"], files["trusted"]) == (2, [answer.json["key"]])
    hits = await get(fleet, "/fleet/advisories/YSA-2099-01/keys")
    assert hits["advisory"]["title"] == "An example"
    assert (await fleet.call("GET", "/fleet/advisories/YSA-2024-03/keys")).status == 404
    entries = (await get(fleet, "/journal?kind=advisories"))["entries"]
    assert [one["after"]["edition"] for one in entries] == [7]
    assert PUBLIC.hex() not in str(entries)


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        (signed(document(), OTHER), 403, "not among the trusted"),
        (signed(document(edition=2)), 409, "edition 2 stands"),
        (signed(document(edition=1)), 409, "edition 2 stands"),
        (signed(document(format=9)), 422, "upgrade Keystead"),
        (signed(document(advisories=[advisory(id="../x")])), 422, "id of an advisory"),
        (signed(document()).replace(b"An example", b"An  xample"), 403, "altered"),
        (b"{}", 422, "no file of advisories"),
        (b"null", 422, "no file of advisories"),
        (b"[" * 100_000, 422, "no file of advisories"),
        (b" " * ((1 << 20) + 1), 413, "larger than"),
    ],
)
async def test_a_file_that_is_not_believed_changes_nothing(
    fleet: Office, file: bytes, status: int, said: str
) -> None:
    answer = await load(fleet, file)
    assert (answer.status, said in answer.json["detail"]) == (status, True), answer.json
    assert (await get(fleet, "/fleet/advisories"))["edition"] == 2


async def test_a_file_of_another_type_is_refused(fleet: Office) -> None:
    answer = await load(fleet, signed(document()), content_type="text/plain")
    assert answer.status == 415


async def test_that_an_advisory_is_critical_is_decided_with_a_reason_and_withdrawn(
    fleet: Office,
) -> None:
    path = "/fleet/advisories/YSA-2024-03"
    assert (await fleet.call("POST", f"{path}/critical")).status == 422
    assert (await fleet.call("POST", f"{path}/critical?reason=%20")).status == 422
    made = await fleet.call("POST", f"{path}/critical?reason=keys+sign+payments")
    assert made.status == 201
    assert (made.json["critical"], made.json["edition"]) == (True, 2)
    assert (made.json["reason"], made.json["criterion"]) == ("keys sign payments", CRITERION)
    again = await fleet.call("POST", f"{path}/critical?reason=more")
    assert (again.status, "as it is" in again.json["detail"]) == (409, True)
    listed = {one["id"]: one for one in (await get(fleet, "/fleet/advisories"))["advisories"]}
    assert listed["YSA-2024-03"]["decision"] == made.json
    assert listed["YSA-2017-01"]["decision"] is None
    shown = (await get(fleet, f"{path}/keys"))["advisory"]
    assert shown["decision"]["by"] == made.json["by"]
    taken = await fleet.call("POST", f"{path}/withdraw?reason=all+swapped")
    assert (taken.status, taken.json["critical"]) == (201, False)
    assert (await get(fleet, path))["decision"] is None
    assert (await fleet.call("POST", f"{path}/withdraw?reason=again")).status == 409
    history = (await get(fleet, "/fleet/decisions"))["decisions"]
    assert history == [made.json, taken.json]
    entries = (await get(fleet, "/journal?kind=advisory"))["entries"]
    assert [(one["action"], one["reason"]) for one in entries] == [
        ("advisory.critical", "keys sign payments"),
        ("advisory.not-critical", "all swapped"),
    ]


async def test_a_decision_outlives_the_file_that_had_its_advisory(fleet: Office) -> None:
    await fleet.call("POST", "/fleet/advisories/YSA-2024-03/critical?reason=one")
    await load(fleet, signed(document()))
    assert (await fleet.call("GET", "/fleet/advisories/YSA-2024-03")).status == 404
    (kept,) = (await get(fleet, "/fleet/decisions"))["decisions"]
    assert kept["advisory"] == "YSA-2024-03"
    gone = "/fleet/advisories/YSA-2024-03"
    taken = await fleet.call("POST", f"{gone}/withdraw?reason=it+is+gone")
    assert taken.status == 201
    assert (await fleet.call("POST", f"{gone}/critical?reason=again")).status == 404
    assert (await fleet.call("POST", f"{gone}/withdraw?reason=again")).status == 404


async def test_no_hardware_is_replaced_for_software(fleet: Office) -> None:
    answer = await fleet.call("POST", "/fleet/advisories/YSA-2025-01/critical?reason=x")
    assert (answer.status, "software" in answer.json["detail"]) == (422, True)


async def test_an_advisory_on_software_names_the_hosts_that_have_it(fleet: Office) -> None:
    shown = await get(fleet, "/fleet/advisories/YSA-2025-01")
    assert (shown["on"], [one["below"] for one in shown["packages"]]) == ("software", ["1.3.1"])
    hits = await get(fleet, "/fleet/advisories/YSA-2025-01/hosts")
    (host,) = hits["hosts"]
    assert (host["name"], host["system"]) == ("laptop-17", "linux")
    assert host["packages"] == [
        {"package": "pam-u2f", "version": "1.3.0", "affected": "affected", "mended": "1.3.1"}
    ]
    assert (await get(fleet, "/fleet/advisories/YSA-2018-03/hosts"))["hosts"] == []
    assert (await get(fleet, "/fleet/advisories/YSA-2024-03/hosts"))["hosts"] == []
    assert (await fleet.call("GET", "/fleet/advisories/YSA-1999-01/hosts")).status == 404
    assert (await fleet.call("GET", "/fleet/advisories/YSA-2025-01/keys")).status == 404


async def test_hosts_whose_software_is_not_the_newest_are_found(fleet: Office) -> None:
    (host,) = (await get(fleet, "/fleet/hosts?rule=software-not-current"))["hosts"]
    (fault,) = host["faults"]
    assert (fault["rule"], fault["level"]) == ("software-not-current", "notice")
    assert (fault["package"], fault["version"], fault["newest"]) == (
        "yubikey-manager",
        "5.9.1",
        "5.9.2",
    )
    current = a_report(sequence=2)._replace(software={"yubikey-manager": "5.9.2"})
    await fleet.store.take_reports([current])
    assert (await get(fleet, "/fleet/hosts?rule=software-not-current"))["hosts"] == []
    (host,) = (await get(fleet, "/fleet/hosts"))["hosts"]
    assert (host["software"], host["faults"]) == ({"yubikey-manager": "5.9.2"}, [])
    assert (await fleet.call("GET", "/fleet/hosts?rule=piv-pin-default")).status == 422


async def test_a_key_shows_the_stages_of_its_products_life(fleet: Office) -> None:
    key = await get(fleet, "/fleet/keys/serial:1")
    assert [(one["rule"], one["reached"]) for one in key["lifecycle"]] == [
        ("fips-historical", "yes")
    ]
    faults = {fault["rule"]: fault for fault in key["faults"]}
    assert faults["fips-historical"]["title"].startswith("FIPS 140-2")
    other = await get(fleet, "/fleet/keys/serial:2")
    assert {one["reached"] for one in other["lifecycle"]} == {"unknown"}
    assert "fips-historical" not in {fault["rule"] for fault in other["faults"]}


async def test_the_rules_in_force_are_listed(fleet: Office) -> None:
    rules = {one["name"]: one for one in (await get(fleet, "/fleet/rules"))["rules"]}
    assert rules["piv-pin-default"]["level"] == "danger"
    assert (rules["fips-historical"]["on"], rules["fips-historical"]["level"]) == (
        "keys",
        "warning",
    )
    assert rules["software-not-current"]["on"] == "hosts"
    assert not any(one["own"] for one in rules.values())
