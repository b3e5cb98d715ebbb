"""The operator's desk for notices: what was told to whom, whose turn it is, and a test."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.accounts.text import InputError
from server.incidents.intervals import Span
from server.journal.acts import Cause
from server.notices.audience import tests
from server.notices.board import Board
from server.notices.ports import DeliveryBook, Numbered, UnknownDeliveryError, Which

MAX_PAGE = 1000
MAX_DAYS = 366
_DAY_S = 86_400


class KeptBoard(Protocol):
    """Keeps the notice board (`server.notices.board_file`)."""

    @property
    def complaint(self) -> str:
        """Why what is in the file now is not on the board; "" when it is."""
        ...

    def board(self) -> Board:
        """Return what is on the board."""
        ...


class NobodyToldError(Exception):
    """There is no notice board here, or nobody of that name on it; the message says which."""


class Turns(NamedTuple):
    """Who is on call when. complaint: why a newer file is not what is shown."""

    shifts: Sequence[tuple[Span, str]]
    complaint: str


class NoticeDesk:
    """What an operator may do with notices. Store errors pass through. board: None without one."""

    def __init__(self, book: DeliveryBook, board: KeptBoard | None) -> None:
        self._book = book
        self._board = board

    async def list(self, after: int, limit: int, which: Which) -> Sequence[Numbered]:
        """Return a page of deliveries in order of their numbers."""
        return await self._book.list_deliveries(after, max(1, min(limit, MAX_PAGE)), which)

    async def show(self, number: int) -> Numbered:
        """Return one, or raise UnknownDeliveryError."""
        found = await self._book.delivery(number)
        if found is None:
            raise UnknownDeliveryError(number)
        return found

    async def test(self, name: str, *, cause: Cause) -> Sequence[Numbered]:
        """Send a test to somebody on the board, by all their ways. NobodyToldError."""
        board = self._require().board()
        now_us = await self._book.store_time_us()
        try:
            notices = tests(board, name, now_us, secrets.token_hex(8))
        except LookupError as error:
            raise NobodyToldError(str(error)) from None
        return await self._book.plan_asked(notices, act=cause.act("notice.test"))

    async def turns(self, days: int) -> Turns:
        """Return who is on call from now on. NobodyToldError, InputError."""
        if not 1 <= days <= MAX_DAYS:
            raise InputError(f"the rota is shown for 1 to {MAX_DAYS} days")
        kept = self._require()
        rota = kept.board().rota
        if rota is None:
            raise NobodyToldError("the notice board has no table [rota]: nobody is on call")
        now_s = await self._book.store_time_us() // 1_000_000
        return Turns(rota.shifts(Span(now_s, now_s + days * _DAY_S)), kept.complaint)

    def _require(self) -> KeptBoard:
        if self._board is None:
            raise NobodyToldError(
                "there is no notice board: name its file under [notices] in the configuration"
            )
        return self._board
