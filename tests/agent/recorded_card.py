"""A card of recorded answers, on the far side of the seam, for faults that no key shows."""

from collections.abc import Callable, Mapping

from agent.apdu import NOT_FOUND, Answer, select
from agent.ports import Card
from agent.whitelist import permit

OK = 0x9000


class RecordedCard:
    """answers: by command; a SELECT that is not there says "not found", all else 6D00."""

    def __init__(
        self, answers: Mapping[bytes, Answer], fault: Callable[[bytes], None] = lambda _octets: None
    ) -> None:
        self._answers = answers
        self._fault = fault
        self.sent: list[bytes] = []
        self.closed = 0

    def exchange(self, octets: bytes) -> Answer:
        self.sent.append(permit(octets))
        self._fault(octets)
        otherwise = NOT_FOUND if octets[1] == 0xA4 else 0x6D00
        return self._answers.get(octets, Answer(b"", otherwise))

    def close(self) -> None:
        self.closed += 1


class OneCard:
    """Opens that card, in any reader. refusal: raised instead."""

    def __init__(self, card: RecordedCard, refusal: Exception | None = None) -> None:
        self._card = card
        self._refusal = refusal

    def open(self, reader: str) -> Card:  # noqa: ARG002 - the seam's
        if self._refusal is not None:
            raise self._refusal
        return self._card


def ok(data: str = "") -> Answer:
    """Return a good answer. data: in hexadecimal."""
    return Answer(bytes.fromhex(data), OK)


def selected(application: bytes, data: str = "") -> dict[bytes, Answer]:
    """Return the answer to SELECT."""
    return {select(application): ok(data)}
