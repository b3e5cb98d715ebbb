"""Waiting for what a PC/SC daemon shows, and another program that holds a key."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from smartcard import scard

from agent.pcsc import PcscReaders
from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.plug import Distortion, Insertable

_PATIENCE_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come to be so"
        time.sleep(0.02)


def until_present(reader: str, *, present: bool = True) -> None:
    """Wait until a card is seen in a reader, or not any more."""
    readers = PcscReaders()
    try:
        until(lambda: reader in (now := readers.look()) and now[reader].present is present)
    finally:
        readers.close()


def until_free(reader: str) -> None:
    """Wait until no program is connected to the card in a reader."""
    readers = PcscReaders()
    try:
        until(lambda: not readers.look()[reader].in_use)
    finally:
        readers.close()


@contextmanager
def attached(
    daemon: PcscDaemon, key: Insertable, slot: int = 0, distortion: Distortion | None = None
) -> Iterator[str]:
    """Have a key in a reader, which is seen when this begins and gone when it is over.

    The driver looks several times a second: a key that takes another's place is not seen to.
    """
    reader = daemon.reader(slot)
    with daemon.insert(key, slot, distortion=distortion):
        until_present(reader)
        yield reader
    until_present(reader, present=False)


class OtherProgram:
    """A program of somebody else's, connected to a key, shared."""

    def __init__(self, context: Any, handle: Any, protocol: int) -> None:  # noqa: ANN401 - opaque
        self._context = context
        self.handle = handle
        self._protocol = protocol

    def ask(self, command: str) -> tuple[int, str]:
        """Send a command in hexadecimal; returns PC/SC's result, and the answer in hexadecimal."""
        result, answer = scard.SCardTransmit(
            self.handle, self._protocol, list(bytes.fromhex(command))
        )
        return result, bytes(answer).hex()


@contextmanager
def other_program(reader: str, share: int = scard.SCARD_SHARE_SHARED) -> Iterator[OtherProgram]:
    """Connect to a key as another program does."""
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    assert result == scard.SCARD_S_SUCCESS
    result, handle, protocol = scard.SCardConnect(
        context, reader, share, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    )
    assert result == scard.SCARD_S_SUCCESS
    try:
        yield OtherProgram(context, handle, protocol)
    finally:
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(context)
