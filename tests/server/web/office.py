"""The admin door on a Unix socket, with real desks over a store in memory."""

import json
import secrets
import socket
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web

from hsm.journalkey import JournalKey
from server.accounts.clients import ClientDesk
from server.accounts.customers import CustomerDesk
from server.accounts.operators import OperatorDesk
from server.counter_journal.desk import FenceDesk
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.advisory_file import shipped
from server.fleet.desk import FleetDesk
from server.fleet.holder_desk import HolderDesk
from server.fleet.retention import Kept
from server.fleet.retention_desk import RetentionDesk
from server.fleet.roots_desk import RootsDesk
from server.fleet.shelf import Shelf
from server.incidents.components import Component
from server.incidents.desk import IncidentDesk
from server.journal.desk import JournalDesk
from server.ledger.desk import LedgerDesk
from server.maintenance.desk import MaintenanceDesk
from server.metrics.tally import Tally
from server.moving.desk import MovingDesk
from server.notices.desk import NoticeDesk
from server.notices.report_mail import ReportMailDesk
from server.otp.keys import KeyDesk
from server.probing.desk import ProbeDesk
from server.provisioning.desk import MintingDesk
from server.report_care import REFUSALS, WrittenReports
from server.reports.analysis_desk import AnalysisDesk
from server.reports.customer_desk import CustomerReportDesk
from server.reports.regulatory import Regime
from server.resealing.desk import VaultDesk
from server.status.reader import Shown, SnapshotReader
from server.uptime.desk import UptimeDesk
from server.usage.desk import UsageDesk
from server.web.admin import Authenticate, Desks, admin_app
from server.web.admin_status_page import StatusPageDesk
from server.web.local_peers import Identify, LocalPeers
from server.web.peer import peer_uid
from server.web.runner import Serving, serve
from tests.server.fleet.advisory_files import PUBLIC
from tests.server.journal.copies import Copies
from tests.server.memory_keys import MemoryKeys
from tests.server.memory_store import MemoryStore
from tests.server.moving_bench import bench
from tests.server.notices.boards import StillBoard
from tests.server.still_clock import StillClock
from tests.server.web.peer import Peer, Reply
from validation.gcra import UNLIMITED, Policy, Rate

LEFT_OUT = 9
"""The Client ID of a prober."""

KEY = JournalKey.generate()
KEPT = Kept(730, 400, 30, 30, 400)
DEFAULT = Policy(Rate.per_second(10, 50), UNLIMITED)


SHOWN = Shown(
    "Example OTP",
    tuple(Component),
    date(2026, 1, 1),
    ZoneInfo("UTC"),
    min_requests=1,
    left_out=frozenset({LEFT_OUT}),
)


class Answer(NamedTuple):
    """An answer of the admin API. json: its body read."""

    status: int
    json: Any
    reply: Reply


class Office(NamedTuple):
    """A served admin door."""

    path: Path
    store: MemoryStore
    clock: StillClock
    serving: Serving

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        token: str = "",
    ) -> Answer:
        """Make one call on a connection of its own. body: sent as JSON; raw: sent as it is."""
        octets = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        fields = {"Host": "localhost", "Connection": "close"}
        if token:
            fields["Authorization"] = f"Bearer {token}"
        if octets:
            fields |= {"Content-Type": content_type, "Content-Length": str(len(octets))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        async with Peer(str(self.path), None) as peer:
            peer.send(f"{method} /api/v1{path} HTTP/1.1\r\n{head}\r\n".encode() + octets)
            reply = await peer.reply(head=method == "HEAD")
        return Answer(reply.status, _last_json(reply), reply)


def _last_json(reply: Reply) -> Any:  # noqa: ANN401 - JSON
    """Return the body's JSON, the last line's if it is lines of it, None for other text."""
    kind = reply.all("Content-Type")
    if not reply.body or not any("json" in one for one in kind):
        return None
    lines = reply.body.splitlines() if "application/x-ndjson" in kind else [reply.body]
    return json.loads(lines[-1])


def office_desks(store: MemoryStore, clock: StillClock, imports: Path) -> Desks:
    """Return all desks over a store; imports gather in the directory `imports`."""
    keys = MemoryKeys()
    vault = keys.vault

    async def status() -> Mapping[str, object]:
        return {
            "version": "0.1.0",
            "pid": 1,
            "environment": "development",
            "store": "sqlite",
            "workers": 1,
            "sealing_key": "00",
        }

    async def draw(octets: int) -> bytes:
        return secrets.token_bytes(octets)

    shelf = Shelf(shipped(), trusted=[PUBLIC])
    uptime = UptimeDesk(store, store, left_out=frozenset({LEFT_OUT}))
    reports = CustomerReportDesk(
        CustomerDesk(store),
        ClientDesk(store, vault, clock=clock, default_policy=DEFAULT),
        uptime,
        store,
        keystead="0.1.0",
    )
    return Desks(
        clients=ClientDesk(store, vault, clock=clock, default_policy=DEFAULT),
        customers=CustomerDesk(store),
        operators=OperatorDesk(store, clock=clock),
        keys=KeyDesk(store, vault),
        minting=MintingDesk(store, vault, draw),
        moving=MovingDesk(store, vault, partial(bench, vault, imports)),
        journal=JournalDesk(store, KEY, Copies()),
        ledger=LedgerDesk(store, KEY, Copies()),
        fence=FenceDesk(store, store="store-1"),
        backups=store,
        usage=UsageDesk(store, frozenset({LEFT_OUT})),
        vault=VaultDesk(store, keys),
        maintenance=MaintenanceDesk(store),
        probes=ProbeDesk(store, store, store),
        incidents=IncidentDesk(store),
        notices=NoticeDesk(store, StillBoard()),
        uptime=uptime,
        analyses=AnalysisDesk(store, IncidentDesk(store), uptime, store, tuple(Regime)),
        customer_reports=reports,
        report_mail=ReportMailDesk(
            store, StillBoard(), WrittenReports(reports, CustomerDesk(store), store), REFUSALS
        ),
        zone=ZoneInfo("UTC"),
        status_page=StatusPageDesk(
            SnapshotReader(store, uptime, SHOWN, clock=clock), "https://otp.example.org/status"
        ),
        fleet=FleetDesk(store, shelf, clock=clock),
        holders=HolderDesk(store, plain=True),
        advisories=AdvisoryDesk(store, store, shelf),
        roots=RootsDesk(store, ()),
        fleet_retention=RetentionDesk(store, KEPT),
        status=status,
    )


def office_app(
    store: MemoryStore, clock: StillClock, imports: Path, identify: Identify = peer_uid
) -> web.Application:
    """Return the admin application over a store, for this host's users."""
    return admin_app(office_desks(store, clock, imports), LocalPeers(identify))


async def open_office(
    directory: Path,
    identify: Identify = peer_uid,
    authenticate: Authenticate | None = None,
    *,
    store: MemoryStore | None = None,
    clock: StillClock | None = None,
) -> Office:
    """Serve an admin door on a socket in `directory`."""
    clock = clock or StillClock()
    store = store or MemoryStore(clock=clock, default_policy=DEFAULT)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "admin.sock"))
    desks = office_desks(store, clock, directory / "imports")
    app = admin_app(desks, authenticate or LocalPeers(identify))
    serving = await serve(app, [listener], tally=Tally.in_memory())
    return Office(directory / "admin.sock", store, clock, serving)
