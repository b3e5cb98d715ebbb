"""Published analysis reports as the text of an e-mail, for those who are told of them."""

from collections.abc import Callable
from functools import partial

from server.reports.paper import write_paper
from server.reports.plain import write_plain
from server.reports.ports import ReportBook
from server.reports.revisions import Report, ReportRecord


class PublishedReports:
    """Finds them in the store, whose errors pass through."""

    def __init__(self, book: ReportBook) -> None:
        self._book = book

    async def published(
        self, incident_id: int, revision: int
    ) -> Callable[[frozenset[int] | None], str] | None:
        """Return what writes a revision for the owner of some clients; None: there is none.

        Given None it writes the figures of all. What is internal is in no published report.
        """
        report = await self._book.incident_report(incident_id)
        record = report.revision(revision)
        return None if record is None else partial(_text, report, record)


def _text(report: Report, record: ReportRecord, clients: frozenset[int] | None) -> str:
    # Revisions that came later are told of by themselves.
    known = [one for one in report.published if one.revision <= record.revision]
    analysis = record.analysis if clients is None else record.analysis.for_clients(clients)
    return write_plain(write_paper(analysis.public(), known, record.revision))
