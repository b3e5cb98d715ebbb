"""A program of somebody else at the PC/SC daemon: it holds a card, shared or for itself alone.

with PcscClient() as client, client.connect(daemon.reader(0)) as card:
    card.transmit(bytes.fromhex("00A4040005A000000308"))
"""

from types import TracebackType
from typing import Any, Self

from smartcard import scard

_WAIT_MS = 100
_ANY = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1


class PcscError(Exception):
    """What the daemon refuses. code: its number, as winscard.h has it."""

    def __init__(self, code: int) -> None:
        super().__init__(scard.SCardGetErrorMessage(code))
        self.code = code & 0xFFFFFFFF


class PcscClient:
    """One context."""

    def __init__(self) -> None:
        code, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _check(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        scard.SCardReleaseContext(self._context)

    def readers(self) -> list[str]:
        """Return their names; raises PcscError."""
        code, names = scard.SCardListReaders(self._context, [])
        _check(code)
        return list(names)

    def state(self, reader: str) -> int:
        """Return the flags SCARD_STATE_... of a reader now; raises PcscError."""
        unaware = scard.SCARD_STATE_UNAWARE
        code, states = scard.SCardGetStatusChange(self._context, 0, [(reader, unaware)])
        _check(code)
        flags: int = states[0][1]
        return flags

    def wait(self, reader: str, *, present: bool, patience: int = 100) -> int:
        """Wait until a card is in a reader, or none; returns the flags then. Raises PcscError.

        patience: how many times a tenth of a second; then AssertionError.
        """
        flags = self.state(reader)
        for _ in range(patience):
            if bool(flags & scard.SCARD_STATE_PRESENT) == present:
                return flags
            _, states = scard.SCardGetStatusChange(self._context, _WAIT_MS, [(reader, flags)])
            flags = states[0][1]
        raise AssertionError(f"{reader} is {'empty' if present else 'not empty'} still")

    def connect(self, reader: str, *, shared: bool = True) -> "PcscCard":
        """Connect to a card; raises PcscError."""
        mode = scard.SCARD_SHARE_SHARED if shared else scard.SCARD_SHARE_EXCLUSIVE
        code, handle, protocol = scard.SCardConnect(self._context, reader, mode, _ANY)
        _check(code)
        return PcscCard(handle, protocol)


class PcscCard:
    """A connection to a card; it is left as it is at the end, unless reset."""

    def __init__(self, handle: Any, protocol: int) -> None:  # noqa: ANN401 - the library's own
        self._handle = handle
        self._protocol = protocol

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    def atr(self) -> bytes:
        """Return the card's answer to reset; raises PcscError."""
        code, _, _, _, atr = scard.SCardStatus(self._handle)
        _check(code)
        return bytes(atr)

    def transmit(self, command: bytes) -> bytes:
        """Send a command; returns the answer. Raises PcscError."""
        code, answer = scard.SCardTransmit(self._handle, self._protocol, list(command))
        _check(code)
        return bytes(answer)

    def begin(self) -> None:
        """Begin a transaction: others wait. Raises PcscError."""
        _check(scard.SCardBeginTransaction(self._handle))

    def end(self) -> None:
        """End it. Raises PcscError."""
        _check(scard.SCardEndTransaction(self._handle, scard.SCARD_LEAVE_CARD))

    def disconnect(self, *, reset: bool = False) -> None:
        """Let go of the card; a reset tells other programs that it was used."""
        disposition = scard.SCARD_RESET_CARD if reset else scard.SCARD_LEAVE_CARD
        scard.SCardDisconnect(self._handle, disposition)


def _check(code: int) -> None:
    if code != scard.SCARD_S_SUCCESS:
        raise PcscError(code)
