"""Claims at the door of agents: signed by the host, where the organisation wants them."""

from collections.abc import AsyncIterator
from datetime import date

import aiohttp
import pytest

from agent.claim import encode_claim
from agent.identity import Identity as HostIdentity
from agent.report import CLAIM_CONTEXT, HOST_HEADER, REPORT_CONTEXT, SIGNATURE_HEADER, Identity
from server.fleet.enrolment import Asked, digest_of
from server.fleet.pace import Pace
from server.fleet.policy import FleetPolicy
from server.fleet.reception import Reception
from server.web.fleet import FleetDoor
from server.web.fleet_claims import CLAIMS, ClaimDoor
from tests.server.acts import ACT
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT


class House:
    """A fleet's door with an enrolled host, and what is behind it."""

    def __init__(self, url: str, store: MemoryStore, reception: Reception) -> None:
        self.url = url
        self.store = store
        self.reception = reception
        self.identity = HostIdentity.fresh(url, "laptop-17", "")

    def claim(self, number: int = 1, *, serial: int = 7, host: str = "") -> bytes:
        return encode_claim(
            f"{number:032x}",
            host or self.identity.host,
            number,
            date(2026, 11, 20),
            Identity(serial=serial),
            person="Anna Berg",
            kind="spare",
        )

    async def send(
        self, body: bytes, context: bytes = CLAIM_CONTEXT, host: str = ""
    ) -> tuple[int, str]:
        headers = {
            "Content-Type": "application/json",
            HOST_HEADER: host or self.identity.host,
            SIGNATURE_HEADER: self.identity.sign(context, body),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + CLAIMS, data=body, headers=headers) as answer,
        ):
            found = await answer.json(content_type=None)
            return answer.status, found.get("code", "")


@pytest.fixture
async def house(open_door: OpenDoor, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    store = MemoryStore(clock=StillClock(), default_policy=DEFAULT)
    policy = FleetPolicy(bytes(32), claims=getattr(request, "param", True))
    reception = Reception(store, policy, proof_pace=Pace(lambda: 0.0, burst=30))
    claims = ClaimDoor(reception, store)
    door = await open_door(FleetDoor(reception, more=claims.handlers()).app())
    made = House(f"http://{door.host}:{door.port}", store, reception)
    await store.add_enrolment_token(
        "laptop-17", digest_of("token"), lifetime_us=10**12, replaces=False, act=ACT
    )
    identity = made.identity
    await store.enrol(
        Asked("token", identity.host, "laptop-17", identity.public_key, "linux", "0.1.0")
    )
    yield made
    await reception.close()


async def test_a_claim_is_taken_once_and_stands_until_somebody_decides(house: House) -> None:
    assert await house.send(house.claim()) == (202, "")
    assert await house.send(house.claim()) == (202, "")
    (claim,) = await house.store.fleet_claims(None, "", 10)
    assert (claim.key_id, claim.person, claim.host_id) == (
        "serial:7",
        "Anna Berg",
        house.identity.host,
    )
    assert house.reception.outcomes == {"claim-new": 1, "claim-again": 1}


async def test_what_is_not_the_hosts_word_is_refused_and_nothing_is_kept(house: House) -> None:
    body = house.claim()
    assert await house.send(body, REPORT_CONTEXT) == (401, "bad-signature")
    assert await house.send(body, host="ab" * 16) == (403, "unknown-host")
    assert await house.send(house.claim(host="ab" * 16)) == (400, "malformed")
    assert await house.send(b"{}") == (400, "malformed")
    assert await house.send(b'{"format": 2}') == (422, "unknown-format")
    assert await house.send(b" " * 5000) == (413, "too-large")
    assert await house.store.fleet_claims(None, "", 10) == []


async def test_an_older_claim_and_too_many_of_them_are_told_apart(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fleet.claiming.MAX_CLAIMS_OF_HOST", 1)
    assert await house.send(house.claim(2)) == (202, "")
    assert await house.send(house.claim(1)) == (409, "sequence-taken")
    assert await house.send(house.claim(3, serial=8)) == (429, "too-many-claims")


async def test_claims_count_against_the_pace_of_their_host(house: House) -> None:
    answers = [await house.send(house.claim(number)) for number in range(1, 32)]
    assert answers[-1] == (429, "too-fast")
    assert answers[:30] == [(202, "")] * 30


@pytest.mark.parametrize("house", [False], indirect=True)
async def test_an_organisation_that_wants_no_claims_gets_none(house: House) -> None:
    assert await house.send(house.claim()) == (422, "claims-off")
    assert await house.store.fleet_claims(None, "", 10) == []
    assert house.reception.policy.to_json()["claims"] is False
