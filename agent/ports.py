"""What the agent needs of the host: readers, cards in them, FIDO devices. Values only."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from agent.apdu import Answer


class PcscAwayError(Exception):
    """The PC/SC service is not there, or went away. The message is for people."""


class CardRemovedError(Exception):
    """The card was pulled out."""


class CardBusyError(Exception):
    """Another program holds the card for itself."""


class ReaderFailedError(Exception):
    """The reader or its driver failed. The message is for people."""


class NotPermittedError(Exception):
    """This user may not open the device."""


class ReaderState(NamedTuple):
    """A reader. raw: what PC/SC gave, to be handed back; atr: what the card greets with.

    present: a card is there; in_use: another program is connected to it; changes: counts
    insertions and removals, so that a card that was swapped unseen is noticed.
    """

    present: bool
    in_use: bool
    changes: int
    atr: bytes
    raw: int


class Readers(Protocol):
    """One connection with the PC/SC service. All raise PcscAwayError."""

    def look(self) -> Mapping[str, ReaderState]:
        """Return every reader as it is now, by name."""

    def wait(self, known: Mapping[str, ReaderState], timeout_s: float) -> bool:
        """Wait until something is not as known: a reader, a card, a program's connection.

        Returns whether something is said to be other than known.
        """

    def close(self) -> None:
        """Give the connection back."""


class Card(Protocol):
    """A card within a transaction."""

    def exchange(self, octets: bytes) -> Answer:
        """Say one thing. CardRemovedError, ReaderFailedError."""

    def close(self) -> None:
        """Reset the card, so that programs that share it notice, and let it go."""


class Cards(Protocol):
    """Opens cards."""

    def open(self, reader: str) -> Card:
        """Begin a transaction with the card in a reader.

        CardBusyError, CardRemovedError, ReaderFailedError, PcscAwayError.
        """


class FidoDevice(Protocol):
    """A FIDO device, opened."""

    def call(self, kind: int, message: bytes) -> bytes:
        """Say one thing. CardRemovedError, CardBusyError, ReaderFailedError."""

    def close(self) -> None:
        """Let it go."""


class FidoDevices(Protocol):
    """FIDO devices at this host, none of them opened by looking."""

    def paths(self) -> Sequence[str]:
        """Return those of Yubico's that are there."""

    def open(self, path: str) -> FidoDevice:
        """Open one. NotPermittedError, CardBusyError, ReaderFailedError, CardRemovedError."""
