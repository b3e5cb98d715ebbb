"""The door of agents: who signed is heard, and everything else is a problem, counted, unstored."""

import asyncio
import base64
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web

from agent.identity import Identity
from agent.report import (
    ENROLMENT_CONTEXT,
    HOST_HEADER,
    MAX_REPORT_OCTETS,
    REPORT_CONTEXT,
    SIGNATURE_HEADER,
    Report,
    encode,
)
from server.fleet.enrolment import Asked, digest_of
from server.fleet.health import Judging
from server.fleet.hosts import HostState
from server.fleet.pace import Pace
from server.fleet.policy import FleetPolicy
from server.fleet.ports import Search
from server.fleet.receipt import Receipt
from server.fleet.reception import Reception
from server.otp.ports import StoreUnavailableError
from server.web.fleet import ENROLMENTS, REPORTS, FleetDoor, refusal_of
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, a_key, a_report
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT

POLICY = FleetPolicy(bytes(range(32)), interval_s=900)
TOKEN = "kst_host_first"


class Answer(NamedTuple):
    status: int
    media: str
    json: dict[str, Any]


class House:
    """A fleet's door with a host that may enrol, and what is behind it."""

    def __init__(self, url: str, store: MemoryStore, reception: Reception) -> None:
        self.url = url
        self.store = store
        self.reception = reception
        self.identity = Identity.fresh(url, "laptop-17", "")

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        sent = {"Content-Type": "application/json"} | headers
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=body, headers=sent) as answer,
        ):
            found = await answer.json(content_type=None)
            return Answer(answer.status, answer.content_type, found)

    def request(self, **changes: object) -> bytes:
        asked = {
            "format": 1,
            "token": TOKEN,
            "host": self.identity.host,
            "name": "laptop-17",
            "public_key": base64.b64encode(self.identity.public_key).decode(),
            "system": "linux",
            "agent": "0.1.0",
        }
        return json.dumps(asked | changes).encode()

    async def enrol(self, body: bytes | None = None, identity: Identity | None = None) -> Answer:
        body = self.request() if body is None else body
        signature = (identity or self.identity).sign(ENROLMENT_CONTEXT, body)
        return await self.post(ENROLMENTS, body, {SIGNATURE_HEADER: signature})

    async def report(
        self,
        report: Report,
        identity: Identity | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        report = report._replace(host=self.identity.host)
        return await self.send(encode(report), identity, headers)

    async def send(
        self,
        body: bytes,
        identity: Identity | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        signature = (identity or self.identity).sign(REPORT_CONTEXT, body)
        sent = {HOST_HEADER: self.identity.host, SIGNATURE_HEADER: signature}
        return await self.post(REPORTS, body, sent | (headers or {}))

    async def stored(self) -> int:
        return len(await self.store.fleet_keys(Search(), "", 100))


@pytest.fixture
async def house(open_door: OpenDoor) -> AsyncIterator[House]:
    store = MemoryStore(clock=StillClock(), default_policy=DEFAULT)
    await store.add_enrolment_token(
        "laptop-17", digest_of(TOKEN), lifetime_us=10**12, replaces=False, act=ACT
    )
    reception = Reception(store, POLICY, pace=Pace(lambda: 0.0, burst=30), askers=2)
    door = await open_door(FleetDoor(reception).app())
    yield House(f"http://{door.host}:{door.port}", store, reception)
    await reception.close()


async def test_a_host_enrols_reports_and_hears_what_is_wanted(house: House) -> None:
    enrolled = await house.enrol()
    assert (enrolled.status, enrolled.json["host"]) == (201, house.identity.host)
    assert enrolled.json["policy"]["interval_seconds"] == 900
    assert base64.b64decode(enrolled.json["policy"]["serial_key"]) == bytes(range(32))
    answer = await house.report(a_report(a_key()))
    assert (answer.status, answer.json) == (202, {"policy": POLICY.to_json()})
    assert await house.stored() == 1
    assert house.reception.outcomes == {"enrolled": 1, "new": 1}


async def test_what_was_answered_in_vain_is_answered_again(house: House) -> None:
    assert (await house.enrol()).status == 201
    assert (await house.enrol()).status == 200
    report = a_report(a_key())
    assert (await house.report(report)).status == 202
    assert (await house.report(report)).status == 202
    assert house.reception.outcomes["again"] == 1


async def test_reports_that_come_together_are_stored_each_once(house: House) -> None:
    await house.enrol()
    reports = [a_report(a_key(serial=number), sequence=number) for number in range(1, 9)]
    for report in reports:
        assert (await house.report(report)).status == 202
    answers = await asyncio.gather(*(house.report(reports[-1]) for _ in range(20)))
    assert {answer.status for answer in answers} <= {202, 503}  # one of a host at a time
    assert (await house.report(reports[-1])).status == 202
    assert await house.stored() == 8


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": "kst_host_second"}, 403, "bad-token"),
        ({"name": "laptop-18"}, 403, "bad-token"),
        ({"format": 2}, 422, "unknown-format"),
        ({"host": "laptop"}, 400, "malformed"),
        ({"public_key": "AAAA"}, 400, "malformed"),
        ({"name": "two\nlines"}, 400, "malformed"),
        ({"more": 1}, 400, "malformed"),
    ],
)
async def test_who_cannot_enrol_is_told_why_and_leaves_nothing(
    house: House, changes: dict[str, object], status: int, code: str
) -> None:
    answer = await house.enrol(house.request(**changes))
    assert (answer.status, answer.media) == (status, "application/problem+json")
    assert answer.json["code"] == code
    assert answer.json["detail"]
    assert await house.store.list_hosts("", 10) == []
    assert house.reception.outcomes == {code: 1}


async def test_an_enrolment_is_signed_by_the_key_in_it(house: House) -> None:
    other = Identity.fresh(house.url, "laptop-17", "")
    assert (await house.enrol(identity=other)).json["code"] == "bad-signature"
    body = house.request()
    signature = house.identity.sign(REPORT_CONTEXT, body)
    answer = await house.post(ENROLMENTS, body, {SIGNATURE_HEADER: signature})
    assert answer.json["code"] == "bad-signature"
    assert await house.store.list_hosts("", 10) == []


async def test_a_report_is_signed_by_its_host_and_by_nobody_else(house: House) -> None:
    await house.enrol()
    other = Identity.fresh(house.url, "laptop-17", "")
    for headers in ({}, {SIGNATURE_HEADER: ""}, {SIGNATURE_HEADER: "ed25519=AAAA"}):
        answer = await house.report(a_report(a_key()), other, headers)
        assert (answer.status, answer.json["code"]) == (401, "bad-signature")
    body = encode(a_report(a_key())._replace(host=other.host))
    assert (await house.send(body)).json["code"] == "malformed"
    assert await house.stored() == 0


@pytest.mark.parametrize("host", ["", "laptop", "f" * 32, "../" + "f" * 29])
async def test_who_is_not_known_is_not_listened_to(house: House, host: str) -> None:
    await house.enrol()
    answer = await house.report(a_report(a_key()), headers={HOST_HEADER: host})
    assert (answer.status, answer.json["code"]) == (403, "unknown-host")
    assert await house.stored() == 0


async def test_what_is_no_report_is_refused_and_counted(house: House) -> None:
    await house.enrol()
    newer = json.loads(encode(a_report()._replace(host=house.identity.host))) | {"format": 2}
    for body, status, code in (
        (b"{}", 400, "malformed"),
        (b"\xff", 400, "malformed"),
        (json.dumps(newer).encode(), 422, "unknown-format"),
        (b" " * (MAX_REPORT_OCTETS + 1), 413, "too-large"),
        (b" " * 1_000_000, 413, "too-large"),
    ):
        answer = await house.send(body)
        assert (answer.status, answer.json["code"]) == (status, code)
    answer = await house.send(b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json["code"]) == (415, "media-type")
    assert house.reception.outcomes["malformed"] == 2
    assert await house.stored() == 0


async def test_a_copied_host_and_an_erased_one_are_told_so(house: House) -> None:
    await house.enrol()
    await house.report(a_report(a_key()))
    clash = await house.report(a_report(a_key(), report_id="ab" * 16))
    assert (clash.status, clash.json["code"]) == (409, "sequence-taken")
    await house.store.erase_host(house.identity.host, act=ACT)
    erased = await house.report(a_report(a_key(), sequence=2))
    assert (erased.status, erased.json["code"]) == (410, "erased")
    host = await house.store.fleet_host(house.identity.host)
    assert host is not None
    assert host.state is HostState.ERASED


async def test_a_store_that_is_away_loses_no_report(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.enrol()
    report = a_report(a_key({**HEALTHY, "piv.pin.tries": 2}))

    async def away(*_: object) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(house.store, "take_reports", away)
        answer = await house.report(report)
        assert (answer.status, answer.json["code"]) == (503, "later")
    assert (await house.report(report)).status == 202
    assert await house.stored() == 1


async def test_nothing_else_is_served_here(house: House) -> None:
    answer = await house.post("/api/v1/status", b"{}", {})
    assert (answer.status, answer.json["code"]) == (404, "no-such-request")


def test_a_policy_shows_its_key_to_nobody() -> None:
    assert "serial_key" not in repr(POLICY)


async def test_a_host_that_sends_without_end_is_told_to_wait(house: House) -> None:
    await house.enrol()
    for number in range(1, 31):
        assert (await house.report(a_report(sequence=number))).status == 202
    answer = await house.report(a_report(sequence=31))
    assert (answer.status, answer.json["code"]) == (429, "too-fast")


async def test_strangers_wait_for_a_turn_and_cost_no_writing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    known = house.store.knows_token

    async def slow(digest: bytes) -> bool:
        await gate.wait()
        return await known(digest)

    async def never(_: object) -> None:
        raise AssertionError("a stranger reached the store's writing")

    with monkeypatch.context() as patched:
        patched.setattr(house.store, "knows_token", slow)
        patched.setattr(house.store, "enrol", never)
        waiting = [
            asyncio.create_task(house.enrol(house.request(token=f"made-up-{number}")))
            for number in range(5)
        ]
        # Two wait at the store; the others are told so before anything moves.
        refused = [await one for one in islice(asyncio.as_completed(waiting), 3)]
        assert [answer.status for answer in refused] == [503] * 3
        gate.set()
        codes = sorted([(await task).json["code"] for task in waiting])
    assert codes == ["bad-token", "bad-token", "later", "later", "later"]
    assert (await house.enrol()).status == 201


async def test_a_report_that_cannot_be_taken_keeps_nobody_else_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.enrol()
    taken = house.store.take_reports
    begun, gate = asyncio.Event(), asyncio.Event()

    async def stumbles(reports: Sequence[Report], judging: Judging) -> Sequence[Receipt]:
        begun.set()
        await gate.wait()
        if any(report.release == "poison" for report in reports):
            raise ZeroDivisionError
        return await taken(reports, judging)

    monkeypatch.setattr(house.store, "take_reports", stumbles)
    first = Identity.fresh(house.url, "laptop-17", "")
    second = Identity.fresh(house.url, "laptop-18", "")
    bodies = []
    for number, (identity, name) in enumerate(((first, "laptop-27"), (second, "laptop-28"))):
        token = f"token-{number}"
        await house.store.add_enrolment_token(
            name, digest_of(token), lifetime_us=10**12, replaces=False, act=ACT
        )
        asked = Asked(token, identity.host, name, identity.public_key, "linux", "0")
        await house.store.enrol(asked)
        report = a_report(a_key(serial=number + 1), host=identity.host)
        bodies.append(encode(report._replace(release="poison") if number == 0 else report))

    def send(identity: Identity, body: bytes) -> Awaitable[Receipt]:
        return house.reception.report(identity.host, body, identity.sign(REPORT_CONTEXT, body))

    # The first is alone in its batch and waits; what comes behind it makes the next one.
    own = encode(a_report(host=house.identity.host))
    head = asyncio.ensure_future(send(house.identity, own))
    await begun.wait()
    both = [
        asyncio.ensure_future(send(one, body))
        for one, body in zip((first, second), bodies, strict=True)
    ]
    await asyncio.sleep(0.05)
    gate.set()
    assert await head is Receipt.NEW
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(answers[0], ZeroDivisionError)
    assert answers[1] is Receipt.NEW


async def test_s17_at_the_door_whoever_is_refused_is_told_the_same(house: House) -> None:
    other = Identity.fresh(house.url, "laptop-17", "")
    key = base64.b64encode(other.public_key).decode()
    assert (await house.enrol()).status == 201
    await house.store.add_enrolment_token(
        "laptop-18", digest_of("late"), lifetime_us=0, replaces=False, act=ACT
    )
    await house.store.add_enrolment_token(
        "laptop-19", digest_of("another's"), lifetime_us=10**12, replaces=False, act=ACT
    )
    before = await house.store.list_hosts("", 10)
    attempts: list[dict[str, object]] = [
        {"host": other.host},
        {},
        {"token": "late", "name": "laptop-18", "host": other.host},
        {"token": "another's", "name": "laptop-18", "host": other.host},
        {"token": "another's", "name": "laptop-19"},
        {"token": "made up", "host": other.host},
    ]
    answers = [
        await house.enrol(house.request(public_key=key, **changes), other) for changes in attempts
    ]
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(403, "bad-token")}
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert await house.store.list_hosts("", 10) == before
    assert house.reception.outcomes == {"enrolled": 1, "bad-token": len(attempts)}


async def test_refusals_keep_nothing_of_the_requests_before_them(house: House) -> None:
    """An exception that is raised twice keeps the frames, and so the requests, of both times."""
    for _ in range(5):
        answer = await house.report(a_report(), headers={HOST_HEADER: "ab" * 16})
        assert answer.json["code"] == "unknown-host"
    assert refusal_of(Receipt.UNKNOWN_HOST) is not refusal_of(Receipt.UNKNOWN_HOST)
    gc.collect()
    requests = [one for one in gc.get_objects() if isinstance(one, web.Request)]
    assert len(requests) <= 1


async def test_a_token_that_was_used_is_no_way_to_keep_the_store_busy(house: House) -> None:
    assert (await house.enrol()).status == 201
    answers = [await house.enrol() for _ in range(10)]
    assert [answer.status for answer in answers[:9]] == [200] * 9
    assert (answers[9].status, answers[9].json["code"]) == (429, "too-fast")


async def test_a_key_under_which_anybody_can_sign_enrols_nobody(house: House) -> None:
    for weak in (bytes(32), b"\x01" + bytes(31), b"\x01" + bytes(30) + b"\x80"):
        body = house.request(public_key=base64.b64encode(weak).decode())
        answer = await house.enrol(body)
        assert (answer.status, answer.json["code"]) == (400, "malformed")
    assert await house.store.list_hosts("", 10) == []


async def test_a_report_that_costs_as_much_as_many_counts_as_many(house: House) -> None:
    await house.enrol()
    facts = {f"a{number}.b": number for number in range(400)}
    keys = [a_key(facts, serial=number) for number in range(1, 6)]
    answers = [await house.report(a_report(*keys, sequence=number)) for number in (1, 2, 3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[2].json["code"] == "too-fast"


async def test_a_report_lists_no_more_programs_than_have_to_do_with_keys(house: House) -> None:
    await house.enrol()
    report = a_report()._replace(software={f"p-{number}": "1" for number in range(65)})
    answer = await house.report(report)
    assert (answer.status, answer.json["code"]) == (400, "malformed")
