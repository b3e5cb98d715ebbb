"""The admin API on reports: analyses, customers' months, what authorities are told, evidence."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.reports.analysis import NEEDED
from server.reports.customer import CustomerReport
from server.reports.page import data_of_page
from server.uptime.keeper import UptimeKeeper
from server.usage.kinds import KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.acts import ACT
from tests.server.still_clock import NOW_US
from tests.server.web.office import Answer, Office, open_office

TEXTS = dict.fromkeys(NEEDED, "The plug was out.")
YESTERDAY = NOW_US // 60_000_000 // 1440 * 1440 - 1440


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    yield office
    await office.serving.stop()


async def told(office: Office, method: str, path: str, body: object = None) -> Answer:
    answer = await office.call(method, path, body)
    assert answer.status in {200, 201}, answer.json
    return answer


async def customers(office: Office) -> None:
    """Make two customers with a client each."""
    for name in ("alpha", "beta"):
        made = await told(office, "POST", "/customers", {"name": name, "entity": "ab"})
        client = {"name": f"{name} mail", "customer": made.json["id"]}
        await told(office, "POST", "/clients", client)


async def resolved(office: Office, *clients: int) -> None:
    """Have an incident that is over."""
    new = {
        "component": "validation",
        "title": "Half of it fails",
        "situation": {"unavailable": True},
    }
    await told(office, "POST", "/incidents", new)
    await told(office, "POST", "/incidents/1/acknowledge", {})
    await told(office, "POST", "/incidents/1/note", {"text": "Bob did it."})
    await told(office, "POST", "/incidents/1/assign", {"severity": 1})
    await told(office, "POST", "/incidents/1/affect", {"clients": list(clients)})
    await told(office, "POST", "/incidents/1/resolve", {"summary": "Plugged in."})


async def published(office: Office) -> None:
    await told(office, "POST", "/incidents/1/report/draft")
    await told(office, "PATCH", "/incidents/1/report", TEXTS)
    await told(office, "POST", "/incidents/1/report/publish")


async def test_a_report_goes_from_draft_to_revision(office: Office) -> None:
    await resolved(office)
    none = await told(office, "GET", "/incidents/1/report")
    assert (none.json["history"], none.json["analysis"]) == ([], None)
    assert none.json["due"] == "2026-12-22T01:00:00Z"
    await published(office)
    shown = await told(office, "GET", "/incidents/1/report")
    assert [one["step"] for one in shown.json["history"]] == ["drafted", "edited", "published"]
    assert shown.json["standing"] == "met"
    assert shown.json["analysis"]["texts"]["cause"] == "The plug was out."
    (owed,) = (await told(office, "GET", "/reports")).json["reports"]
    assert (owed["incident"], owed["revision"], owed["standing"]) == (1, 1, "met")


async def test_what_was_published_is_shown_without_internal_words(office: Office) -> None:
    await resolved(office)
    await published(office)
    for end in ("md", "html"):
        draft = (await told(office, "GET", f"/incidents/1/report.{end}")).reply.body
        final = (await told(office, "GET", f"/incidents/1/report.{end}?revision=1")).reply.body
        assert b"Bob did it." in draft
        assert b"Bob did it." not in final
        assert b"The plug was out." in final
    missing = await office.call("GET", "/incidents/1/report.md?revision=2")
    assert missing.status == 404


async def test_a_page_may_do_nothing_but_be_shown(office: Office) -> None:
    await resolved(office)
    await published(office)
    reply = (await told(office, "GET", "/incidents/1/report.html")).reply
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert reply.header("x-content-type-options") == "nosniff"
    assert "sandbox" in reply.header("content-security-policy")


async def test_a_customer_reads_what_concerns_them_and_no_figures_of_others(
    office: Office,
) -> None:
    await customers(office)
    await resolved(office, 1)
    await published(office)
    own = (await told(office, "GET", "/customers/1/incidents/1/report.html")).reply.body
    assert b"The plug was out." in own
    other = await office.call("GET", "/customers/2/incidents/1/report.html")
    assert other.status == 409
    assert "to this customer" in other.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PATCH", "/incidents/1/report", TEXTS, "no report yet"),
        ("POST", "/incidents/1/report/publish", None, "no report yet"),
        ("GET", "/incidents/1/report/document", None, "not drafted"),
    ],
)
async def test_what_is_not_there_yet_is_refused_with_the_way(
    office: Office, method: str, path: str, body: object, said: str
) -> None:
    await resolved(office)
    answer = await office.call(method, path, body)
    assert answer.status == 409
    assert said in answer.json["detail"]


async def test_texts_that_say_nothing_or_too_much_are_refused(office: Office) -> None:
    for body in ({}, {"summary": None}, {"facts": "x"}, {"cause": "x" * 20_001}):
        assert (await office.call("PATCH", "/incidents/1/report", body)).status == 422


async def test_authorities_are_told_in_time_or_late(office: Office) -> None:
    await resolved(office)
    begin = {"step": "classified", "regime": "dora", "aware": "2026-11-21T11:00:00Z"}
    begun = await told(office, "POST", "/incidents/1/regulatory?reason=major", begin)
    assert [(one["stage"], one["due"], one["final"]) for one in begun.json["clocks"]] == [
        ("initial-notification", "2026-11-21T16:00:00Z", True),
        ("intermediate-report", "2026-11-24T16:00:00Z", False),
        ("final-report", "2026-12-24T16:00:00Z", False),
    ]
    office.clock.pass_by(5 * 3600)
    shown = await told(office, "GET", "/incidents/1/regulatory")
    assert [one["standing"] for one in shown.json["clocks"]] == ["missed", "running", "running"]
    assert shown.json["history"][0]["text"] == "major"
    wrong = {"step": "sent", "regime": "dora", "stage": "early-warning"}
    assert (await office.call("POST", "/incidents/1/regulatory", wrong)).status == 422


async def counted(office: Office) -> None:
    """Have a day of both clients in the ledger."""
    row = tuple(2 if kind == "ok" else 0 for kind in KINDS)
    rows = tuple(
        MinuteRow(minute, client, row)
        for minute in range(YESTERDAY, YESTERDAY + 120)
        for client in (1, 2)
    )
    await office.store.add_usage(Parcel("test", 1, rows))
    lease = await office.store.acquire_lease("uptime", "test", 60_000_000)
    assert lease is not None
    await UptimeKeeper(office.store, min_requests=1, left_out=(), kept_days=400).work(lease)


async def test_a_customers_report_comes_in_four_forms(office: Office) -> None:
    await customers(office)
    early = await office.call("GET", "/customers/1/report")
    assert (early.status, "rolled up" in early.json["detail"]) == (409, True)
    await counted(office)
    report = CustomerReport.of_json((await told(office, "GET", "/customers/1/report")).json)
    assert (report.first, report.last) == ("2026-11", "2026-11")
    assert [one.client for one in report.clients] == [1]
    assert report.clients[0].months[0].requests.good == 240
    assert report.service.months[0].requests.good == 480
    page = (await told(office, "GET", "/customers/1/report.html")).reply.body.decode()
    assert CustomerReport.of_json(data_of_page(page)) == report
    table = (await told(office, "GET", "/customers/1/report.csv?first=2026-10&last=2026-11")).reply
    assert table.header("content-type") == "text/csv; charset=utf-8"
    assert table.body.count(b"\r\n") == 1 + 2 * 2
    text = (await told(office, "GET", "/customers/1/report.txt")).reply.body.decode()
    assert "Client ID 1: alpha mail" in text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("first=2026-13", 422),
        ("first=2027-01", 422),
        ("first=2026-11&last=2026-10", 422),
        ("first=2026-11&until=2026-12", 400),
    ],
)
async def test_months_that_make_no_report_are_refused(
    office: Office, query: str, status: int
) -> None:
    await customers(office)
    await counted(office)
    assert (await office.call("GET", f"/customers/1/report?{query}")).status == status


async def test_evidence_has_digests_of_all_and_minutes_of_some(office: Office) -> None:
    await customers(office)
    await counted(office)
    found = (await told(office, "GET", "/reports/evidence?clients=2")).json
    assert [client for client, _ in found["digests"]] == [0, 1, 2]
    assert [one["client"] for one in found["segments"]] == [2]
    for query in ("from=yesterday", "clients=1,,2", "from=2026-11-20&to=2026-11-20"):
        refused = await office.call("GET", f"/reports/evidence?{query}")
        assert refused.status in {400, 422}, query


async def test_a_publication_is_in_the_journal(office: Office) -> None:
    await resolved(office)
    await published(office)
    entries = await office.store.latest_entries(9)
    actions = [entry.deed.act.action for entry in entries]
    assert "incident-report.publish" in actions
    assert actions[-1] == "incident.report"
    assert ACT.action not in actions


async def test_a_report_is_sent_to_the_customers_contacts_when_somebody_asks(
    office: Office,
) -> None:
    await customers(office)
    await counted(office)
    none = await office.call("POST", "/customers/1/report/send")
    assert (none.status, "no validation add-on" in none.json["detail"]) == (404, True)
    plan = {"from": "2026-11-01"}
    new = {"name": "gamma", "entity": "ab", "plan": plan, "validation": True}
    await told(office, "POST", "/customers", new)
    card = {"name": "Zoë", "email": "zoe@g.example", "kinds": ["support"]}
    await told(office, "POST", "/customers/3/contacts", card)
    answer = await office.call("POST", "/customers/3/report/send?first=2026-11&reason=asked")
    assert answer.status == 202
    (begun,) = answer.json["notices"]
    assert (begun["about"], begun["occasion"]) == ("report:3", "report.customer")
    assert begun["recipient"]["place"] == "zoe@g.example"
    assert begun["words"] == "[Keystead] Availability and usage of gamma, 2026-11"
    listed = await office.call("GET", "/notices?about=report:3")
    assert listed.json["notices"] == [begun]
    assert (await office.call("POST", "/customers/3/report/send?first=2027-01")).status == 422
