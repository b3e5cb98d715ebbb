"""What was sent to a key and what it answered, in order: the record a test judges a client by."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.virtual_yubikey.apdu import SECURED, BadApdu, Command


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer, as they went over the wire.

    applet: the application that was selected when the command came, "" for none.
    """

    sent: bytes
    answered: bytes
    applet: str

    @property
    def command(self) -> Command | None:
        """What was sent, or None when it is no command."""
        try:
            return Command.parse(self.sent)
        except BadApdu:
            return None

    @property
    def status(self) -> int:
        """The status word of the answer; 0 when it had none."""
        return int.from_bytes(self.answered[-2:], "big") if len(self.answered) > 1 else 0

    @property
    def secured(self) -> bool:
        """Whether the command went through a secure channel."""
        command = self.command
        return command is not None and bool(command.cla & SECURED) and not command.cla & 0x40


class Traffic:
    """The log of one key; the thread that serves the key writes, tests read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges())

    def __len__(self) -> int:
        return len(self.exchanges())

    def note(self, exchange: Exchange) -> None:
        """Add one."""
        with self._lock:
            self._exchanges.append(exchange)

    def exchanges(self) -> tuple[Exchange, ...]:
        """Return all since the last `clear`."""
        with self._lock:
            return tuple(self._exchanges)

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._exchanges.clear()

    def sent(self) -> list[str]:
        """Return the commands in hexadecimal, for a message that a person reads."""
        return [exchange.sent.hex().upper() for exchange in self.exchanges()]
