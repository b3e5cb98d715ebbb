"""What a process that owns the store does for reports: desks, reminders, customers' months."""

import asyncio
from datetime import date

from server.accounts.clients import ClientDesk, UnknownClientError
from server.accounts.customer_ports import UnknownCustomerError
from server.accounts.customers import CustomerDesk
from server.accounts.text import InputError
from server.clock import Clock
from server.config import Config
from server.foundation import Foundation
from server.incident_care import incident_desk
from server.jobs.job import Job
from server.jobs.monthly_reports import monthly_reporting
from server.jobs.regulatory import regulatory_reminding
from server.notices.board_file import BoardFile
from server.notices.report_mail import ReportMailDesk
from server.notices.words import Written
from server.reports.analysis_desk import AnalysisDesk
from server.reports.customer_desk import CustomerReportDesk
from server.reports.customer_paper import write_customer_paper
from server.reports.plain import write_plain
from server.reports.ports import Counts
from server.reports.regulatory import Regime
from server.reports.revisions import ReportStateError
from server.uptime_care import uptime_desk


def analysis_desk(config: Config, base: Foundation) -> AnalysisDesk:
    """Return the desk for analyses, with the regimes that are switched on."""
    regimes = tuple(map(Regime, config.incidents.regulatory))
    figures = uptime_desk(config, base.store)
    return AnalysisDesk(base.store, incident_desk(config, base), figures, base.store, regimes)


def customer_report_desk(
    config: Config, base: Foundation, clients: ClientDesk, version: str
) -> CustomerReportDesk:
    """Return the desk for customers' reports. version: this program's, printed on them."""
    figures, customers = uptime_desk(config, base.store), CustomerDesk(base.store)
    return CustomerReportDesk(customers, clients, figures, base.store, keystead=version)


def report_mail_desk(
    config: Config, base: Foundation, clock: Clock, board: BoardFile | None, version: str
) -> ReportMailDesk:
    """Return the desk that sends customers their reports."""
    policy = config.limits.default_policy
    clients = ClientDesk(base.store, base.keys.vault, clock=clock, default_policy=policy)
    reports = customer_report_desk(config, base, clients, version)
    written = WrittenReports(reports, CustomerDesk(base.store), base.store)
    return ReportMailDesk(base.store, board, written, REFUSALS)


def report_jobs(config: Config, base: Foundation, mail: ReportMailDesk) -> list[Job]:
    """Return the jobs for reports. What the notice board does not ask for is not sent."""
    jobs = [monthly_reporting(mail.work)]
    if config.incidents.regulatory:
        jobs.append(regulatory_reminding(analysis_desk(config, base).remind))
    return jobs


REFUSALS = (InputError, UnknownCustomerError, UnknownClientError, ReportStateError)
"""What the desk for customers' reports raises when there is none to be made."""

_DAY_S = 86_400


class WrittenReports:
    """Keeps `server.notices.ports.CustomerReports` with the desk for customers' reports."""

    def __init__(self, desk: CustomerReportDesk, customers: CustomerDesk, counts: Counts) -> None:
        self._desk = desk
        self._customers = customers
        self._counts = counts

    async def closed_s(self) -> int:
        """Return the end of the last day that reports know of."""
        last = await self._counts.last_closed()
        return 0 if last is None else (last.day + 1) * _DAY_S

    async def begun(self, customer_id: int) -> date | None:
        """Return since when the customer's plan runs."""
        plan = (await self._customers.show(customer_id)).terms.plan
        return None if plan is None else plan.begins

    async def write(self, customer_id: int, first: str | None, last: str | None) -> Written:
        """Return the report on some months."""
        report = await self._desk.report(customer_id, first, last)
        # A hundred Client IDs take a while to write: in a thread, others have their turn.
        document = await asyncio.to_thread(write_customer_paper, report)
        text = await asyncio.to_thread(write_plain, document)
        return Written(document.title, text, report.first, report.last)
