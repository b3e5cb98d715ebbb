"""What the card needs of each application on it."""

from typing import Protocol

from tests.virtual_yubikey.apdu import Command, Response
from tests.virtual_yubikey.identity import Capability


class Applet(Protocol):
    """One application.

    name: as the log calls it. aid: its whole application identifier; a client may select by its
    beginning. capability: what Management switches it off by, None for what is always there.
    continues: the instruction that asks for the rest of a long response.
    """

    name: str
    aid: bytes
    capability: Capability | None
    continues: int

    def select(self) -> Response:
        """Answer the selection; raises Refused."""
        ...

    def answer(self, command: Command) -> Response:
        """Carry out a command; raises Refused, BadTlv."""
        ...

    def leave(self) -> None:
        """Forget who was verified: another application was selected, or power was lost."""
        ...
