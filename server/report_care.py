"""What a process that owns the store does for reports: the desks, and the reminders."""

from server.accounts.clients import ClientDesk
from server.accounts.customers import CustomerDesk
from server.config import Config
from server.foundation import Foundation
from server.incident_care import incident_desk
from server.jobs.job import Job
from server.jobs.regulatory import regulatory_reminding
from server.reports.analysis_desk import AnalysisDesk
from server.reports.customer_desk import CustomerReportDesk
from server.reports.regulatory import Regime
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


def report_jobs(config: Config, base: Foundation) -> list[Job]:
    """Return the jobs for reports: none while no regime is switched on."""
    if not config.incidents.regulatory:
        return []
    return [regulatory_reminding(analysis_desk(config, base).remind)]
