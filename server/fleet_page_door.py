"""The pages of the fleet with the rooms behind them, and what Prometheus sees of them."""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, Metric

from server.accounts.operators import OperatorDesk
from server.clock import Clock
from server.config import Config
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.desk import FleetDesk
from server.fleet.holder_desk import HolderDesk
from server.fleet.view import FleetView
from server.fleet_page import places
from server.foundation import Store
from server.web.bearers import Bearers
from server.web.fleet_gate import FleetGate
from server.web.fleet_pages import FleetPages
from server.web.lockout import Lockout
from server.web.sessions import Sessions
from server.web.source import SourceReader


def add_fleet_pages(
    stack: AsyncExitStack,
    ops: web.Application,
    config: Config,
    *,
    desk: FleetDesk,
    holders: HolderDesk,
    advisories: AdvisoryDesk,
    operators: OperatorDesk,
    store: Store,
    clock: Clock,
    outcomes: Counter[str],
) -> None:
    """Serve the pages on the operations door's application until `stack` ends.

    outcomes: where it is counted how requests end.
    """
    admin = config.admin
    view = FleetView(desk, holders, advisories, store, clock=clock)
    stack.push_async_callback(view.close)
    sources = SourceReader([ipaddress.ip_network(n) for n in config.limits.trusted_proxies])
    lockout = Lockout(attempts=admin.wrong_tokens, lockout_s=admin.lockout_seconds, clock=clock)
    bearers = Bearers(operators, lockout=lockout, sources=sources)
    gate = FleetGate(operators, bearers, sources, Sessions(clock=clock), outcomes)
    ops.add_subapp(places.ROOT, FleetPages(view, gate, outcomes, clock=clock).app())


def fleet_page_families(outcomes: Mapping[str, int]) -> Iterator[Metric]:
    """Yield how requests ended."""
    family = CounterMetricFamily(
        "keystead_fleet_page_requests",
        "Requests for the pages of the fleet, by outcome.",
        labels=["outcome"],
    )
    for outcome in sorted(outcomes):
        family.add_metric([outcome], outcomes[outcome])
    yield family
