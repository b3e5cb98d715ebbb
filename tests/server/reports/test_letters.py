"""Reports that are sent, published ones and customers' months: real SMTP, word for word."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hsm.journalkey import JournalKey
from server.accounts.customer_ports import ContactCard, ContactKind
from server.incidents.instants import parse_instant
from server.ledger.entry import Kind
from server.notices.board import Board
from server.notices.dispatcher import Dispatcher, LinkMaker
from server.notices.report_mail import ReportMailDesk
from server.outgoing.senders import senders_for
from server.report_care import REFUSALS, WrittenReports
from server.reports.analysis import NEEDED
from server.reports.published import PublishedReports
from server.reports.verification import Format, write_report
from tests.certificates import Authority
from tests.server.notices.boards import StillBoard
from tests.server.outgoing.receivers import MailBox, smtp_server
from tests.server.reports.house import EVE, House

BOARD = """\
monthly_reports = true
[mail]
host = "localhost"
port = {port}
sender = "Keystead <keystead@example.org>"
authorities = "{authorities}"
"""
ZOE = "zoe@customer.example"
WRITTEN = dict.fromkeys(NEEDED, "Der Stecker war draußen.")


class Mailroom:
    """What tells customers of a house: the desk for months, and the dispatcher."""

    def __init__(self, here: House, board: Board) -> None:
        self._here = here
        self.board = StillBoard(board)
        self.dispatcher = Dispatcher(
            facts=here.store,
            book=here.store,
            incidents=here.store,
            reports=PublishedReports(here.store),
            board=self.board,
            senders=lambda known: senders_for(known, here.clock),
            links=LinkMaker(JournalKey.generate(), bytes(16)),
        )

    def desk(self) -> ReportMailDesk:
        """Return the desk, as another process has it."""
        here = self._here
        written = WrittenReports(here.reports, here.customers, here.store)
        return ReportMailDesk(here.store, self.board, written, REFUSALS)

    async def send(self) -> None:
        while await self.dispatcher.turn():
            pass


@asynccontextmanager
async def mailroom(here: House, folder: Path, box: MailBox) -> AsyncIterator[Mailroom]:
    """Serve SMTP; the customer of the house has a contact for incidents, and one for support."""
    authority = Authority()
    files = authority.issue(folder / "tls", "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    for name, kind in (("zoe", ContactKind.SUPPORT), ("ida", ContactKind.INCIDENT)):
        card = ContactCard(name, f"{name}@customer.example", "", frozenset({kind}))
        await here.store.add_contact(1, card, act=EVE.act("contact.add"))
    async with smtp_server(box, starttls=context) as port:
        text = BOARD.format(port=port, authorities=authority.write(folder / "ca.pem"))
        made = Mailroom(here, Board.parse(text, "x"))
        await made.dispatcher.begin()
        yield made


def letters(box: MailBox) -> list[tuple[str, str]]:
    """Return to whom letters went, and their text as it is read."""
    return [
        (one.recipients[0], one.message.get_content().replace("\r\n", "\n")) for one in box.letters
    ]


async def test_a_month_is_sent_once_as_the_report_says_it_and_proved_in_the_ledger(
    here: House, tmp_path: Path
) -> None:
    box = MailBox()
    async with mailroom(here, tmp_path, box) as room:
        text = write_report(await here.reports.report(1, "2026-10", "2026-10"), Format.TEXT)
        assert await room.desk().work() == 1
        await room.send()
        assert letters(box) == [(ZOE, text)]
        subject = "[Keystead] Availability and usage of Åkeri AB, 2026-10"
        assert box.letters[0].message["Subject"] == subject
        assert await room.desk().work() == 0
        here.clock.us = parse_instant("2026-11-10T23:00:00Z") * 1_000_000
        assert await room.desk().work() == 0
        (begun,) = await room.desk().send(1, "2026-10", "2026-11", cause=EVE)
        await room.send()
    assert begun.delivery.notice.recipient.place == ZOE
    assert len(box.letters) == 2
    assert "2026-10 to 2026-11" in box.letters[1].message["Subject"]
    proofs = [one for one in await here.ledger() if one.kind == Kind.NOTICE.value]
    assert [one.subject for one in proofs] == ["report 1"] * 2
    assert "example" not in str(proofs)


async def test_a_published_analysis_is_sent_with_the_customers_own_figures(
    here: House, tmp_path: Path
) -> None:
    box = MailBox()
    await here.analyses.draft(1, cause=EVE)
    await here.analyses.edit(1, WRITTEN, cause=EVE)
    async with mailroom(here, tmp_path, box) as room:
        await here.analyses.publish(1, cause=EVE)
        await room.send()
        again = dict.fromkeys(NEEDED, "Es war der andere Stecker.")
        await here.analyses.edit(1, again, cause=EVE)
        why = EVE._replace(reason="we looked again")
        await here.analyses.publish(1, cause=why)
        await room.send()
    (to, first), (_, second) = letters(box)  # the step that notes a publication is no news
    assert to == "ida@customer.example"
    assert "Der Stecker war draußen." in first
    assert "Report: incident 1, revision 1" in first
    assert "Es war der andere Stecker." in second
    assert "we looked again" in second
    assert "Bob" not in first + second
    impact = first[first.index("Impact per Client ID") :]
    assert "\n  1: Answered well" in impact
    assert "\n  3: " not in impact  # somebody else's
