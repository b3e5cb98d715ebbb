"""A claim of this host's user: queued where it is allowed, kept until it is delivered, once."""

import json
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from agent.attached import SeenKey
from agent.claim import ClaimError
from agent.claiming import queue_claim
from agent.commands import show, status
from agent.courier import Courier
from agent.enrolment import begin, enrol
from agent.findings import Findings
from agent.identity import Identity
from agent.report import serial_hash
from agent.store import FullError, Store
from tests.agent.closing import client, opened
from tests.agent.fleet_server import SERIAL_KEY, FleetServer, Refusal

SERIAL = 31234567


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as started:
        started.policy["claims"] = True
        started.tokens["a token"] = "laptop"
        yield started


@pytest.fixture
def identity(tmp_path: Path, server: FleetServer) -> Identity:
    pending = begin(tmp_path, server.url, "laptop", "")
    return enrol(tmp_path, pending, client(server.url), "a token", system="linux", agent="0.1.0")


def courier(identity: Identity, store: Store) -> Courier:
    dice = random.Random(1)  # noqa: S311 - jitter
    return Courier(identity, client(identity.server), store, dice)


def know(store: Store, *serials: int) -> None:
    keys = [
        SeenKey(f"serial:{one}", Findings({"device.firmware": "5.7.4"}, {}, one)) for one in serials
    ]
    store.remember(keys, date(2999, 1, 1))


def test_a_claim_arrives_signed_and_names_the_key_as_the_organisation_does(
    tmp_path: Path, server: FleetServer, identity: Identity
) -> None:
    queue_claim(tmp_path, identity, str(SERIAL), " Anna Berg ", "spare")
    store = opened(tmp_path)
    assert courier(identity, store).carry().wait_s is None
    (claim,) = server.claims
    assert (claim["person"], claim["kind"], claim["number"]) == ("Anna Berg", "spare", 1)
    assert claim["key"] == {"serial_hash": serial_hash(SERIAL_KEY, SERIAL)}
    assert store.claims() == []


def test_the_only_key_of_a_host_needs_no_number(
    tmp_path: Path, server: FleetServer, identity: Identity
) -> None:
    with pytest.raises(ClaimError, match="knows 0 keys"):
        queue_claim(tmp_path, identity, "", "Anna", "primary")
    store = opened(tmp_path)
    store.begin(identity.host)
    know(store, SERIAL)
    queue_claim(tmp_path, identity, "", "Anna", "primary")
    courier(identity, store).carry()
    assert server.claims[0]["key"] == {"serial_hash": serial_hash(SERIAL_KEY, SERIAL)}
    know(store, SERIAL + 1)
    with pytest.raises(ClaimError, match=f"{SERIAL}"):
        queue_claim(tmp_path, identity, "", "Anna", "primary")


@pytest.mark.parametrize("serial", ["x", "0", "-1", "99999999999999", "٣"])
def test_what_is_no_number_of_a_key_is_said(
    tmp_path: Path, identity: Identity, serial: str
) -> None:
    with pytest.raises(ClaimError, match="number on the key"):
        queue_claim(tmp_path, identity, serial, "Anna", "primary")


@pytest.mark.parametrize("person", ["", " ", "a\nb", "x" * 101])
def test_a_person_has_a_name(tmp_path: Path, identity: Identity, person: str) -> None:
    with pytest.raises(ClaimError, match="name"):
        queue_claim(tmp_path, identity, str(SERIAL), person, "primary")


def test_the_same_claim_waits_once_and_is_shown_as_it_is_sent(
    tmp_path: Path, identity: Identity
) -> None:
    for _ in range(2):
        queue_claim(tmp_path, identity, str(SERIAL), "Anna", "lost")
    (waiting,) = opened(tmp_path).claims()
    shown = json.loads(show(tmp_path, as_data=True).text)
    assert shown["claims"] == [json.loads(waiting.body)]
    assert json.loads(status(tmp_path, as_data=True).text)["claims"] == 1


def test_a_claim_whose_answer_was_lost_is_sent_again_as_it_was(
    tmp_path: Path, server: FleetServer, identity: Identity
) -> None:
    queue_claim(tmp_path, identity, str(SERIAL), "Anna", "lost")
    lose = iter([True])
    server.fault = lambda: next(lose, False)
    store = opened(tmp_path)
    carrier = courier(identity, store)
    assert carrier.carry().wait_s is not None
    assert len(store.claims()) == 1
    assert carrier.carry().wait_s is None
    assert len(server.claims) == 1
    assert server.requests == 3


@pytest.mark.parametrize(
    ("refusal", "left"),
    [
        (Refusal(422, "claims-off"), 0),
        (Refusal(403, "unknown-host"), 1),
        (Refusal(429, "too-many-claims"), 1),
        (Refusal(503, ""), 1),
    ],
    ids=lambda one: str(one) or "away",
)
def test_a_claim_is_given_up_only_when_it_will_never_be_taken(
    tmp_path: Path, server: FleetServer, identity: Identity, refusal: Refusal, left: int
) -> None:
    queue_claim(tmp_path, identity, str(SERIAL), "Anna", "lost")

    def refuse() -> bool:
        raise refusal

    server.fault = refuse
    store = opened(tmp_path)
    trip = courier(identity, store).carry()
    assert len(store.claims()) == left
    assert trip.problem
    assert store.note("problem") == trip.problem
    assert store.note("refused", "0") == str(1 - left)


def test_nothing_is_queued_where_claims_are_not_wanted(tmp_path: Path, server: FleetServer) -> None:
    server.policy["claims"] = False
    pending = begin(tmp_path, server.url, "laptop", "")
    identity = enrol(
        tmp_path, pending, client(server.url), "a token", system="linux", agent="0.1.0"
    )
    with pytest.raises(ClaimError, match="takes no claims"):
        queue_claim(tmp_path, identity, str(SERIAL), "Anna", "lost")


def test_claims_are_bounded_and_those_for_another_enrolment_are_forgotten(
    tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.store.MAX_CLAIMS", 2)
    for number in (1, 2):
        queue_claim(tmp_path, identity, str(number), "Anna", "spare")
    with pytest.raises(FullError):
        queue_claim(tmp_path, identity, "3", "Anna", "spare")
    store = opened(tmp_path)
    assert [one.sequence for one in store.claims()] == [1, 2]
    store.begin("ab" * 16)
    assert store.claims() == []
