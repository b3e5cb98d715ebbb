"""A key read by the server over HTTP, through an agent: both sides sign, and nobody else may."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from agent.http_client import Client
from agent.identity import Identity
from agent.policy import Policy
from agent.proof_wire import CHANNEL_CONTEXT, CHANNELS
from agent.relaying import RelayError, Relaying, Wanted
from agent.report import Identity as KeyIdentity
from agent.server_url import parse_server_url
from agent.server_voice import RefusedError, ServerVoice
from agent.whitelist_channel import ChannelRules
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.channel.channels import Channels
from server.fleet.enrolment import Asked, digest_of
from server.fleet.policy import FleetPolicy
from server.fleet.reception import Reception
from server.fleet.server_identity import ServerIdentity
from server.fleet.trust import Trust
from server.web.fleet import FleetDoor
from server.web.fleet_proofs import Dialogue, ProofDoor
from tests.agent.virtual_cards import VirtualCards
from tests.server.acts import ACT
from tests.server.fleet.channel.lab import SERIAL, a_key
from tests.server.fleet.reports import a_key as reported
from tests.server.fleet.reports import a_report
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT
from tests.virtual_yubikey.plug import Distortion

SERVER, STRANGER = ServerIdentity(bytes(range(32))), ServerIdentity(bytes(32))
TOKEN = "kst_host_first"
WANTED = Wanted("reader", SERIAL, KeyIdentity(serial=SERIAL))


def as_it_is(_command: bytes, answer: bytes) -> bytes:
    return answer


def meddling(command: bytes, answer: bytes) -> bytes:
    return bytes((answer[0] ^ 1,)) + answer[1:] if command[0] & 0x04 else answer


class House:
    """A fleet's door, a host that is enrolled with it, and a key in its reader."""

    def __init__(self, url: str, store: MemoryStore, reception: Reception, host: Identity) -> None:
        self.url = url
        self.store = store
        self.reception = reception
        self.host = host
        self.key = a_key()

    async def relay(self, distortion: Distortion = as_it_is, host: Identity | None = None) -> str:
        def work(voice: ServerVoice) -> str:
            cards = VirtualCards(self.key, lambda: ChannelRules().permit, distortion)
            return Relaying(cards, voice, time.monotonic).relay(WANTED)

        return await self.ask(work, host)

    async def ask(self, work: Callable[[ServerVoice], str], host: Identity | None = None) -> str:
        client = Client(parse_server_url(self.url), "", "tests")
        try:
            return await asyncio.to_thread(work, ServerVoice(host or self.host, client))
        finally:
            client.close()


@pytest.fixture
async def house(open_door: OpenDoor) -> AsyncIterator[House]:
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    await store.add_enrolment_token(
        "laptop-17", digest_of(TOKEN), lifetime_us=10**12, replaces=False, act=ACT
    )
    reception = Reception(store, FleetPolicy(bytes(32), server_key=SERVER.public_key))
    maker = a_key().manufacturer

    async def bundle() -> AttestationBundle:
        today = a_report().day
        return AttestationBundle(1, today, tuple(maker.roots), tuple(maker.intermediates))

    channels = Channels(store, bundle, bytes(32), clock=clock, counted=reception.outcomes)
    dialogues = [Dialogue(CHANNELS, CHANNEL_CONTEXT, channels.step)]
    proofs = ProofDoor(reception, SERVER, dialogues)
    door = await open_door(FleetDoor(reception, SERVER, proofs.handlers()).app())
    url = f"http://{door.host}:{door.port}"
    host = Identity.fresh(url, "laptop-17", "").agreed(Policy(server_key=SERVER.public_key))
    await store.enrol(Asked(TOKEN, host.host, host.name, host.public_key, "linux", "0.1.0"))
    await store.take_reports([a_report(reported({}, serial=SERIAL), host=host.host)])
    yield House(url, store, reception, host)
    await reception.close()


async def test_a_key_proves_itself_to_the_server_past_the_laptop(house: House) -> None:
    assert await house.relay() == "key-channel"
    found = await house.store.fleet_key(f"serial:{SERIAL}")
    assert found is not None
    assert found.key.facts["piv.pin.default"].trust is Trust.KEY_CHANNEL
    assert house.reception.outcomes == {"channel-key-channel": 1}


async def test_a_laptop_that_alters_an_answer_is_told_counted_and_nothing_is_kept(
    house: House,
) -> None:
    with pytest.raises(RelayError, match="altered"):
        await house.relay(meddling)
    assert house.reception.outcomes == {"altered": 1}
    kept = await house.store.fleet_host(house.host.host)
    assert kept is not None
    assert kept.altered == 1
    found = await house.store.fleet_key(f"serial:{SERIAL}")
    assert found is not None
    assert found.key.facts == {}


async def test_an_agent_relays_for_the_server_it_enrolled_with_and_for_no_other(
    house: House,
) -> None:
    for known in (Policy(server_key=STRANGER.public_key), Policy()):
        with pytest.raises(RelayError):
            await house.relay(host=house.host.agreed(known))
    assert len(house.key.traffic) == 0


async def test_a_host_that_is_not_enrolled_relays_to_nobody(house: House) -> None:
    stranger = Identity.fresh(house.url, "laptop-18", "").agreed(house.host.policy)
    with pytest.raises(RelayError, match="unknown-host"):
        await house.relay(host=stranger)
    assert len(house.key.traffic) == 0


async def test_a_signature_for_something_else_is_none_for_this(house: House) -> None:
    def work(voice: ServerVoice) -> str:
        asked: dict[str, object] = {
            "id": "",
            "channel": None,
            "step": 0,
            "key": {"serial": 1},
            "answers": [],
        }
        voice.ask(CHANNELS, b"keystead-agent-challenge-v1\x00", asked)
        return ""

    with pytest.raises(RefusedError, match="bad-signature"):
        await house.ask(work)
    assert house.reception.outcomes == {"bad-signature": 1}
