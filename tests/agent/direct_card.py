"""A virtual key as the agent's card, in the same process, under the agent's rules: no reader."""

from collections.abc import Callable

from agent.apdu import Answer
from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.yubikey import VirtualYubiKey


class DirectCard:
    """Begins with power and ends with a reset, as at a reader."""

    def __init__(self, key: VirtualYubiKey, rules: Callable[[bytes], bytes]) -> None:
        self._key = key
        self._rules = rules
        key.power(Transport.USB)

    def exchange(self, octets: bytes) -> Answer:
        """Say one thing that the rules permit."""
        answer = self._key.transceive(self._rules(octets))
        return Answer(answer[:-2], int.from_bytes(answer[-2:], "big"))

    def close(self) -> None:
        """Let it go."""
        self._key.reset(Transport.USB)
