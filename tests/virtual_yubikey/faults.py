"""What goes wrong: distortions of answers for `Plug`, and a card that is no YubiKey."""

import itertools
import random

from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.plug import Distortion
from tests.virtual_yubikey.traffic import Exchange, Traffic


def garbage(seed: int, most: int = 300) -> Distortion:
    """Answer with bytes that mean nothing, the same for the same seed."""
    source = random.Random(seed)  # noqa: S311 - reproducible noise, no secret

    def distorted(command: bytes, answer: bytes) -> bytes:
        del command, answer
        return source.randbytes(source.randint(2, most))

    return distorted


def cut_short(to: int) -> Distortion:
    """Let only the first bytes of an answer through, and none of its status."""
    return lambda _, answer: answer[:to] if len(answer) > to else answer


def altered(instruction: int, mask: int = 0x01) -> Distortion:
    """Change the first byte of the answers to an instruction, as a lying host does."""

    def distorted(command: bytes, answer: bytes) -> bytes:
        if command[1] != instruction or len(answer) < 3:
            return answer
        return bytes((answer[0] ^ mask,)) + answer[1:]

    return distorted


def pulled_after(commands: int) -> Distortion:
    """Pull the key when so many commands were answered; the next gets no answer."""
    count = itertools.count()
    return lambda _, answer: answer if next(count) < commands else None


class OtherCard:
    """A card that is no YubiKey: it has an application of its own, and none of ours."""

    _ATR = bytes.fromhex("3B6500002063CB6800")

    def __init__(self) -> None:
        self.traffic = Traffic()

    def atr(self, transport: Transport) -> bytes:
        """Return what such cards answer to a reset."""
        del transport
        return self._ATR

    def power(self, transport: Transport) -> None:
        """Begin anew; nothing was kept."""

    def reset(self, transport: Transport) -> None:
        """Begin anew; nothing was kept."""

    def transceive(self, raw: bytes) -> bytes:
        """Know no application of those that are asked for, and no command without one."""
        selects = raw[:4] == bytes.fromhex("00A40400")
        answer = bytes.fromhex("6A82" if selects else "6D00")
        self.traffic.note(Exchange(raw, answer, ""))
        return answer
