"""Which month is due, and that a customer is sent each month once, whatever ends in between."""

from collections.abc import Sequence
from datetime import date

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.customer_ports import ContactCard, ContactKind
from server.accounts.text import InputError
from server.incidents.instants import parse_instant
from server.incidents.periods import month as month_span
from server.notices.audience import Customer
from server.notices.board import Board, BoardError
from server.notices.delivery import Notice, Standing
from server.notices.desk import NobodyToldError
from server.notices.monthly import due_month, report_letters
from server.notices.report_mail import ReportMailDesk
from server.notices.sending import Fate, Outcome
from server.notices.words import Written
from tests.server.notices.boards import TEXT
from tests.server.notices.house import EVE, House, Sent

MONTHLY = Board.parse(TEXT.replace("[mail]", "monthly_reports = true\n[mail]", 1), "x")
SUPPORT = [ContactKind.SUPPORT]
MAX, ZOE = "max@customer.example", "zoe@customer.example"


class Reports:
    """Writes reports of nothing but their names. broken: of whom none can be made."""

    def __init__(self) -> None:
        self.closed = parse_instant("2026-11-01T00:00:00Z")
        self.since: dict[int, date] = {}
        self.broken: set[int] = set()
        self.written: list[int] = []

    async def closed_s(self) -> int:
        return self.closed

    async def begun(self, customer_id: int) -> date | None:
        return self.since.get(customer_id, date(2026, 1, 1))

    async def write(self, customer_id: int, first: str | None, last: str | None) -> Written:
        if customer_id in self.broken:
            raise InputError("too many Client IDs")
        self.written.append(customer_id)
        months = f"{first} to {last}"
        return Written(f"Report, {months}", f"Größen of {customer_id}\n", str(first), str(last))


class Mailroom:
    """A house and the desk that sends reports from it."""

    def __init__(self, board: Board = MONTHLY) -> None:
        self.house = House(board)
        self.reports = Reports()
        self.house.clock.us = parse_instant("2026-11-01T01:00:00Z") * 1_000_000
        self.desk = self.a_desk()

    def a_desk(self) -> ReportMailDesk:
        return ReportMailDesk(self.house.store, self.house.board, self.reports)


@pytest.fixture
async def room() -> Mailroom:
    room = Mailroom()
    await room.house.dispatcher.begin()
    await room.house.customer("max", *SUPPORT)
    await room.house.customer("zoe", ContactKind.INCIDENT)
    await room.house.customer("none", *SUPPORT, validation=False)
    await room.house.customer("bill", ContactKind.BILLING)
    return room


@given(st.dates(date(2001, 1, 1), date(2100, 12, 31)))
def test_the_month_before_is_due_on_the_first_ten_days(day: date) -> None:
    us = parse_instant(f"{day.isoformat()}T12:00:00Z") * 1_000_000
    due = due_month(us)
    assert (due is None) is (day.day > 10)
    if due is not None:
        year, number = map(int, due.name.split("-"))
        assert month_span(year, number).end == due.end_s
        assert due.after == day.replace(day=1)


def test_a_report_goes_to_each_contact_as_it_was_written() -> None:
    customer = Customer(3, frozenset({7}), ((31, "a@x.example"), (32, "b@x.example")))
    written = Written("Report, 2026-10", "Größen\n\nmehr\n", "2026-10", "2026-10")
    found = report_letters(customer, written, "a key", 5)
    assert [one.recipient.place for one in found] == ["a@x.example", "b@x.example"]
    assert {one.text for one in found} == {"Größen\n\nmehr\n"}
    assert len({one.delivery_id for one in found}) == 2
    assert {tuple(one.subject) for one in found} == {("report", "3")}


async def test_each_customer_is_sent_the_month_once(room: Mailroom) -> None:
    assert await room.desk.work() == 2
    texts = {one.place: one.message for one in await _sent(room)}
    assert sorted(texts) == [MAX, ZOE]
    assert texts[MAX].text == "Größen of 1\n"
    assert "2026-10 to 2026-10" in texts[MAX].subject
    card = ContactCard("new", "new@customer.example", "", frozenset(SUPPORT))
    await room.house.store.add_contact(1, card, act=EVE.act("contact.add"))
    for hours in (1, 24, 24 * 6):
        room.house.clock.pass_by(hours * 3600)
        assert await room.a_desk().work() == 0
    assert room.reports.written == [1, 2]
    # Who becomes a contact later is told from the next month on.
    room.house.clock.us = parse_instant("2026-12-01T01:00:00Z") * 1_000_000
    room.reports.closed = parse_instant("2026-12-01T00:00:00Z")
    assert await room.desk.work() == 3
    assert sorted(await room.house.turn()) == [MAX, "new@customer.example", ZOE]
    assert {one.standing for one in await room.house.deliveries()} == {Standing.DELIVERED}


async def test_nothing_is_sent_before_the_month_is_whole_or_long_after_or_unasked(
    room: Mailroom,
) -> None:
    room.reports.closed -= 86_400
    assert await room.desk.work() == 0
    room.reports.closed += 86_400
    room.house.clock.us = parse_instant("2026-11-11T00:00:00Z") * 1_000_000
    assert await room.desk.work() == 0
    room.house.clock.us -= 1_000_000
    room.house.board.put_up(Board.parse(TEXT, "x"))
    assert await room.desk.work() == 0
    assert await ReportMailDesk(room.house.store, None, room.reports).work() == 0
    room.house.board.put_up(MONTHLY)
    room.reports.since = {1: date(2026, 11, 1), 2: date(2026, 10, 31)}
    assert await room.desk.work() == 1
    assert room.reports.written == [2]


class _Cut(Exception):  # noqa: N818 - stands for a crash
    pass


async def test_a_crash_sends_nobody_a_month_twice_and_forgets_nobody(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = room.house.store.plan_notices
    planned: list[Notice] = []

    async def cut(notices: Sequence[Notice], *_: object) -> int:
        if planned:
            raise _Cut
        planned.extend(notices)
        return await plan(notices)

    with monkeypatch.context() as patch:
        patch.setattr(room.house.store, "plan_notices", cut)
        with pytest.raises(_Cut):
            await room.desk.work()
    assert await room.a_desk().work() == 1
    assert sorted(one.place for one in await _sent(room)) == [MAX, ZOE]


async def test_one_customers_fault_keeps_nobody_elses_report_back(room: Mailroom) -> None:
    room.reports.broken = {1}
    with structlog.testing.capture_logs() as lines:
        assert await room.desk.work() == 1
    assert [(one["event"], one["customer"]) for one in lines] == [("monthly_report_not_made", 1)]
    room.reports.broken = set()
    assert await room.desk.work() == 1


async def test_a_person_sends_one_whenever_they_want_and_the_month_comes_all_the_same(
    room: Mailroom,
) -> None:
    for _ in range(2):
        (one,) = await room.desk.send(1, "2026-10", cause=EVE)
        assert one.delivery.notice.recipient.place == MAX
    assert await room.desk.work() == 2
    room.house.post.outcomes = [Outcome(Fate.FAILED, "not now")]
    assert sorted(one.place for one in await _sent(room)) == [MAX, MAX, MAX, ZOE]
    assert sorted(await room.house.turn(after_s=60)) == [MAX]


async def test_to_whom_nothing_can_be_sent_is_said(room: Mailroom) -> None:
    for number, said in ((3, "no validation add-on"), (4, "no contact of kind support or incide")):
        with pytest.raises(NobodyToldError, match=said):
            await room.desk.send(number, cause=EVE)
    room.reports.broken = {1}
    with pytest.raises(InputError):
        await room.desk.send(1, cause=EVE)
    room.house.board.put_up(Board.parse("", "x"))
    with pytest.raises(NobodyToldError, match=r"table \[mail\]"):
        await room.desk.send(2, cause=EVE)
    assert await room.house.deliveries() == []


def test_a_board_without_mail_asks_for_no_months() -> None:
    with pytest.raises(BoardError, match=r"needs a table \[mail\]"):
        Board.parse("monthly_reports = true", "x")


async def _sent(room: Mailroom) -> list[Sent]:
    while await room.house.dispatcher.turn():
        pass
    found = list(room.house.post.sent)
    room.house.post.sent.clear()
    return found
