"""The admin door: the operator's API, on a Unix socket in the data directory or over HTTPS.

Who asks is found out first (`local_peers`, `bearers`), then the route table says whether they
may. Every refusal is a problem (RFC 9457) with words for a person; faults nobody foresaw are a
plain 500 with a request id that is in the log.
"""

import functools
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPMethod, HTTPStatus
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import structlog
from aiohttp import hdrs, web

from hsm.provisioning.key_states import IllegalTransitionError
from hsm.provisioning.release_states import ReleaseGoneError, WrongStationError
from hsm.vault import VaultError
from server.accounts.access import Caller, Permission
from server.accounts.clients import ClientDesk, RotationError, UnknownClientError
from server.accounts.customer_ports import CustomerChangedError, UnknownCustomerError
from server.accounts.customers import CustomerDesk, UnknownContactError
from server.accounts.operator_ports import OperatorExistsError, TooManyTokensError
from server.accounts.operators import OperatorDesk, UnknownOperatorError, UnknownTokenError
from server.accounts.text import InputError
from server.counter_journal.desk import FenceDesk, FenceError
from server.fleet.advisory_desk import AdvisoryDesk, DecidedError, NotHardwareError
from server.fleet.advisory_ports import OvertakenError
from server.fleet.desk import FleetDesk
from server.fleet.enrolment import HostEnrolledError
from server.fleet.holder_desk import HolderDesk
from server.fleet.holder_ports import UnknownClaimError, UnknownHolderError
from server.fleet.ports import UnknownFleetKeyError, UnknownHostError
from server.fleet.retention_desk import RetentionDesk
from server.fleet.roots_desk import EditionRefusedError, RootsDesk
from server.fleet.shelf import OldEditionError, UnknownAdvisoryError
from server.fleet.signed_file import UntrustedFileError
from server.incidents.business_calendar import CalendarError
from server.incidents.decisions import AmendingError, IncidentStateError
from server.incidents.desk import IncidentDesk
from server.incidents.instants import InstantError
from server.incidents.ports import UnknownIncidentError
from server.incidents.states import StepRefusedError
from server.incidents.words import IncidentInputError
from server.journal.desk import (
    JournalDamagedError,
    JournalDesk,
    UnknownEntryError,
    WitnessError,
)
from server.ledger.desk import (
    LedgerDamagedError,
    LedgerDesk,
    NotErasableError,
    UnknownLedgerEntryError,
)
from server.maintenance.decisions import MaintenanceStateError, OverlapError
from server.maintenance.desk import MaintenanceDesk
from server.maintenance.ports import UnknownMaintenanceError
from server.moving.desk import (
    ImportEndedError,
    ImportUnderWayError,
    MovingDesk,
    NoImportError,
    RotatingError,
)
from server.moving.ports import ConflictError
from server.notices.desk import NobodyToldError, NoticeDesk
from server.notices.ports import UnknownDeliveryError
from server.notices.report_mail import ReportMailDesk
from server.otp.keys import KeyDesk, UnknownKeyError
from server.otp.ksm import KsmError
from server.otp.ports import (
    KeyNotActivatedError,
    StaleSealError,
    StoreError,
    UnknownOutcomeError,
)
from server.probing.desk import ForeignProberError, ProbeDesk
from server.provisioning.desk import MintingDesk
from server.provisioning.ports import MintError
from server.reports.analysis_desk import AnalysisDesk
from server.reports.customer_desk import CustomerReportDesk
from server.reports.regulatory_steps import RegulatoryStateError
from server.reports.revisions import ReportStateError
from server.resealing.desk import VaultDesk
from server.resealing.ports import GoalError
from server.uptime.desk import UptimeDesk
from server.usage.desk import RangeError, UsageDesk
from server.web.admin_backup import AdminBackups, BackupBook
from server.web.admin_clients import AdminClients
from server.web.admin_customer_reports import AdminCustomerReports
from server.web.admin_customers import AdminCustomers
from server.web.admin_fleet import AdminFleet
from server.web.admin_fleet_advisories import AdminFleetAdvisories
from server.web.admin_fleet_holders import AdminFleetHolders
from server.web.admin_fleet_retention import AdminFleetRetention
from server.web.admin_fleet_roots import AdminFleetRoots
from server.web.admin_incidents import AdminIncidents
from server.web.admin_journal import AdminJournal
from server.web.admin_keys import AdminKeys
from server.web.admin_ledger import AdminLedger
from server.web.admin_maintenance import AdminMaintenance
from server.web.admin_minting import AdminMinting
from server.web.admin_moving import AdminMoving
from server.web.admin_notices import AdminNotices
from server.web.admin_operators import AdminOperators
from server.web.admin_probe import AdminProbe
from server.web.admin_reports import AdminReports
from server.web.admin_request import ADMISSION, CALLER, Admission, read_query
from server.web.admin_status_page import AdminStatusPage, StatusPageDesk
from server.web.admin_uptime import AdminUptime
from server.web.admin_usage import AdminUsage
from server.web.admin_vault import AdminVault
from server.web.bare import SERVER_NAME
from server.web.faults import describe_fault
from server.web.json_types import Shown
from server.web.openapi import OpenApiShown, document
from server.web.problems import ProblemError, problem_answer
from server.web.route import Reach, Route
from server.web.route_table import Objects, RouteTable

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Status = Callable[[], Awaitable[Mapping[str, object]]]

Authenticate: TypeAlias = Callable[[web.Request], Awaitable[Caller]]
"""Finds out who asks, or raises ProblemError."""


class Desks(NamedTuple):
    """What is administered. zone: of reports; status: what GET /api/v1/status answers."""

    clients: ClientDesk
    customers: CustomerDesk
    operators: OperatorDesk
    keys: KeyDesk
    minting: MintingDesk
    moving: MovingDesk
    journal: JournalDesk
    ledger: LedgerDesk
    fence: FenceDesk
    backups: BackupBook
    usage: UsageDesk
    vault: VaultDesk
    maintenance: MaintenanceDesk
    probes: ProbeDesk
    incidents: IncidentDesk
    status_page: StatusPageDesk
    notices: NoticeDesk
    uptime: UptimeDesk
    zone: ZoneInfo
    analyses: AnalysisDesk
    customer_reports: CustomerReportDesk
    report_mail: ReportMailDesk
    fleet: FleetDesk
    holders: HolderDesk
    advisories: AdvisoryDesk
    roots: RootsDesk
    fleet_retention: RetentionDesk
    status: _Status


class StatusShown(Shown):
    """What is running."""

    version: str
    pid: int
    environment: str
    store: Literal["sqlite", "postgresql"]
    workers: int
    sealing_key: str


def admin_routes(desks: Desks) -> RouteTable:
    """Return the table of everything that can be asked."""

    async def show_status(request: web.Request) -> web.Response:
        """Show what is running."""
        read_query(request, ())
        return web.json_response(dict(await desks.status()))

    async def show_openapi(request: web.Request) -> web.Response:
        """Show this description of the API."""
        read_query(request, ())
        return web.json_response(description())

    get, some = HTTPMethod.GET, Reach.NARROWED
    openapi = Permission.SELF_READ  # whoever is known at all
    table = RouteTable(
        [
            Route(get, "/status", show_status, Permission.STATUS_READ, Reach.SERVICE, StatusShown),
            Route(get, "/openapi.json", show_openapi, openapi, some, OpenApiShown),
            *AdminCustomers(desks.customers).routes(),
            *AdminOperators(desks.operators).routes(),
            *AdminClients(desks.clients).routes(),
            *AdminUsage(desks.usage, desks.clients).routes(),
            *AdminUptime(desks.uptime, desks.clients, desks.customers, desks.zone).routes(),
            *AdminMaintenance(desks.maintenance).routes(),
            *AdminProbe(desks.probes).routes(),
            *AdminIncidents(desks.incidents, desks.customers, desks.probes).routes(),
            *AdminStatusPage(desks.status_page).routes(),
            *AdminNotices(desks.notices).routes(),
            *AdminFleet(desks.fleet, desks.advisories).routes(),
            *AdminFleetHolders(desks.holders, desks.advisories).routes(),
            *AdminFleetAdvisories(desks.fleet, desks.advisories).routes(),
            *AdminFleetRoots(desks.roots).routes(),
            *AdminFleetRetention(desks.fleet_retention).routes(),
            *AdminKeys(desks.keys).routes(),
            *AdminMinting(desks.minting).routes(),
            *AdminMoving(desks.moving, translate=problem_of).routes(),
            *AdminJournal(desks.journal).routes(),
            *AdminLedger(desks.ledger).routes(),
            *AdminBackups(desks.fence, desks.backups).routes(),
            *AdminVault(desks.vault).routes(),
            *AdminReports(desks.analyses, desks.customers).routes(),
            *AdminCustomerReports(desks.customer_reports, desks.report_mail).routes(),
        ],
        _objects(desks),
    )
    # Made when somebody asks: a service that starts has other things to do.
    description = functools.cache(lambda: document(table.routes))
    return table


def _objects(desks: Desks) -> Mapping[Reach, Objects]:
    """Return how the objects that paths name are looked up, and what an absent one is called."""

    async def of_customer(named: Mapping[str, str]) -> int | None:
        return (await desks.customers.show(int(named["customer_id"]))).customer_id

    async def of_client(named: Mapping[str, str]) -> int | None:
        return (await desks.clients.show(int(named["client_id"]))).details.customer_id

    async def of_operator(named: Mapping[str, str]) -> int | None:
        return (await desks.operators.show(named["name"])).customer_id

    return {
        Reach.CUSTOMER: Objects(
            of_customer, lambda named: UnknownCustomerError(int(named["customer_id"]))
        ),
        Reach.CLIENT: Objects(of_client, lambda named: UnknownClientError(int(named["client_id"]))),
        Reach.OPERATOR: Objects(of_operator, lambda named: UnknownOperatorError(named["name"])),
    }


def admin_app(desks: Desks, authenticate: Authenticate) -> web.Application:
    """Return the application of an admin door. authenticate: how that door knows who asks."""
    table = admin_routes(desks)

    async def admit(request: web.Request) -> None:
        request[CALLER] = await authenticate(request)
        await table.let_past(request)

    @web.middleware
    async def let_in(request: web.Request, handler: _Handler) -> web.StreamResponse:
        await admit(request)
        request[ADMISSION] = Admission(functools.partial(admit, request))
        return await handler(request)

    app = web.Application(middlewares=[_translate, let_in])
    app.on_response_prepare.append(_guard_headers)
    table.register(app)
    return app


@web.middleware
async def _translate(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn every refusal and fault into a problem."""
    allow = ""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        allow = refusal.headers.get(hdrs.ALLOW, "")
        problem = _of_http(refusal)
    except Exception as fault:  # noqa: BLE001 - a door: what it does not know is a plain 500
        problem = problem_of(fault)
    return problem_answer(problem, allow=allow)


async def _guard_headers(_: web.Request, answer: web.StreamResponse) -> None:
    """Keep an answer out of caches and the library's version out of it, also when it streams."""
    answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    answer.headers[hdrs.SERVER] = SERVER_NAME


def _of_http(refusal: web.HTTPException) -> ProblemError:
    """Translate a refusal of aiohttp's own, whose words may quote the request."""
    status = HTTPStatus(refusal.status)
    words = {
        HTTPStatus.NOT_FOUND: "there is nothing at this path",
        HTTPStatus.METHOD_NOT_ALLOWED: "this path knows other methods only",
    }
    return ProblemError(status, words.get(status, status.description or status.phrase))


_REFUSALS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (UnknownClientError, HTTPStatus.NOT_FOUND),
    (UnknownCustomerError, HTTPStatus.NOT_FOUND),
    (UnknownContactError, HTTPStatus.NOT_FOUND),
    (UnknownOperatorError, HTTPStatus.NOT_FOUND),
    (UnknownTokenError, HTTPStatus.NOT_FOUND),
    (UnknownKeyError, HTTPStatus.NOT_FOUND),
    (UnknownEntryError, HTTPStatus.NOT_FOUND),
    (UnknownHostError, HTTPStatus.NOT_FOUND),
    (UnknownFleetKeyError, HTTPStatus.NOT_FOUND),
    (UnknownAdvisoryError, HTTPStatus.NOT_FOUND),
    (UntrustedFileError, HTTPStatus.FORBIDDEN),
    (OldEditionError, HTTPStatus.CONFLICT),
    (OvertakenError, HTTPStatus.CONFLICT),
    (DecidedError, HTTPStatus.CONFLICT),
    (NotHardwareError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (HostEnrolledError, HTTPStatus.CONFLICT),
    (EditionRefusedError, HTTPStatus.CONFLICT),
    (UnknownHolderError, HTTPStatus.NOT_FOUND),
    (UnknownClaimError, HTTPStatus.NOT_FOUND),
    (UnknownMaintenanceError, HTTPStatus.NOT_FOUND),
    (MaintenanceStateError, HTTPStatus.CONFLICT),
    (OverlapError, HTTPStatus.CONFLICT),
    (KsmError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RotationError, HTTPStatus.CONFLICT),
    (FenceError, HTTPStatus.CONFLICT),
    (GoalError, HTTPStatus.CONFLICT),
    (StaleSealError, HTTPStatus.CONFLICT),
    (KeyNotActivatedError, HTTPStatus.CONFLICT),
    (MintError, HTTPStatus.CONFLICT),
    (ReleaseGoneError, HTTPStatus.CONFLICT),
    (WrongStationError, HTTPStatus.CONFLICT),
    (IllegalTransitionError, HTTPStatus.CONFLICT),
    (CustomerChangedError, HTTPStatus.CONFLICT),
    (OperatorExistsError, HTTPStatus.CONFLICT),
    (TooManyTokensError, HTTPStatus.CONFLICT),
    (JournalDamagedError, HTTPStatus.CONFLICT),
    (LedgerDamagedError, HTTPStatus.CONFLICT),
    (UnknownLedgerEntryError, HTTPStatus.NOT_FOUND),
    (NotErasableError, HTTPStatus.CONFLICT),
    (WitnessError, HTTPStatus.INSUFFICIENT_STORAGE),
    (ImportUnderWayError, HTTPStatus.CONFLICT),
    (ImportEndedError, HTTPStatus.REQUEST_TIMEOUT),
    (NoImportError, HTTPStatus.CONFLICT),
    (ConflictError, HTTPStatus.CONFLICT),
    (RotatingError, HTTPStatus.CONFLICT),
    (RangeError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ReportStateError, HTTPStatus.CONFLICT),
    (RegulatoryStateError, HTTPStatus.CONFLICT),
    (UnknownIncidentError, HTTPStatus.NOT_FOUND),
    (AmendingError, HTTPStatus.FORBIDDEN),
    (IncidentStateError, HTTPStatus.CONFLICT),
    (StepRefusedError, HTTPStatus.CONFLICT),
    (IncidentInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InstantError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (CalendarError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnknownDeliveryError, HTTPStatus.NOT_FOUND),
    (NobodyToldError, HTTPStatus.NOT_FOUND),
    (ForeignProberError, HTTPStatus.FORBIDDEN),
)
"""What the rooms refuse, in words that are meant for the operator."""

_OUTAGES: tuple[tuple[type[Exception], str], ...] = (
    (
        UnknownOutcomeError,
        "whether the change was stored is not known: look, and repeat it if it was not",
    ),
    (StoreError, "the store does not answer; nothing was changed. Try again when it is back"),
    (VaultError, "the vault does not answer; nothing was changed. Try again when it is back"),
)


def problem_of(fault: Exception) -> ProblemError:
    """Translate what the rooms raise; what is not known here is logged and stays unsaid."""
    if isinstance(fault, ProblemError):
        return fault
    for kind, status in _REFUSALS:
        if isinstance(fault, kind):
            line = fault.line if isinstance(fault, KsmError) else None
            return ProblemError(status, str(fault), line=line)
    for kind, detail in _OUTAGES:
        if isinstance(fault, kind):
            _log.error("administration_failed", **describe_fault(fault))
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    request_id = secrets.token_hex(8)
    _log.error("administration_fault", request_id=request_id, **describe_fault(fault))
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"an unforeseen fault; the service's log has it under request id {request_id}",
    )
