"""Relaying for the enrolled server: what it has said, how long, and what a bad one achieves."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agent.apdu import MANAGEMENT, PIV, select
from agent.http_client import HttpAnswer, UnreachableError
from agent.relaying import RelayError, Relaying, Wanted
from agent.report import Identity
from agent.server_voice import RefusedError, WrongServerError
from agent.whitelist_channel import ChannelRules
from server.fleet.channel.card import CardAnswer
from server.fleet.channel.dialogue import Ask, Proven
from server.fleet.channel.steps import asked_for, done, read_step
from tests.agent.virtual_cards import VirtualCards
from tests.server.fleet.channel.lab import SERIAL, a_key, dialogue_about
from tests.virtual_yubikey.faults import pulled_after
from tests.virtual_yubikey.plug import Distortion
from tests.virtual_yubikey.yubikey import VirtualYubiKey

CHANNEL = "c" * 32
WANTED = Wanted("reader", SERIAL, Identity(serial=SERIAL))


class Time:
    """A monotonic clock that answers of a server move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class HonestServer:
    """The server's dialogue, without the network. takes_s: how long each answer of it takes."""

    def __init__(self, key: VirtualYubiKey, time: Time, takes_s: float = 0.0) -> None:
        self.dialogue = dialogue_about(SERIAL, key.manufacturer)
        self.time = time
        self.takes_s = takes_s
        self.within: list[float] = []
        self.held: list[bool] = []
        self.cards: VirtualCards | None = None

    def ask(
        self, path: str, context: bytes, value: Mapping[str, Any], within_s: float
    ) -> Mapping[str, Any]:
        assert path == "/fleet/v1/channels"
        assert context == b"keystead-agent-channel-v1\x00"
        self.within.append(within_s)
        if self.cards is not None:
            self.held.append(self.cards.opened > self.cards.closed)
        self.time.now += self.takes_s
        told = read_step({"format": 1, "host": "0" * 32, **value})
        if told.channel is None:
            return asked_for(CHANNEL, 1, self.dialogue.begin())
        step = self.dialogue.take(told.answers)
        if isinstance(step, Ask):
            return asked_for(CHANNEL, told.step + 1, step)
        assert isinstance(step, Proven), step
        return done(CHANNEL, step.trust)


class Says:
    """A server that says what a test has it say, in order."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def ask(
        self, path: str, context: bytes, value: Mapping[str, Any], within_s: float
    ) -> Mapping[str, Any]:
        del path, context, value, within_s
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer


def commands(*octets: bytes, step: int = 1, **more: object) -> dict[str, Any]:
    told = [base64.b64encode(one).decode() for one in octets]
    return {"channel": CHANNEL, "step": step, "commands": told, "last": False, **more}


def relaying(
    key: VirtualYubiKey,
    server: HonestServer | Says,
    time: Callable[[], float] | None = None,
    distortion: Distortion = lambda _command, answer: answer,
) -> tuple[Relaying, VirtualCards]:
    cards = VirtualCards(key, lambda: ChannelRules().permit, distortion)
    return Relaying(cards, server, time or Time()), cards


def test_the_server_reads_the_key_and_the_key_is_let_go_before_the_last_word() -> None:
    key, time = a_key(), Time()
    server = HonestServer(key, time)
    relay, server.cards = relaying(key, server, time)
    assert relay.relay(WANTED) == "key-channel"
    assert server.held == [False, True, True, False]
    assert (server.cards.opened, server.cards.closed) == (1, 1)


def test_nothing_but_the_class_of_a_channel_reaches_the_key() -> None:
    key, time = a_key(), Time()
    relay, _cards = relaying(key, HonestServer(key, time), time)
    relay.relay(WANTED)
    rules = ChannelRules()
    assert len(key.traffic) > 20
    for exchange in key.traffic:
        rules.permit(exchange.sent)


def test_key_and_server_together_have_one_deadline() -> None:
    key, time = a_key(), Time()
    server = HonestServer(key, time, takes_s=2.0)
    relay, cards = relaying(key, server, time)
    assert relay.relay(WANTED) == "key-channel"
    assert server.within[1:3] == [5.0, 3.0]
    slow = HonestServer(a_key(), time, takes_s=3.0)
    relay, cards = relaying(a_key(), slow, time)
    with pytest.raises(RelayError, match="longer than a key may be held"):
        relay.relay(WANTED)
    assert cards.closed == 1


@pytest.mark.parametrize("after", [0, 3, 9, 14, 20])
def test_a_key_that_is_pulled_out_is_let_go(after: int) -> None:
    key, time = a_key(), Time()
    server = HonestServer(key, time)
    relay, cards = relaying(key, server, time, pulled_after(after))
    with pytest.raises(RelayError, match="could not be asked"):
        relay.relay(WANTED)
    assert (cards.opened, cards.closed) == (1, 1)


def test_another_key_that_took_its_place_is_not_relayed_to() -> None:
    other = a_key(SERIAL + 1)
    relay, _cards = relaying(other, Says(commands(select(PIV))))
    with pytest.raises(RelayError, match="another key"):
        relay.relay(WANTED)
    assert [one.sent for one in other.traffic][1:] == [bytes.fromhex("001d000000")]


@pytest.mark.parametrize(
    "command",
    [
        bytes.fromhex("0020008008313233343536ffff00"),  # VERIFY
        bytes.fromhex("00fb000000"),  # RESET
        bytes.fromhex("00a4040007a0000005272101"),  # OATH
        bytes.fromhex("001c000000"),
    ],
)
def test_a_server_that_asks_for_more_gets_nothing(command: bytes) -> None:
    key = a_key()
    relay, cards = relaying(key, Says(commands(select(MANAGEMENT), command)))
    with pytest.raises(RelayError, match="says to none"):
        relay.relay(WANTED)
    assert command not in [one.sent for one in key.traffic]
    assert cards.closed == 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"channel": CHANNEL},
        {"channel": CHANNEL, "step": 1, "commands": []},
        {"channel": CHANNEL, "step": 1, "commands": ["AKQE"]},
        {"channel": CHANNEL, "step": 1, "commands": ["#"]},
        {"channel": CHANNEL, "step": 1, "commands": [5]},
        {"channel": CHANNEL, "step": 1, "commands": ["AKQEAAA="] * 17},
        {"channel": 5, "step": 1, "commands": ["AKQEAAA="]},
        {"channel": CHANNEL, "step": True, "commands": ["AKQEAAA="]},
        WrongServerError("signed by nobody"),
        UnreachableError("no answer"),
        RefusedError(HttpAnswer(403, None, {"code": "altered"})),
    ],
)
def test_a_server_that_makes_no_sense_or_is_another_one_gets_no_key(answer: object) -> None:
    key = a_key()
    relay, cards = relaying(key, Says(answer))
    with pytest.raises(RelayError):
        relay.relay(WANTED)
    assert cards.opened == 0
    assert len(key.traffic) == 0


@pytest.mark.parametrize(
    "second",
    [
        commands(select(PIV), step=3),
        commands(select(PIV), step=2, channel="d" * 32),
        {"channel": "d" * 32, "done": True, "trust": "key-channel"},
        WrongServerError("signed by nobody"),
    ],
)
def test_a_second_word_that_is_not_of_this_channel_ends_it(second: object) -> None:
    relay, cards = relaying(a_key(), Says(commands(select(PIV)), second))
    with pytest.raises(RelayError):
        relay.relay(WANTED)
    assert cards.closed == 1


def test_a_server_that_asks_without_an_end_is_left() -> None:
    steps = [commands(select(PIV), step=step) for step in range(1, 20)]
    relay, cards = relaying(a_key(), Says(*steps))
    with pytest.raises(RelayError, match="without an end"):
        relay.relay(WANTED)
    assert cards.closed == 1
    last = commands(select(PIV), last=True)
    relay, cards = relaying(a_key(), Says(last, commands(select(PIV), step=2)))
    with pytest.raises(RelayError, match="called the last"):
        relay.relay(WANTED)
    assert cards.closed == 1


def test_an_answer_is_whole_when_it_came_in_parts() -> None:
    key = a_key()
    seen: list[CardAnswer] = []

    class Notes(HonestServer):
        def ask(
            self, path: str, context: bytes, value: Mapping[str, Any], within_s: float
        ) -> Mapping[str, Any]:
            seen.extend(CardAnswer.parse(base64.b64decode(one)) for one in value["answers"])
            return super().ask(path, context, value, within_s)

    time = Time()
    relay, _cards = relaying(key, Notes(key, time), time)
    relay.relay(WANTED)
    assert max(len(one.data) for one in seen) > 256
    assert not any(one.status >> 8 == 0x61 for one in seen)
