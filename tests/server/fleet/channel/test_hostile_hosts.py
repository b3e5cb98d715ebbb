"""Hosts that do whatever they like with what they relay: no fact comes of it that is not so."""

from collections.abc import Sequence
from enum import Enum, auto

from hypothesis import event, given, settings
from hypothesis import strategies as st

from server.fleet.channel.dialogue import Proven, Refusal, Refused
from server.fleet.trust import Trust
from tests.server.fleet.channel.lab import SERIAL, a_key, relayed, talk
from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.yubikey import VirtualYubiKey

KEY = a_key()
HONEST = relayed(KEY)
ERRORS = [bytes.fromhex(status) for status in ("6a80", "6982", "6d00", "6f00", "9000", "6282")]


class Trick(Enum):
    """What a host does with one answer."""

    KEEP = auto()
    DROP = auto()  # an error, or nothing, in its place
    REPEAT = auto()  # what another round or session had there
    SWAP = auto()  # what another command of the round got
    CHANGE = auto()
    CUT = auto()
    ASK_AGAIN = auto()  # the command is sent to the key twice


TRICKS = st.sampled_from([Trick.KEEP] * 40 + list(Trick))


class Host:
    """One that draws what it does. recorded: answers of an earlier session with the same key."""

    def __init__(self, key: VirtualYubiKey, data: st.DataObject, recorded: list[bytes]) -> None:
        self.key = key
        self.data = data
        self.recorded = recorded

    def __call__(
        self, _round: int, commands: Sequence[bytes], answers: Sequence[bytes]
    ) -> Sequence[bytes]:
        return [self.told(at, commands, answers) for at in range(len(answers))]

    def told(self, at: int, commands: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
        draw, answer = self.data.draw, answers[at]
        trick = draw(TRICKS)
        if trick is Trick.ASK_AGAIN:
            return talk(self.key, commands[at])
        if trick is Trick.CUT:
            return answer[: draw(st.integers(0, len(answer)))] + b"\x90\x00"
        if trick is Trick.CHANGE:
            changed = bytearray(answer)
            changed[draw(st.integers(0, len(changed) - 1))] ^= draw(st.integers(1, 255))
            return bytes(changed)
        others = {Trick.DROP: ERRORS, Trick.REPEAT: self.recorded, Trick.SWAP: list(answers)}
        return draw(st.sampled_from(others.get(trick, [answer])))


def recorded() -> list[bytes]:
    kept: list[bytes] = []

    def host(_round: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        kept.extend(answers)
        return answers

    relayed(KEY, host)
    return kept


EARLIER = recorded()


@settings(max_examples=100)
@given(st.data())
def test_whatever_a_host_does_what_is_proven_is_so(data: st.DataObject) -> None:
    assert isinstance(HONEST, Proven)
    result = relayed(KEY, Host(KEY, data, EARLIER))
    if isinstance(result, Proven):
        event("proven")
        assert result.facts.items() <= HONEST.facts.items()
        assert result.trust is Trust.KEY_CHANNEL
    else:
        event(result.why.value)


def test_one_key_for_what_it_is_and_another_for_its_pins_do_not_fit_together() -> None:
    first, second = a_key(), a_key()  # with the same number: only their secrets tell them apart
    second.piv.state.pin.left = 3
    opened = False

    def host(now: int, commands: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        nonlocal opened
        if now == 1:
            return answers
        if now == 2:
            opened = True
            second.power(Transport.USB)
            return [*answers[:3], talk(second, commands[3]), talk(second, commands[4])]
        return [talk(second, one) for one in commands]

    assert relayed(first, host) == Refused(Refusal.ALTERED)
    assert opened


def test_a_key_far_away_is_the_key_that_it_is() -> None:
    """Who relays from somewhere else relays all the same: it is that key, and its own word."""
    far = a_key(SERIAL)
    near = a_key(SERIAL)
    far.power(Transport.USB)

    def host(_now: int, commands: Sequence[bytes], _a: Sequence[bytes]) -> Sequence[bytes]:
        return [talk(far, one) for one in commands]

    far.piv.state.pin.left = 1
    proven = relayed(near, host)
    assert isinstance(proven, Proven)
    assert proven.facts["piv.pin.tries"] == 1
