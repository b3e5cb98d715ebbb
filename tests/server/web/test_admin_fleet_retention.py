"""The admin API on what the fleet forgets."""

from server.fleet.enrolment import digest_of
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.test_fleet import asked
from tests.server.web.office import Office

DAY_S = 86_400


async def fill(office: Office) -> None:
    await office.store.add_enrolment_token(
        "laptop-17", digest_of("first"), lifetime_us=10**12, replaces=False, act=ACT
    )
    await office.store.enrol(asked())
    worse = a_key({**HEALTHY, "piv.pin.tries": 1})
    await office.store.take_reports([a_report(a_key()), a_report(worse, sequence=2)])


async def test_what_would_go_is_shown_with_the_day_on_which_it_goes(office: Office) -> None:
    await fill(office)
    answer = await office.call("GET", "/fleet/retention")
    assert answer.status == 200, answer.json
    kept = {one["what"]: (one["days"], one["due"], one["next"]) for one in answer.json["kept"]}
    assert kept == {
        "keys": (730, 0, "2028-11-21T00:00:00Z"),
        "changes": (400, 0, "2027-12-26T12:00:00Z"),
        "tokens": (30, 0, "2027-01-02T01:46:40Z"),
        "silent": (30, 0, "2026-12-21T12:00:00Z"),
        "hosts": (400, 0, None),
    }
    assert (answer.json["looked"], answer.json["hosts"]) == (None, [])
    office.clock.pass_by(60 * DAY_S)
    later = await office.call("GET", "/fleet/retention")
    due = {one["what"]: one["due"] for one in later.json["kept"]}
    assert due == {"keys": 0, "changes": 0, "tokens": 1, "silent": 1, "hosts": 0}


async def test_silent_hosts_are_listed_with_when_they_go(office: Office) -> None:
    await fill(office)
    silent_us = office.clock.now_us() + 31 * DAY_S * 1_000_000
    hosts = office.store._hosts
    hosts[HOST] = hosts[HOST]._replace(silent_us=silent_us)
    (host,) = (await office.call("GET", "/fleet/retention")).json["hosts"]
    assert host == {
        "id": HOST,
        "name": "laptop-17",
        "state": "active",
        "heard": "2026-11-21T12:00:00Z",
        "silent": "2026-12-22T12:00:00Z",
        "erased": "2027-12-26T12:00:00Z",
    }
    (listed,) = (await office.call("GET", "/fleet/hosts")).json["hosts"]
    assert listed["silent"] is True


async def test_a_key_is_erased_and_named_nowhere(office: Office) -> None:
    await fill(office)
    path = "/fleet/keys/serial:10000001"
    erased = await office.call("POST", f"{path}/erase?reason=sold")
    assert (erased.status, erased.json) == (200, {"erased": True})
    assert (await office.call("GET", path)).status == 404
    assert (await office.call("POST", f"{path}/erase?reason=sold")).status == 404
    journal = str((await office.call("GET", "/journal")).json)
    assert "fleet-key.erase" in journal
    assert "10000001" not in journal


async def test_names_that_could_be_mistaken_get_no_token(office: Office) -> None:
    answer = await office.call("POST", "/fleet/tokens", {"host": "l\u0430ptop"})
    assert (answer.status, "Cyrillic and Latin" in answer.json["detail"]) == (422, True)
