"""The dialogues under way: one of a host, few at once, in order, in time, and what they leave."""

import base64
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.report import Identity, Value, serial_hash
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.channel.channels import LIFETIME_S, PENALTY_S, Channels
from server.fleet.channel.steps import read_step
from server.fleet.enrolment import Asked, digest_of
from server.fleet.pace import TooFastError
from server.fleet.proof import ProofRefusedError
from server.fleet.reception import BusyError
from server.fleet.trust import Trust
from server.journal.canonical import MalformedError
from server.otp.ports import StoreUnavailableError
from tests.server.acts import ACT
from tests.server.fleet.channel.lab import SERIAL, a_key, talk
from tests.server.fleet.reports import HEALTHY, HOST, a_report
from tests.server.fleet.reports import a_key as a_report_of
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT
from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.manufacturer import issue, name
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SERIAL_KEY = bytes(range(32))
KEY_ID = f"serial:{SERIAL}"


class Laptop:
    """A host that relays to one key. It says what it is told to, unless a test changes that."""

    def __init__(self, channels: Channels, key: VirtualYubiKey, host: str = HOST) -> None:
        self.channels = channels
        self.key = key
        self.host = host
        self.named: dict[str, Any] = {"serial": key.identity.serial}
        self.last: dict[str, Any] = {}

    async def begin(self) -> Mapping[str, Any]:
        self.key.power(Transport.USB)
        return await self.say(channel=None, step=0, answers=[])

    async def say(self, **members: object) -> Mapping[str, Any]:
        self.last = {"format": 1, "host": self.host, "id": "0" * 32, "key": self.named, **members}
        return await self.channels.step(self.host, self.last)

    def ask_key(self, told: Mapping[str, Any]) -> list[str]:
        commands = [base64.b64decode(one) for one in told["commands"]]
        return [base64.b64encode(talk(self.key, one)).decode() for one in commands]

    async def go_on(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        answers = self.ask_key(told)
        return await self.say(channel=told["channel"], step=told["step"], answers=answers)

    async def relay(self) -> Mapping[str, Any]:
        told = await self.begin()
        while not told.get("done"):
            told = await self.go_on(told)
        return told


class Bench:
    """A store with an enrolled host that reported a key, and the room."""

    def __init__(self, at_once: int = 64) -> None:
        self.clock = StillClock()
        self.store = MemoryStore(clock=self.clock, default_policy=DEFAULT)
        self.counted: Counter[str] = Counter()
        self.key = a_key()
        maker = self.key.manufacturer
        self.bundle = AttestationBundle(
            1, a_report().day, tuple(maker.roots), tuple(maker.intermediates)
        )
        self.channels = Channels(
            self.store,
            self.current,
            SERIAL_KEY,
            clock=self.clock,
            counted=self.counted,
            at_once=at_once,
        )
        self.laptop = Laptop(self.channels, self.key)

    async def current(self) -> AttestationBundle:
        return self.bundle

    async def enrol(self, host: str = HOST, name: str = "laptop-17") -> None:
        token = f"kst_host_{host}"
        await self.store.add_enrolment_token(
            name, digest_of(token), lifetime_us=10**12, replaces=False, act=ACT
        )
        await self.store.enrol(Asked(token, host, name, bytes(32), "linux", "0.1.0"))

    async def report(self, host: str = HOST, sequence: int = 1, **facts: Value) -> None:
        report = a_report(a_report_of(HEALTHY | facts, serial=SERIAL), host=host, sequence=sequence)
        await self.store.take_reports([report])

    async def facts(self) -> Mapping[str, Any]:
        found = await self.store.fleet_key(KEY_ID)
        assert found is not None
        return found.key.facts

    async def altered(self, host: str = HOST) -> int:
        found = await self.store.fleet_host(host)
        assert found is not None
        return found.altered


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.enrol()
    await made.report()
    return made


async def test_what_the_key_said_is_kept_with_its_level_and_outweighs_the_host(
    bench: Bench,
) -> None:
    told = await bench.laptop.relay()
    assert told == {"channel": told["channel"], "done": True, "trust": "key-channel"}
    facts = await bench.facts()
    assert facts["piv.pin.default"].value is True
    assert facts["piv.pin.default"].trust is Trust.KEY_CHANNEL
    assert facts["device.form_factor"].value == "usb-c-keychain"
    assert facts["fido.pin_set"].trust is Trust.HOST_SIGNED
    assert bench.counted == {"channel-key-channel": 1}
    # The host had said that it is a nano: it is named.
    assert await bench.altered() == 1


async def test_a_serial_number_without_an_end_is_none_and_no_fault_of_ours(bench: Bench) -> None:
    signer = bench.key.manufacturer.security_domain
    public = bench.key.security_domain.state.private.public_key()
    endless = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.41482.7.2"), b"\x02\x82\x07\xd0" + b"\x7f" * 2000
    )
    leaf = issue(name("a"), public, signer.certificate.subject, signer.key, told=[endless])
    bench.key.security_domain.chain = [leaf]
    bench.laptop.named = {"serial_hash": serial_hash(SERIAL_KEY, SERIAL)}
    with pytest.raises(ProofRefusedError) as refused:
        await bench.laptop.relay()
    assert refused.value.code == "garbage"


async def test_a_hashed_serial_number_is_compared_too(bench: Bench) -> None:
    hashed = serial_hash(SERIAL_KEY, SERIAL)
    identity = Identity(serial_hash=hashed)
    known = a_report_of(serial=SERIAL)._replace(identity=identity)
    await bench.store.take_reports([a_report(known, sequence=2)])
    bench.laptop.named = {"serial_hash": hashed}
    assert (await bench.laptop.relay())["trust"] == "key-channel"
    found = await bench.store.fleet_key(f"hash:{hashed}")
    assert found is not None
    assert found.key.serial is None
    assert found.key.facts["piv.pin.default"].trust is Trust.KEY_CHANNEL
    bench.laptop.named = {"serial_hash": serial_hash(SERIAL_KEY, SERIAL + 1)}
    with pytest.raises(ProofRefusedError) as refused:
        await bench.laptop.relay()
    assert refused.value.code == "another-key"


async def test_an_altered_answer_leaves_nothing_but_a_count_and_a_fact(bench: Bench) -> None:
    before = await bench.facts()
    told = await bench.laptop.go_on(await bench.laptop.begin())
    answers = bench.laptop.ask_key(told)
    octets = bytearray(base64.b64decode(answers[0]))
    octets[3] ^= 1
    answers[0] = base64.b64encode(octets).decode()
    with pytest.raises(ProofRefusedError, match="counted against this host") as refused:
        await bench.laptop.say(channel=told["channel"], step=told["step"], answers=answers)
    assert refused.value.code == "altered"
    assert await bench.facts() == before
    assert await bench.altered() == 1
    assert bench.store.told_of_hosts == [
        {
            "kind": "fleet.host-altered",
            "host": HOST,
            "key": KEY_ID,
            "facts": "",
            "channel": "altered",
        }
    ]
    # It is over: what comes after is no part of it, and counts nothing again.
    with pytest.raises(ProofRefusedError) as over:
        await bench.channels.step(HOST, bench.laptop.last)
    assert over.value.code == "channel-over"
    assert await bench.altered() == 1


async def test_who_altered_an_answer_waits_before_the_next_and_others_do_not(bench: Bench) -> None:
    bench.laptop.key = a_key(SERIAL + 1)
    for count in (1, 2):
        with pytest.raises(ProofRefusedError):
            await bench.laptop.relay()
        assert await bench.altered() == count
        for _ in range(3):
            with pytest.raises(TooFastError):
                await bench.laptop.begin()
        assert len(bench.store.told_of_hosts) == count
        await Laptop(bench.channels, bench.key, "bb" * 16).begin()
        bench.clock.pass_by(PENALTY_S)


async def test_a_host_that_relays_to_another_key_is_counted(bench: Bench) -> None:
    bench.laptop.key = a_key(SERIAL + 1)
    with pytest.raises(ProofRefusedError) as refused:
        await bench.laptop.relay()
    assert refused.value.code == "another-key"
    assert await bench.altered() == 1


async def test_a_key_that_this_host_never_reported_is_not_proved_by_it(bench: Bench) -> None:
    other = "aa" * 16
    await bench.enrol(other, "laptop-18")
    with pytest.raises(ProofRefusedError) as refused:
        await Laptop(bench.channels, bench.key, other).relay()
    assert refused.value.code == "unknown-key"


async def test_a_step_that_is_repeated_gets_the_same_answer(bench: Bench) -> None:
    told = await bench.laptop.begin()
    while not told.get("done"):
        answers = bench.laptop.ask_key(told)
        again = {"channel": told["channel"], "step": told["step"], "answers": answers}
        told = await bench.laptop.say(**again)
        assert await bench.laptop.say(**again) == told
    assert bench.counted == {"channel-key-channel": 1}


@pytest.mark.parametrize("change", [{"step": 2}, {"step": 3}, {"answers": []}])
async def test_a_step_out_of_order_ends_the_dialogue(bench: Bench, change: dict[str, Any]) -> None:
    told = await bench.laptop.begin()
    answers = bench.laptop.ask_key(told)
    said = {"channel": told["channel"], "step": told["step"], "answers": answers}
    with pytest.raises(MalformedError):
        await bench.laptop.say(**(said | change))
    with pytest.raises(ProofRefusedError) as over:
        await bench.laptop.say(**said)
    assert over.value.code == "channel-over"


async def test_the_key_is_named_once_for_all(bench: Bench) -> None:
    told = await bench.laptop.begin()
    bench.laptop.named = {"serial": SERIAL + 1}
    with pytest.raises(MalformedError):
        await bench.laptop.go_on(told)


async def test_another_host_does_not_go_on_with_it(bench: Bench) -> None:
    told = await bench.laptop.begin()
    with pytest.raises(ProofRefusedError) as refused:
        await Laptop(bench.channels, bench.key, "bb" * 16).go_on(told)
    assert refused.value.code == "channel-over"
    assert (await bench.laptop.go_on(told))["step"] == 2


async def test_a_host_has_one_and_beginning_another_ends_it(bench: Bench) -> None:
    first = await bench.laptop.begin()
    second = await bench.laptop.begin()
    assert first["channel"] != second["channel"]
    with pytest.raises(ProofRefusedError):
        await bench.laptop.say(channel=first["channel"], step=1, answers=[])
    assert (await bench.laptop.go_on(second))["step"] == 2


async def test_one_that_takes_too_long_is_forgotten(bench: Bench) -> None:
    told = await bench.laptop.begin()
    bench.clock.pass_by(LIFETIME_S - 1)
    told = await bench.laptop.go_on(told)
    bench.clock.pass_by(2)
    with pytest.raises(ProofRefusedError) as refused:
        await bench.laptop.go_on(told)
    assert refused.value.code == "channel-over"
    assert not bench.channels._running


async def test_there_are_only_so_many_at_once() -> None:
    bench = Bench(at_once=2)
    hosts = [Laptop(bench.channels, bench.key, f"{number:032x}") for number in range(3)]
    for host in hosts[:2]:
        await host.begin()
    with pytest.raises(BusyError):
        await hosts[2].begin()
    bench.clock.pass_by(LIFETIME_S + 1)
    await hosts[2].begin()


async def test_one_that_is_over_takes_no_place(bench: Bench) -> None:
    small = Bench(at_once=1)
    await small.enrol()
    await small.report()
    for _ in range(3):
        assert (await small.laptop.relay())["trust"] == "key-channel"
    assert not small.channels._running
    await Laptop(small.channels, bench.key, "bb" * 16).begin()


async def test_a_store_that_is_away_ends_it_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_proof: object) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "prove", away)
        with pytest.raises(StoreUnavailableError):
            await bench.laptop.relay()
    assert not bench.channels._running
    assert (await bench.facts())["device.firmware"].trust is Trust.HOST_SIGNED
    assert (await bench.laptop.relay())["trust"] == "key-channel"


async def test_an_unproven_chain_is_shown_and_outweighs_nobody(bench: Bench) -> None:
    from dataclasses import replace  # noqa: PLC0415 - for this one

    from tests.virtual_yubikey.identity import Firmware  # noqa: PLC0415

    assert bench.key.security_domain.chain
    bench.key.management.identity = replace(bench.key.identity, firmware=Firmware(5, 7, 3))
    assert (await bench.laptop.relay())["trust"] == "unproven"
    facts = await bench.facts()
    assert facts["device.firmware"].value == "5.7.4"  # as the host said, and no contradiction
    assert facts["piv.puk.default"].trust is Trust.UNPROVEN
    assert bench.counted == {"channel-unproven": 1}


async def test_answers_before_a_question_are_refused(bench: Bench) -> None:
    with pytest.raises(MalformedError):
        await bench.laptop.say(channel=None, step=0, answers=["kAA="])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
members = st.sampled_from(["channel", "step", "key", "answers", "id", "more"])


@settings(max_examples=50)
@given(st.dictionaries(members, values, max_size=4))
def test_whatever_a_host_says_is_a_step_or_malformed(changes: dict[str, Any]) -> None:
    said: dict[str, Any] = {
        "format": 1,
        "host": HOST,
        "id": "0" * 32,
        "channel": "0" * 32,
        "step": 1,
        "key": {"serial": SERIAL},
        "answers": ["kAA="],
    }
    try:
        told = read_step(said | changes)
    except MalformedError:
        return
    assert len(told.answers) <= 16
    assert (told.channel is None) is (told.step == 0)


@pytest.mark.parametrize(
    "change",
    [
        {"answers": ["kAA="] * 17},
        {"answers": [base64.b64encode(bytes(4097)).decode()]},
        {"answers": ["kA=="]},
        {"answers": ["#"]},
        {"answers": ["ä"]},
        {"key": {"kind": "0" * 64}},
        {"key": {"serial": SERIAL, "serial_hash": "0" * 64}},
        {"key": {"serial": 0}},
        {"key": {"serial_hash": "F" * 64}},
        {"channel": None},
        {"step": 0},
        {"step": True},
        {"step": 101},
        {"more": 1},
    ],
)
async def test_what_is_no_step_is_malformed(bench: Bench, change: dict[str, Any]) -> None:
    told = await bench.laptop.begin()
    said = {"channel": told["channel"], "step": 1, "answers": ["kAA="] * 5}
    with pytest.raises(MalformedError):
        await bench.laptop.say(**(said | change))
