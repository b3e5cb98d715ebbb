"""The admin API for probers: findings once, windows back, and nothing else for a prober's token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.accounts.access import Role
from server.journal.acts import OPERATOR, Actor, Cause
from server.probing.desk import ForeignProberError, ProbeDesk
from server.web.bearers import Bearers
from server.web.lockout import Lockout
from server.web.source import SourceReader
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import NOW_US, StillClock
from tests.server.web.office import DEFAULT, Office, office_desks, open_office

NAME = "0123456789abcdef"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    yield office
    await office.serving.stop()


def finding(number: int, outcome: str = "good", **more: object) -> dict[str, object]:
    value = {"number": number, "outcome": outcome, "at_us": NOW_US, "until_us": NOW_US, "why": ""}
    return {**value, **more}


def parcel(*findings: dict[str, object], prober: str = NAME) -> dict[str, object]:
    return {"prober": prober, "findings": list(findings)}


async def test_findings_are_taken_once_and_the_receipt_says_up_to_where(office: Office) -> None:
    for body in (parcel(finding(1), finding(2)), parcel(finding(2), finding(3)), parcel()):
        answer = await office.call("POST", "/probe-results", body)
        assert answer.status == 200
    assert answer.json == {"number": 3, "maintenance": []}
    assert [one.good for one in office.store._probe_minutes.values()] == [3]


async def test_the_receipt_tells_of_maintenance_that_is_announced(office: Office) -> None:
    span = {"start": "2026-12-05T21:00:00Z", "end": "2026-12-05T22:00:00Z"}
    plan = {"component": "validation", "title": "Upgrade", **span}
    await office.call("POST", "/maintenance", plan)
    await office.call("POST", "/maintenance", {**plan, "component": "upload"})
    answer = await office.call("POST", "/probe-results", parcel())
    assert answer.json == {"number": 0, "maintenance": [span]}


async def test_how_the_service_stands_is_shown_for_each_prober(office: Office) -> None:
    bad = [finding(number, "bad", why="HTTP 500") for number in (2, 3)]
    await office.call("POST", "/probe-results", parcel(*bad))
    answer = await office.call("GET", "/probers")
    at = "2026-11-21T12:00:00Z"
    assert answer.json == {
        "probers": [
            {
                "name": NAME,
                "number": 3,
                "missing": 1,
                "heard": at,
                "failing": True,
                "since": at,
                "why": "HTTP 500",
            }
        ]
    }


@pytest.mark.parametrize(
    "body",
    [
        parcel(finding(0)),
        parcel(finding(1, "fine")),
        parcel(finding(1, at_us=NOW_US + 1)),
        parcel(finding(1, at_us=-1)),
        parcel(finding(1, why="x" * 121)),
        parcel(finding(1, why="a\nb")),
        parcel(finding(1, more=1)),
        parcel(*(finding(number) for number in range(1, 302))),
        parcel(prober="short"),
        parcel(prober="Not A Name!!"),
        {"prober": NAME},
        [],
    ],
)
async def test_what_is_out_of_form_is_refused_whole(office: Office, body: object) -> None:
    answer = await office.call("POST", "/probe-results", body)
    assert answer.status in {400, 422}
    assert await office.store.list_probers() == []


@asynccontextmanager
async def open_to_probers(tmp_path: Path, *names: str) -> AsyncIterator[tuple[Office, list[str]]]:
    """Open an office to whose door probers come; return it, and a token for each."""
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    desks = office_desks(store, clock, tmp_path / "imports")
    tokens = [(await desks.operators.add(name, Role.PROBER, cause=CAUSE)).token for name in names]
    lockout = Lockout(attempts=1, lockout_s=60, clock=clock)
    bearers = Bearers(desks.operators, lockout=lockout, sources=SourceReader())
    office = await open_office(tmp_path, authenticate=bearers, store=store, clock=clock)
    try:
        yield office, tokens
    finally:
        await office.serving.stop()


def an_incident(reference: str = NAME, prober: str = NAME) -> dict[str, object]:
    record = {
        "step": "opened",
        "at_us": NOW_US,
        "author": {"kind": "prober", "name": prober},
        "text": "",
        "detail": {
            "component": "validation",
            "title": "Nobody gets an answer",
            "origin": "probe",
            "severity": 1,
            "sentence": "The validation service is unavailable.",
            "reported_us": NOW_US,
            "customer": None,
            "public": True,
        },
    }
    return {"reference": reference, "records": [record]}


async def test_a_probers_token_hands_in_and_can_do_nothing_else(tmp_path: Path) -> None:
    async with open_to_probers(tmp_path, "prober-1") as (office, (token,)):
        taken = await office.call("POST", "/probe-results", parcel(finding(1)), token=token)
        assert taken.status == 200
        incident = an_incident()
        for _ in range(2):
            handed = await office.call("POST", "/incidents/taken-over", incident, token=token)
            assert (handed.status, handed.json["id"]) == (200, 1)
        for method, path in (("GET", "/probers"), ("GET", "/clients"), ("GET", "/incidents")):
            assert (await office.call(method, path, token=token)).status == 403


async def test_a_probers_name_is_its_operators_from_the_first_hand_in_on(tmp_path: Path) -> None:
    async with open_to_probers(tmp_path, "prober-1", "prober-2") as (office, (one, other)):
        bring = ("POST", "/probe-results")
        assert (await office.call(*bring, parcel(finding(1)), token=one)).status == 200
        stolen = await office.call(*bring, parcel(finding(2, "bad", why="x")), token=other)
        assert stolen.status == 403
        assert "belongs to another operator" in stolen.json["detail"]
        assert "prober-1" not in stolen.json["detail"]
        begun = await office.call("POST", "/incidents/taken-over", an_incident(), token=other)
        assert begun.status == 403
        assert await office.store.list_incidents(0, 9) == []
        (known,) = await office.store.list_probers()
        assert known.known.number == 1
        assert (await office.call(*bring, parcel(finding(2)), token=one)).status == 200
        own = parcel(finding(1), prober="fedcba9876543210")
        assert (await office.call(*bring, own, token=other)).status == 200
        bound = [entry.deed for entry in await office.store.latest_entries(9)]
        assert [
            (deed.subject.id, deed.after) for deed in bound if deed.act.action == "prober.bind"
        ] == [
            (NAME, {"operator": "operator prober-1"}),
            ("fedcba9876543210", {"operator": "operator prober-2"}),
        ]


async def test_a_probers_incident_binds_its_name_as_well(tmp_path: Path) -> None:
    async with open_to_probers(tmp_path, "prober-1", "prober-2") as (office, (one, other)):
        for token, status in ((one, 200), (other, 403), (one, 200)):
            handed = await office.call("POST", "/incidents/taken-over", an_incident(), token=token)
            assert handed.status == status
        assert (await office.call("POST", "/probe-results", parcel(), token=other)).status == 403


async def test_what_came_by_the_socket_is_no_operators_afterwards(office: Office) -> None:
    for _ in range(2):
        assert (await office.call("POST", "/probe-results", parcel(finding(1)))).status == 200
    claim = ProbeDesk(office.store, office.store, office.store).claim
    with pytest.raises(ForeignProberError):
        await claim(NAME, Cause(Actor(OPERATOR, "prober-1")))
    await claim("fedcba9876543210", Cause(Actor(OPERATOR, "prober-1")))
    # Whoever has the socket may do everything: a prober that moves onto this host goes on.
    moved = await office.call("POST", "/probe-results", parcel(prober="fedcba9876543210"))
    assert moved.status == 200
