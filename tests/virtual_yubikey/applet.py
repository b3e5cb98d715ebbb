"""What the card needs of each application on it."""

from typing import Protocol

from tests.virtual_yubikey.apdu import Command, Response
from tests.virtual_yubikey.identity import Capability, Transport


class Applet(Protocol):
    """One application.

    name: as the log calls it. aid: its whole application identifier; a client may select by its
    beginning. capability: what Management switches it off by, None for what is always there.
    only: the one transport on which it is there, None for both.
    continues: the instruction that asks for the rest of a long response.
    """

    @property
    def name(self) -> str: ...
    @property
    def aid(self) -> bytes: ...
    @property
    def capability(self) -> Capability | None: ...
    @property
    def continues(self) -> int: ...
    @property
    def only(self) -> Transport | None: ...

    def select(self) -> Response:
        """Answer the selection; raises Refused."""
        ...

    def answer(self, command: Command) -> Response:
        """Carry out a command; raises Refused, BadTlv."""
        ...

    def leave(self) -> None:
        """Forget who was verified: another application was selected, or power was lost."""
        ...
