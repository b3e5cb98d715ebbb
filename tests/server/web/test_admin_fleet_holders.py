"""The admin API on holders: a sheet in, who holds what, claims, whose a host is, forgetting."""

from datetime import date
from typing import Any

import pytest

from server.fleet.claiming import AskedClaim
from server.fleet.enrolment import Asked
from server.fleet.holders import HolderKind
from tests.server.fleet.reports import HOST, a_key, a_report
from tests.server.web.office import Answer, Office

OTHER = "1e" * 16
SHEET = "text/csv; header=present"
KEY = "serial:1"


@pytest.fixture
async def fleet(office: Office) -> Office:
    """Return an office with two hosts that saw one key."""
    for host_id, name in ((HOST, "laptop-17"), (OTHER, "laptop-18")):
        made = await office.call("POST", "/fleet/tokens?reason=new", {"host": name})
        await office.store.enrol(
            Asked(made.json["token"], host_id, name, bytes(32), "linux", "0.1.0")
        )
        await office.store.take_reports([a_report(a_key(serial=1), host=host_id)])
    return office


async def get(office: Office, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = await office.call("GET", path)
    assert answer.status == 200, answer.json
    return answer.json


async def entrust(office: Office, **said: object) -> Answer:
    wanted = {"serial": 1, "person": "Anna Berg", "kind": "primary"} | said
    body = {name: value for name, value in wanted.items() if value is not None}
    return await office.call("POST", "/fleet/holders?reason=new", body)


async def upload(office: Office, text: str, query: str = "") -> Answer:
    path = f"/fleet/holders/import?reason=stock{query}"
    return await office.call("POST", path, raw=text.encode(), content_type=SHEET)


async def test_who_holds_a_key_is_shown_beside_it_and_how_far_that_is_believed(
    fleet: Office,
) -> None:
    made = await entrust(fleet)
    assert (made.status, made.json["key"], made.json["last_seen"]) == (200, KEY, "2026-11-21")
    key = await get(fleet, "/fleet/keys/serial:1")
    assert key["holder"] == {
        "person": "Anna Berg",
        "kind": "primary",
        "trust": "reported",
        "handed_over": None,
        "lost": None,
    }
    lost = await entrust(fleet, kind="lost")
    assert lost.json["lost"] == "2026-11-21"
    gone = await fleet.call("DELETE", "/fleet/holders/serial:1?reason=left")
    assert (gone.status, gone.json) == (200, {"key": KEY})
    assert (await fleet.call("DELETE", "/fleet/holders/serial:1?reason=left")).status == 404
    assert (await get(fleet, "/fleet/keys/serial:1"))["holder"] is None


@pytest.mark.parametrize(
    "said",
    [
        {"person": ""},
        {"person": "a\nb"},
        {"kind": "borrowed"},
        {"serial": 0},
        {"serial": None},
        {"key": KEY},
        {"serial": None, "key": "serial:x"},
    ],
    ids=str,
)
async def test_what_is_no_holder_is_refused(fleet: Office, said: dict[str, object]) -> None:
    assert (await entrust(fleet, **said)).status == 422
    assert (await get(fleet, "/fleet/holders"))["holders"] == []


async def test_a_sheet_is_taken_whole_and_tells_what_it_did(fleet: Office) -> None:
    sheet = "\ufeffserial,person,kind\r\n1,Anna Berg,primary\r\n9,Bo,spare\r\n"
    tried = await upload(fleet, sheet, "&dry_run=yes")
    assert tried.json == {"imported": False, "new": 2, "changed": 0, "unchanged": 0}
    assert (await get(fleet, "/fleet/holders"))["holders"] == []
    done = await upload(fleet, sheet)
    assert done.json == {"imported": True, "new": 2, "changed": 0, "unchanged": 0}
    assert (await upload(fleet, sheet)).json["unchanged"] == 2
    found = (await get(fleet, "/fleet/holders"))["holders"]
    assert [(one["key"], one["last_seen"]) for one in found] == [
        (KEY, "2026-11-21"),
        ("serial:9", None),
    ]
    journal = await get(fleet, "/journal")
    assert "Anna" not in str(journal)


async def test_a_sheet_with_faults_changes_nothing_and_names_them_all(fleet: Office) -> None:
    sheet = "serial,person,kind,key\n1,Anna,primary,\n2,Bo,borrowed,\n,Cy,spare,serial:1\n"
    answer = await upload(fleet, sheet)
    assert (answer.status, answer.json["errors_total"]) == (422, 1)
    assert answer.json["errors"][0] | {"error": ""} == {
        "line": 3,
        "column": 3,
        "name": "kind",
        "error": "",
    }
    twice = await upload(fleet, sheet.replace("borrowed", "spare"))
    assert twice.status == 422
    (fault,) = twice.json["errors"]
    assert (fault["line"], "line 2 names the same key" in fault["error"]) == (4, True)
    assert (await get(fleet, "/fleet/holders"))["holders"] == []
    assert (await upload(fleet, sheet, "&dry_run=perhaps")).status == 400


async def test_holders_are_looked_for_and_paged(fleet: Office) -> None:
    await upload(fleet, "serial,person,kind\n1,Anna,primary\n2,Anna,lost\n3,Bo,spare\n")

    async def keys(query: str) -> list[str]:
        found = await get(fleet, f"/fleet/holders?{query}")
        return [one["key"] for one in found["holders"]]

    assert await keys("person=ANNA") == ["serial:1", "serial:2"]
    assert await keys("kind=lost") == ["serial:2"]
    assert await keys("serial=3") == ["serial:3"]
    first = await get(fleet, "/fleet/holders?limit=2")
    assert await keys(f"limit=2&after={first['next']}") == ["serial:3"]
    assert (await fleet.call("GET", "/fleet/holders?kind=x")).status == 400


async def test_a_key_at_hosts_of_two_persons_is_shown_as_shared(fleet: Office) -> None:
    for host, person in ((HOST, "Anna Berg"), (OTHER, "Bo")):
        said = await fleet.call(
            "POST", f"/fleet/hosts/{host}/assign?reason=new", {"person": person}
        )
        assert (said.status, said.json["person"]) == (200, person)
    assert {one["person"] for one in (await get(fleet, "/fleet/hosts"))["hosts"]} == {
        "Anna Berg",
        "Bo",
    }
    (found,) = (await get(fleet, "/fleet/keys?rule=shared"))["keys"]
    (fault,) = found["faults"]
    assert (fault["rule"], fault["level"], fault["value"]) == (
        "shared",
        "warning",
        ["Anna Berg", "Bo"],
    )
    assert {one["person"] for one in found["seen"]} == {"Anna Berg", "Bo"}
    nobody = await fleet.call("POST", f"/fleet/hosts/{OTHER}/assign?reason=x", {"person": " "})
    assert (nobody.status, nobody.json["person"]) == (200, None)
    assert (await get(fleet, "/fleet/keys?rule=shared"))["keys"] == []
    absent = f"/fleet/hosts/{'ab' * 16}/assign?reason=x"
    assert (await fleet.call("POST", absent, {"person": "Bo"})).status == 404


async def test_a_claim_is_shown_beside_the_holder_and_accepted_or_dismissed(fleet: Office) -> None:
    await entrust(fleet, person="Bo")
    for number, key_id in enumerate((KEY, "serial:2"), 1):
        claim = AskedClaim(
            f"{number:032x}", HOST, number, date(2026, 11, 20), key_id, "Anna", HolderKind.SPARE
        )
        await fleet.store.take_claim(claim)
    shown = await get(fleet, "/fleet/keys/serial:1")
    assert shown["holder"]["person"] == "Bo"
    (claimed,) = shown["claims"]
    assert (claimed["person"], claimed["trust"], claimed["day"]) == (
        "Anna",
        "host-signed",
        "2026-11-20",
    )
    assert len((await get(fleet, "/fleet/claims"))["claims"]) == 2
    (one,) = (await get(fleet, "/fleet/claims?serial=2"))["claims"]
    assert one["key"] == "serial:2"
    path = "/fleet/holders/serial:1/accept?reason=ok"
    other = await fleet.call("POST", path, {"host": HOST, "claim": one["id"]})
    assert other.status == 404, "not the one that was looked at"
    taken = await fleet.call("POST", path, {"host": HOST, "claim": claimed["id"]})
    assert (taken.json["person"], taken.json["kind"], taken.json["claims"]) == ("Anna", "spare", [])
    path = "/fleet/holders/serial:2/dismiss?reason=no"
    assert (await fleet.call("POST", path, {"host": HOST})).json["id"] == one["id"]
    for ended in ("serial:1/accept", "serial:2/dismiss"):
        again = await fleet.call("POST", f"/fleet/holders/{ended}?reason=x", {"host": HOST})
        assert again.status == 404
    assert (await get(fleet, "/fleet/claims"))["claims"] == []


async def test_a_person_is_forgotten_everywhere(fleet: Office) -> None:
    await entrust(fleet)
    await fleet.call("POST", f"/fleet/hosts/{HOST}/assign?reason=new", {"person": "Anna Berg"})
    gone = await fleet.call("POST", "/fleet/persons/erase?reason=asked", {"person": "anna berg"})
    assert gone.json == {"holders": 1, "hosts": 1, "claims": 0}
    everything = [
        await get(fleet, path) for path in ("/fleet/holders", "/fleet/hosts", "/fleet/keys")
    ]
    assert "Anna" not in str(everything)
    assert "Anna" not in str(await get(fleet, "/journal"))
