"""Virtual keys at the agent's seam for cards, in this process: under rules, and with faults."""

from collections.abc import Callable

from agent.apdu import Answer
from agent.pcsc import Permit
from agent.ports import Card, CardRemovedError
from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.plug import Distortion
from tests.virtual_yubikey.yubikey import VirtualYubiKey


class VirtualCards:
    """One key in every reader. distortion: changes answers; None instead of one: it was pulled."""

    def __init__(
        self,
        key: VirtualYubiKey,
        rules: Callable[[], Permit],
        distortion: Distortion = lambda _command, answer: answer,
    ) -> None:
        self.key = key
        self.opened = 0
        self.closed = 0
        self._rules = rules
        self._distortion = distortion

    def open(self, reader: str) -> Card:
        del reader
        self.opened += 1
        self.key.power(Transport.USB)
        return _VirtualCard(self, self._rules(), self._distortion)


class _VirtualCard:
    def __init__(self, cards: VirtualCards, rules: Permit, distortion: Distortion) -> None:
        self._cards = cards
        self._permit = rules
        self._distortion = distortion

    def exchange(self, octets: bytes) -> Answer:
        answer = self._distortion(octets, self._cards.key.transceive(self._permit(octets)))
        if answer is None:
            raise CardRemovedError
        return Answer(answer[:-2], int.from_bytes(answer[-2:], "big"))

    def close(self) -> None:
        self._cards.closed += 1
        self._cards.key.reset(Transport.USB)
