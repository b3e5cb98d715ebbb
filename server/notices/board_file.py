"""Keeps the notice board up to date with its file, and what was read last when it is spoilt.

A service starts with a spoilt file, too, and calls nobody until it is mended: that is an alarm,
but no reason to validate nothing.
"""

from pathlib import Path

import structlog

from server.clock import Clock
from server.notices.board import Board, BoardError, load_board

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

EMPTY = Board.parse("", "nothing")

LOOK_EVERY_S = 2.0


class BoardFile:
    """Reads the file when it is asked and a while has gone by; empty until it was read once."""

    def __init__(self, file: Path, *, clock: Clock, every_s: float = LOOK_EVERY_S) -> None:
        self._file = file
        self._clock = clock
        self._every_s = every_s
        self._board = EMPTY
        self._complaint = ""
        self._read_at = clock.monotonic()
        self._read()

    @property
    def complaint(self) -> str:
        """Why what is in the file now is not on the board; "" when it is."""
        return self._complaint

    def board(self) -> Board:
        """Return what is on the board. People are called by an old one rather than by none."""
        now = self._clock.monotonic()
        if now - self._read_at >= self._every_s:
            self._read_at = now
            self._read()
        return self._board

    def _read(self) -> None:
        try:
            self._board = load_board(self._file)
        except BoardError as error:
            if str(error) != self._complaint:
                _log.error("notice_board_not_read", error=str(error))
            self._complaint = str(error)
        else:
            self._complaint = ""
