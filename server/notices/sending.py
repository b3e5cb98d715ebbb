"""The seam to what sends: a message and a place in, what became of it out."""

import enum
from typing import NamedTuple, Protocol

from server.notices.message import Message


class Way(enum.StrEnum):
    """By which way somebody is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class Fate(enum.Enum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    """Whoever takes messages there said that they have it."""
    FAILED = "failed"
    """Not now; another attempt may succeed."""
    REFUSED = "refused"
    """Nor later: there is nothing to be told there, or it is not allowed."""


class Outcome(NamedTuple):
    """The fate of an attempt, and one line about it that can be shown: no secret, no body."""

    fate: Fate
    detail: str


class Sender(Protocol):
    """Tells somebody something. Never raises for what the other side does, and has a deadline."""

    async def send(self, place: str, name: str, message: Message) -> Outcome:
        """Send a message once. place: an address or a URL; name: who is told, as on the board."""
        ...
