"""The desk that sends customers their reports: each month by itself, and when a person asks.

It plans deliveries, all contacts of a customer in one transaction; what sends them is the
dispatcher. Whoever dies in between has sent a customer's month to all of them, or to nobody yet.
"""

import secrets
from collections.abc import Sequence

import structlog

from server.accounts.text import InputError
from server.journal.acts import Cause
from server.leases import Lease
from server.notices.audience import FOR_REPORTS, Customer
from server.notices.delivery import Delivery
from server.notices.desk import NobodyToldError
from server.notices.monthly import (
    SUBJECT,
    DueMonth,
    due_month,
    monthly_key,
    report_letters,
    was_planned,
)
from server.notices.ports import BoardSource, CustomerReports, DeliveryBook, Numbered, Which

_PAGE = 500

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class ReportMailDesk:
    """Sends reports. Store errors pass through. board: None without one.

    refusals: what reports raise when there is none to be made; their words can be shown.
    """

    def __init__(
        self,
        book: DeliveryBook,
        board: BoardSource | None,
        reports: CustomerReports,
        refusals: tuple[type[Exception], ...] = (InputError,),
    ) -> None:
        self._book = book
        self._board = board
        self._reports = reports
        self._refusals = refusals

    async def work(self, lease: Lease | None = None) -> int:
        """Plan what is due of the month before; return how many messages. LeaseLostError."""
        if self._board is None or not self._board.board().monthly_reports:
            return 0
        month = due_month(await self._book.store_time_us())
        if month is None or await self._reports.closed_s() < month.end_s:
            return 0
        begun = 0
        for customer in await self._book.told_customers(FOR_REPORTS):
            if customer.contacts and not await self._is_done(customer, month):
                begun += await self._plan(customer, month, lease)
        return begun

    async def send(
        self,
        customer_id: int,
        first: str | None = None,
        last: str | None = None,
        *,
        cause: Cause,
    ) -> Sequence[Numbered]:
        """Send a customer's report to their contacts now, whatever was sent before.

        NobodyToldError, and what `CustomerReports.write` raises.
        """
        if self._board is None or self._board.board().mail is None:
            raise NobodyToldError(
                "there is no notice board with a table [mail]: name its file under [notices] in"
                " the configuration"
            )
        written = await self._reports.write(customer_id, first, last)
        told = {one.customer_id: one for one in await self._book.told_customers(FOR_REPORTS)}
        if customer_id not in told:
            raise NobodyToldError(f"customer {customer_id} has no validation add-on today")
        if not told[customer_id].contacts:
            raise NobodyToldError(
                f"customer {customer_id} has no contact of kind {' or '.join(FOR_REPORTS)}: add one"
                " with `keystead contact add`"
            )
        now_us = await self._book.store_time_us()
        key = f"asked {secrets.token_hex(8)}"
        letters = report_letters(told[customer_id], written, key, now_us)
        return await self._book.plan_asked(letters, act=cause.act("customer.report-send"))

    async def _is_done(self, customer: Customer, month: DueMonth) -> bool:
        found = await self._deliveries(customer.customer_id)
        return was_planned(found, customer.customer_id, month.name)

    async def _deliveries(self, customer_id: int) -> list[Delivery]:
        about = Which((SUBJECT, str(customer_id)))
        found: list[Numbered] = []
        while True:
            after = found[-1].number if found else 0
            page = await self._book.list_deliveries(after, _PAGE, about)
            found += page
            if len(page) < _PAGE:
                return [one.delivery for one in found]

    async def _plan(self, customer: Customer, month: DueMonth, lease: Lease | None) -> int:
        number = customer.customer_id
        try:
            begun = await self._reports.begun(number)
            if begun is None or begun >= month.after:
                return 0  # it was not theirs yet
            written = await self._reports.write(number, month.name, month.name)
        except self._refusals as refusal:
            # One customer's fault keeps nobody else's report back; it is tried again.
            _log.error(
                "monthly_report_not_made", customer=number, month=month.name, error=str(refusal)
            )
            return 0
        now_us = await self._book.store_time_us()
        letters = report_letters(customer, written, monthly_key(number, month.name), now_us)
        return await self._book.plan_notices(letters, None, lease)
