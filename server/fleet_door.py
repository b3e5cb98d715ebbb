"""The door of endpoint agents, with the room behind it, and what Prometheus sees of it."""

import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, Metric

from server.config import Config
from server.fleet.health import Judging
from server.fleet.policy import SERIAL_KEY, SERIAL_KEY_OCTETS, FleetPolicy
from server.fleet.reception import Reception
from server.foundation import Store
from server.metrics.tally import Tally
from server.web.fleet import FleetDoor
from server.web.guard import Caps
from server.web.runner import serve

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate


async def open_fleet_door(
    stack: AsyncExitStack,
    config: Config,
    store: Store,
    *,
    listener: socket.socket,
    caps: Caps,
    certificate: "ServedCertificate | None",
    judging: Callable[[], Judging],
) -> Reception:
    """Take enrolments and reports until `stack` ends; what was accepted by then is stored.

    judging: tells by what keys are judged now.
    """
    proposed = secrets.token_bytes(SERIAL_KEY_OCTETS).hex()
    wanted = config.fleet
    policy = FleetPolicy(
        bytes.fromhex(await store.settle_meta(SERIAL_KEY, proposed)),
        wanted.serial,
        wanted.attached,
        wanted.certificate_names,
        wanted.openpgp_fingerprints,
        wanted.interval_seconds,
    )
    reception = Reception(store, policy, judging=judging)
    stack.push_async_callback(reception.close)
    # A tally of its own: the other one counts connections of clients.
    door = await serve(
        FleetDoor(reception).app(),
        [listener],
        tally=Tally.in_memory(),
        caps=caps,
        grace_s=config.http.drain_seconds,
        tls=certificate,
    )
    stack.push_async_callback(door.stop)
    return reception


def fleet_families(outcomes: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what was answered at the door."""
    family = CounterMetricFamily(
        "keystead_fleet_requests",
        "Enrolments and reports of endpoint agents, by outcome.",
        labels=["outcome"],
    )
    for outcome in sorted(outcomes):
        family.add_metric([outcome], outcomes[outcome])
    yield family
