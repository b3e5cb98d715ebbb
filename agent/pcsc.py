"""PC/SC, through pyscard's raw layer: its pleasant one polls, and takes cards for itself.

The only place that has `scard`, and `PcscCard.exchange` the only one that transmits: after
`whitelist.permit`, or the rules of another class.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from smartcard import scard

from agent.apdu import Answer
from agent.ports import (
    Card,
    CardBusyError,
    CardRemovedError,
    PcscAwayError,
    ReaderFailedError,
    ReaderState,
)
from agent.whitelist import permit

PLUG_AND_PLAY = "\\\\?PnP?\\Notification"
_CHANGES_SHIFT = 16
_STATUS_OCTETS = 2

_NO_READERS = {scard.SCARD_E_NO_READERS_AVAILABLE}
_TIMEOUT = {scard.SCARD_E_TIMEOUT}
_CANCELLED = {scard.SCARD_E_CANCELLED}
_GONE = {
    scard.SCARD_W_REMOVED_CARD,
    scard.SCARD_E_NO_SMARTCARD,
    scard.SCARD_E_UNKNOWN_READER,
    scard.SCARD_E_READER_UNAVAILABLE,
}
_BUSY = {scard.SCARD_E_SHARING_VIOLATION}
_AWAY = {
    scard.SCARD_E_NO_SERVICE,
    scard.SCARD_E_SERVICE_STOPPED,
    scard.SCARD_E_INVALID_HANDLE,
    scard.SCARD_F_COMM_ERROR,
    scard.SCARD_F_INTERNAL_ERROR,
}


class PcscReaders:
    """The readers, watched over one context."""

    def __init__(self) -> None:
        self._context = _establish()

    def look(self) -> Mapping[str, ReaderState]:
        """Return every reader as it is now."""
        result, names = scard.SCardListReaders(self._context, [])
        if result in _NO_READERS or (result == scard.SCARD_S_SUCCESS and not names):
            return {}
        _check(result, "listing readers")
        # A reader that goes between the two is no failure of the service: the next look knows.
        result, states = scard.SCardGetStatusChange(
            self._context, 0, [(name, scard.SCARD_STATE_UNAWARE) for name in sorted(set(names))]
        )
        if result in _GONE | _TIMEOUT:
            return {}
        _check(result, "asking for the readers' state")
        return {name: _state(raw, atr) for name, raw, atr in states}

    def wait(self, known: Mapping[str, ReaderState], timeout_s: float) -> None:
        """Wait until something is not as known, or the time is over, or `cancel`."""
        asked = [(name, state.raw) for name, state in known.items()]
        # pcscd counts readers in the upper half of this one's state; zero would be no match.
        asked.append((PLUG_AND_PLAY, len(known) << _CHANGES_SHIFT))
        result, _states = scard.SCardGetStatusChange(self._context, int(timeout_s * 1000), asked)
        if result not in _GONE | _TIMEOUT | _CANCELLED:
            _check(result, "waiting for keys")

    def cancel(self) -> None:
        """End a wait, from another thread."""
        scard.SCardCancel(self._context)

    def close(self) -> None:
        """Give the context back."""
        scard.SCardReleaseContext(self._context)


Permit: TypeAlias = Callable[[bytes], bytes]
"""Returns a command that may be sent; ForbiddenCommandError."""


def _reading() -> Permit:
    return permit


class PcscCards:
    """Opens cards; each over a context of its own, which no thread but the prober's uses.

    rules: gives those of one card, from its opening to its closing.
    """

    def __init__(self, rules: Callable[[], Permit] = _reading) -> None:
        self._rules = rules

    def open(self, reader: str) -> Card:
        """Connect, shared, and begin a transaction."""
        context = _establish()
        result, handle, protocol = scard.SCardConnect(
            context,
            reader,
            scard.SCARD_SHARE_SHARED,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        if result != scard.SCARD_S_SUCCESS:
            scard.SCardReleaseContext(context)
            _check_card(result, "connecting")
        result = scard.SCardBeginTransaction(handle)
        if result != scard.SCARD_S_SUCCESS:
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
            scard.SCardReleaseContext(context)
            _check_card(result, "beginning a transaction")
        return PcscCard(context, handle, protocol, self._rules())


class PcscCard:
    """A card within a transaction."""

    def __init__(
        self,
        context: Any,  # noqa: ANN401 - opaque
        handle: Any,  # noqa: ANN401 - opaque
        protocol: int,
        rules: Permit = permit,
    ) -> None:
        self._context = context
        self._handle = handle
        self._protocol = protocol
        self._permit = rules

    def exchange(self, octets: bytes) -> Answer:
        """Say one thing that is on the list."""
        permitted = list(self._permit(octets))
        result, answer = scard.SCardTransmit(self._handle, self._protocol, permitted)
        _check_card(result, "transmitting")
        if len(answer) < _STATUS_OCTETS:
            raise ReaderFailedError("the reader gave an answer without a status")
        return Answer(bytes(answer[:-2]), answer[-2] << 8 | answer[-1])

    def close(self) -> None:
        """End with a reset: another program's next command fails loudly, not with 6D00."""
        scard.SCardEndTransaction(self._handle, scard.SCARD_RESET_CARD)
        scard.SCardDisconnect(self._handle, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(self._context)


def _establish() -> Any:  # noqa: ANN401 - opaque
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    _check(result, "connecting with the PC/SC service")
    return context


def _state(raw: int, atr: list[int]) -> ReaderState:
    flags = raw & 0xFFFF
    return ReaderState(
        present=bool(flags & scard.SCARD_STATE_PRESENT) and not flags & scard.SCARD_STATE_MUTE,
        in_use=bool(flags & (scard.SCARD_STATE_INUSE | scard.SCARD_STATE_EXCLUSIVE)),
        changes=raw >> _CHANGES_SHIFT & 0xFFFF,
        atr=bytes(atr),
        raw=raw & ~scard.SCARD_STATE_CHANGED,
    )


def _check(result: int, what: str) -> None:
    if result != scard.SCARD_S_SUCCESS:
        raise PcscAwayError(f"{what}: {scard.SCardGetErrorMessage(result)}")


def _check_card(result: int, what: str) -> None:
    if result == scard.SCARD_S_SUCCESS:
        return
    message = f"{what}: {scard.SCardGetErrorMessage(result)}"
    if result in _BUSY:
        raise CardBusyError(message)
    if result in _GONE:
        raise CardRemovedError(message)
    if result in _AWAY:
        raise PcscAwayError(message)
    raise ReaderFailedError(message)
