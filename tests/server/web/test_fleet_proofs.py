"""Key-signed at the door: with the agent's own code on the other side, and with none of it."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from agent.http_client import Client
from agent.identity import Identity
from agent.key_signing import KeySigning, Signed, ask_key
from agent.policy import Policy
from agent.probing import Talk
from agent.proof_wire import (
    CHALLENGE_CONTEXT,
    CHALLENGES,
    SIGNATURE_CONTEXT,
    SIGNATURES,
    Challenge,
    key_name,
)
from agent.relaying import RelayError, Wanted
from agent.report import Identity as KeyIdentity
from agent.report import KeyReport, serial_hash
from agent.server_url import parse_server_url
from agent.server_voice import RefusedError, ServerVoice
from agent.whitelist import ForbiddenCommandError
from agent.whitelist_proofs import for_signing, sign
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.enrolment import Asked, digest_of
from server.fleet.key_signed import KeySigned
from server.fleet.nonces import LIFETIME_S, MAX_OF_HOST, Nonces
from server.fleet.policy import FleetPolicy
from server.fleet.reception import Reception
from server.fleet.server_identity import ServerIdentity
from server.fleet.trust import Trust
from server.web.fleet import FleetDoor
from server.web.fleet_proofs import Dialogue, ProofDoor
from tests.agent.direct_card import DirectCard
from tests.server.acts import ACT
from tests.server.fleet.attestations import SERIAL, a_provisioned_key, bundle_of
from tests.server.fleet.reports import HEALTHY, TODAY, a_report
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT
from tests.virtual_yubikey.identity import yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.manufacturer import Manufacturer
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy, generate
from tests.virtual_yubikey.yubikey import VirtualYubiKey

MAKER = Manufacturer()
SERIAL_KEY = bytes(range(32))
SERVER = ServerIdentity(bytes(32))
PLAIN = KeyIdentity(serial=SERIAL)
HASHED = KeyIdentity(serial_hash=serial_hash(SERIAL_KEY, SERIAL))


class House:
    """A fleet's door with two hosts that enrolled, and what is behind it."""

    def __init__(
        self, url: str, store: MemoryStore, reception: Reception, clock: StillClock
    ) -> None:
        self.url, self.store, self.reception, self.clock = url, store, reception, clock
        policy = Policy(server_key=SERVER.public_key, proofs=("signed",))
        self.laptop, self.other = (
            Identity.fresh(url, name, "").agreed(policy) for name in ("laptop", "other")
        )
        self._sequence = 0

    async def enrol(self) -> None:
        for host in (self.laptop, self.other):
            await self.store.add_enrolment_token(
                host.name, digest_of(host.name), lifetime_us=10**12, replaces=False, act=ACT
            )
            asked = Asked(host.name, host.host, host.name, host.public_key, "linux", "0.1.0")
            await self.store.enrol(asked)

    async def report(
        self, named: KeyIdentity, host: Identity | None = None, firmware: str = "5.7.4"
    ) -> None:
        self._sequence += 1
        facts = HEALTHY | {"device.firmware": firmware, "device.form_factor": "usb-c-keychain"}
        key = KeyReport(named, TODAY, None, facts, {})
        where = (host or self.laptop).host
        await self.store.take_reports([a_report(key, sequence=self._sequence, host=where)])

    async def prove(
        self, key: VirtualYubiKey, named: KeyIdentity = PLAIN, host: Identity | None = None
    ) -> str:
        """Have a key prove itself as the agent does it. RelayError."""
        identity = host or self.laptop

        def talk() -> str:
            client = Client(parse_server_url(self.url), "", "tests")
            try:
                signing = KeySigning(
                    ServerVoice(identity, client),
                    identity.host,
                    lambda _reader, rules: DirectCard(key, rules),
                    self.clock.monotonic,
                )
                return signing.prove(Wanted("a reader", key.identity.serial or 0, named))
            finally:
                client.close()

        return await asyncio.to_thread(talk)

    async def say(
        self, path: str, context: bytes, value: dict[str, Any], host: Identity | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Say whatever one likes, signed by a host. RefusedError."""

        def talk() -> Any:  # noqa: ANN401 - JSON
            client = Client(parse_server_url(self.url), "", "tests")
            try:
                return ServerVoice(host or self.laptop, client).ask(path, context, value)
            finally:
                client.close()

        return await asyncio.to_thread(talk)

    async def challenge(
        self, host: Identity | None = None, named: KeyIdentity = PLAIN
    ) -> Challenge:
        asked = {"key": key_name(named), "id": secrets.token_hex(16)}
        told = await self.say(CHALLENGES, CHALLENGE_CONTEXT, asked, host)
        nonce = base64.b64decode(told["nonce"])
        return Challenge(SERVER.public_key, (host or self.laptop).host, nonce, key_name(named))

    async def send(
        self, signed: Signed, challenge: Challenge, host: Identity | None = None, **changes: str
    ) -> Any:  # noqa: ANN401 - JSON
        value = {
            "key": challenge.key,
            "nonce": text(challenge.nonce),
            "attestation": text(signed.attestation),
            "f9": text(signed.f9),
            "signature": text(signed.signature),
        }
        return await self.say(SIGNATURES, SIGNATURE_CONTEXT, value | changes, host)

    async def why(
        self, signed: Signed, challenge: Challenge, host: Identity | None = None, **changes: str
    ) -> str:
        """Return the code of the refusal, which was counted, and after which nothing is kept."""
        with pytest.raises(RefusedError) as refused:
            await self.send(signed, challenge, host, **changes)
        assert self.reception.outcomes[refused.value.code]
        assert await self.proven() == set()
        return refused.value.code

    async def proven(self, key_id: str = f"serial:{SERIAL}") -> set[str]:
        found = await self.store.fleet_key(key_id)
        if found is None:
            return set()
        facts = found.key.facts.items()
        return {name for name, fact in facts if fact.trust is Trust.KEY_SIGNED}


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def signed_by(key: VirtualYubiKey, challenge: Challenge) -> Signed:
    card = DirectCard(key, for_signing(challenge))
    return ask_key(Talk(card, lambda: 0.0, 1.0), challenge, key.identity.serial or 0)


@pytest.fixture
async def house(open_door: OpenDoor) -> AsyncIterator[House]:
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    reception = Reception(store, FleetPolicy(SERIAL_KEY, server_key=SERVER.public_key))

    async def roots() -> AttestationBundle:
        return bundle_of(MAKER)

    work = KeySigned(
        store,
        Nonces(clock.monotonic, secrets.token_bytes),
        roots,
        server_key=SERVER.public_key,
        serial_key=SERIAL_KEY,
        clock=clock,
        counted=reception.outcomes,
    )
    dialogues = [
        Dialogue(CHALLENGES, CHALLENGE_CONTEXT, work.challenge),
        Dialogue(SIGNATURES, SIGNATURE_CONTEXT, work.signature),
    ]
    proofs = ProofDoor(reception, SERVER, dialogues)
    door = await open_door(FleetDoor(reception, SERVER, proofs.handlers()).app())
    made = House(f"http://{door.host}:{door.port}", store, reception, clock)
    await made.enrol()
    yield made
    await reception.close()


@pytest.mark.parametrize("named", [PLAIN, HASHED])
async def test_a_key_proves_itself_by_serial_or_by_hash(house: House, named: KeyIdentity) -> None:
    await house.report(named)
    assert await house.prove(a_provisioned_key(maker=MAKER), named) == "key-signed"
    assert await house.proven(key_name(named)) == {
        "device.firmware",
        "device.form_factor",
        "device.fips_series",
        "device.security_key_series",
    }


async def test_older_keys_end_in_the_older_root(house: House) -> None:
    await house.report(PLAIN, firmware="5.4.3")
    key = a_provisioned_key(yubikey_5_nfc(SERIAL), maker=MAKER)
    assert await house.prove(key) == "key-signed"
    # What is in the slot as well: before firmware 5.7 no key leaves it for another one.
    assert await house.proven() >= {
        f"piv.slot.9e.{one}" for one in ("algorithm", "origin", "pin_policy", "touch_policy")
    }


async def test_a_key_that_was_moved_out_of_the_slot_proves_nothing_of_the_slot(
    house: House,
) -> None:
    """Firmware 5.7: the attestation was made before, and the signature is by another slot's key."""
    await house.report(PLAIN)
    key = a_provisioned_key(maker=MAKER)
    before = signed_by(key, await house.challenge())
    moved = key.piv.state.keys.pop(0x9E).private
    assert isinstance(moved, ec.EllipticCurvePrivateKey)
    challenge = await house.challenge()
    signature = moved.sign(challenge.digest(), ec.ECDSA(Prehashed(hashes.SHA256())))
    told = await house.send(before._replace(signature=signature), challenge)
    assert told == {"trust": "key-signed"}
    assert not {one for one in await house.proven() if one.startswith("piv.")}


async def test_a_host_that_reported_otherwise_is_caught_and_shown(house: House) -> None:
    await house.report(PLAIN, house.other, firmware="5.4.3")
    await house.report(PLAIN)
    await house.prove(a_provisioned_key(maker=MAKER))
    found = await house.store.fleet_key(f"serial:{SERIAL}")
    assert found is not None
    assert found.key.facts["device.firmware"].value == "5.7.4"
    assert found.key.altered == ("device.firmware",)
    hosts = {host.name: host.altered for host in await house.store.list_hosts("", 10)}
    assert hosts == {"laptop": 0, "other": 1}


async def test_a_proof_counts_once(house: House) -> None:
    await house.report(PLAIN)
    challenge = await house.challenge()
    signed = signed_by(a_provisioned_key(maker=MAKER), challenge)
    assert await house.send(signed, challenge) == {"trust": "key-signed"}
    with pytest.raises(RefusedError, match="nonce-used"):
        await house.send(signed, challenge)
    counted = house.reception.outcomes
    assert (counted["challenge"], counted["key-signed"], counted["nonce-used"]) == (1, 1, 1)


async def test_a_proof_for_another_host_or_an_ended_one_counts_never(house: House) -> None:
    await house.report(PLAIN)
    await house.report(PLAIN, house.other)
    key = a_provisioned_key(maker=MAKER)
    theirs = await house.challenge(house.other)
    assert await house.why(signed_by(key, theirs), theirs) == "nonce-foreign"
    # The same nonce, asked for by this host, with what the key signed for the other one.
    mine = await house.challenge()
    assert await house.why(signed_by(key, theirs), mine) == "signature"
    late = await house.challenge()
    signed = signed_by(key, late)
    house.clock.pass_by(LIFETIME_S)
    assert await house.why(signed, late) == "nonce-expired"


async def test_a_nonce_of_ones_own_making_counts_never(house: House) -> None:
    await house.report(PLAIN)
    made_up = Challenge(SERVER.public_key, house.laptop.host, bytes(32), key_name(PLAIN))
    signed = signed_by(a_provisioned_key(maker=MAKER), made_up)
    assert await house.why(signed, made_up) == "nonce-unknown"


async def test_another_keys_proof_is_none_of_this_one(house: House) -> None:
    await house.report(PLAIN)
    other = a_provisioned_key(yubikey_5c_nfc(SERIAL + 1), maker=MAKER)
    challenge = await house.challenge()
    assert await house.why(signed_by(other, challenge), challenge) == "serial"


async def test_a_signature_of_another_key_under_an_honest_attestation_is_none(house: House) -> None:
    await house.report(PLAIN)
    honest, other = (
        a_provisioned_key(yubikey_5c_nfc(serial), maker=MAKER) for serial in (SERIAL, SERIAL + 1)
    )
    challenge = await house.challenge()
    mixed = signed_by(honest, challenge)._replace(signature=signed_by(other, challenge).signature)
    assert await house.why(mixed, challenge) == "signature"


async def test_an_altered_serial_breaks_the_attestation(house: House) -> None:
    named = KeyIdentity(serial=SERIAL + 1)
    await house.report(named)
    challenge = await house.challenge(named=named)
    signed = signed_by(a_provisioned_key(maker=MAKER), challenge)
    told, wanted = (number.to_bytes(4, "big") for number in (SERIAL, SERIAL + 1))
    assert told in signed.attestation
    forged = signed._replace(attestation=signed.attestation.replace(told, wanted))
    assert await house.why(forged, challenge) == "chain"


async def test_a_key_that_nobody_reported_cannot_be_brought_in_by_a_proof(house: House) -> None:
    with pytest.raises(RelayError, match="unknown-key"):
        await house.prove(a_provisioned_key(maker=MAKER))
    await house.report(PLAIN, house.other)
    with pytest.raises(RelayError, match="unknown-key"):
        await house.prove(a_provisioned_key(maker=MAKER))


async def test_an_erased_host_proves_nothing_more(house: House) -> None:
    await house.report(PLAIN)
    await house.report(PLAIN, house.other)
    await house.store.erase_host(house.laptop.host, act=ACT)
    with pytest.raises(RelayError, match=r"erased|unknown-key"):
        await house.prove(a_provisioned_key(maker=MAKER))


async def test_who_did_not_enrol_gets_no_nonce(house: House) -> None:
    stranger = Identity.fresh(house.url, "stranger", "").agreed(house.laptop.policy)
    with pytest.raises(RefusedError, match="unknown-host"):
        await house.challenge(stranger)
    thief = replace(house.laptop, secret=stranger.secret)
    with pytest.raises(RefusedError, match="bad-signature"):
        await house.challenge(thief)
    with pytest.raises(RefusedError, match="bad-signature"):
        await house.say(CHALLENGES, SIGNATURE_CONTEXT, {"key": key_name(PLAIN), "id": ""})


async def test_one_host_cannot_have_nonces_without_end(house: House) -> None:
    for _ in range(MAX_OF_HOST):
        await house.challenge()
    with pytest.raises(RefusedError, match="too-many-nonces"):
        await house.challenge()


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "AAAA"},
        {"nonce": "?"},
        {"attestation": "AAAA"},
        {"f9": ""},
        {"signature": "A" * 200},
        {"key": "kind:" + "0" * 64},
        {"more": "than asked"},
    ],
)
async def test_nonsense_is_refused_as_nonsense(house: House, changes: dict[str, str]) -> None:
    await house.report(PLAIN)
    challenge = await house.challenge()
    signed = signed_by(a_provisioned_key(maker=MAKER), challenge)
    assert await house.why(signed, challenge, None, **changes) in {"malformed", "malformed-proof"}


@pytest.mark.parametrize(
    "key", ["serial:\ud800", "serial:0", "serial:01", "serial:\u0661", "hash:" + "A" * 64, "hash:"]
)
async def test_what_names_no_key_gets_no_challenge(house: House, key: str) -> None:
    with pytest.raises(RefusedError, match="malformed"):
        await house.say(CHALLENGES, CHALLENGE_CONTEXT, {"key": key, "id": ""})


def _imported(key: VirtualYubiKey) -> None:
    held = key.piv.state.keys[0x9E]
    key.piv.state.keys[0x9E] = replace(held, private=generate(held.type), generated=False)


def _with_a_pin(key: VirtualYubiKey) -> None:
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.ONCE, TouchPolicy.NEVER)


def _with_a_touch(key: VirtualYubiKey) -> None:
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.ALWAYS)


def _empty(key: VirtualYubiKey) -> None:
    del key.piv.state.keys[0x9E]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_imported, "generated there"),
        (_empty, "generated there"),
        (_with_a_pin, "PIN or a touch"),
        (_with_a_touch, "PIN or a touch"),
    ],
)
async def test_the_agent_asks_no_signature_of_a_slot_that_is_none_of_this_use(
    house: House, spoil: Callable[[VirtualYubiKey], None], words: str
) -> None:
    await house.report(PLAIN)
    key = a_provisioned_key(maker=MAKER)
    spoil(key)
    with pytest.raises(RelayError, match=words):
        await house.prove(key)
    assert not any(sent[2:4] == "87" for sent in key.traffic.sent())
    assert await house.proven() == set()


async def test_the_agent_proves_nothing_to_another_server(house: House) -> None:
    await house.report(PLAIN)
    key = a_provisioned_key(maker=MAKER)
    elsewhere = ServerIdentity.generate().public_key
    policy = replace(house.laptop.policy, server_key=elsewhere)
    with pytest.raises(RelayError, match="not signed by the server"):
        await house.prove(key, host=replace(house.laptop, policy=policy))
    nobody = replace(house.laptop.policy, server_key=None)
    with pytest.raises(RelayError, match="does not know its server's key"):
        await house.prove(key, host=replace(house.laptop, policy=nobody))
    assert len(key.traffic) == 0


async def test_nothing_is_said_to_the_key_but_the_list_and_one_signature(house: House) -> None:
    await house.report(PLAIN)
    key = a_provisioned_key(maker=MAKER)
    await house.prove(key)
    headers = {sent[:8] for sent in key.traffic.sent()} - {"00C00000"}
    assert headers == {"00A40400", "001D0000", "00F99E00", "00CB3FFF", "0087119E"}
    assert sum(sent[2:4] == "87" for sent in key.traffic.sent()) == 1


def test_a_list_permits_one_signature_over_one_digest_and_no_other_use_of_the_slot() -> None:
    challenge = Challenge(SERVER.public_key, "ab" * 16, bytes(32), key_name(PLAIN))
    rules = for_signing(challenge)
    assert rules(sign(challenge)) == sign(challenge)
    other = challenge._replace(nonce=bytes(31) + b"\x01")
    for octets in (
        sign(challenge),
        sign(other),
        bytes.fromhex("0087119a") + sign(other)[4:],
        bytes.fromhex("0087149e") + sign(other)[4:],
        bytes.fromhex("00200080"),
        bytes.fromhex("00f99a0000"),
        bytes.fromhex("0047009e05ac0380010100"),
        b"",
    ):
        with pytest.raises(ForbiddenCommandError):
            rules(octets)
