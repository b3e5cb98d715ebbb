"""What a process that owns the store does for the fleet: which advisories stand, judging keys."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from server.clock import Clock
from server.config import Config
from server.fleet.advisory_file import shipped
from server.fleet.shelf import Shelf
from server.foundation import Store
from server.health_rules_file import load_rules
from server.jobs.fleet_judging import FleetJudging
from server.jobs.runner import run_jobs
from server.otp.ports import StoreError

_log = structlog.stdlib.get_logger(__name__)

ASK_S = 5.0
"""How often to ask whether keys are to be judged: somebody waits for what a new file says."""

LOOK_S = 10.0
"""How long a file that another process loaded may be unknown here."""


async def open_shelf(config: Config, store: Store) -> Shelf:
    """Return the advisories and rules that stand; ConfigError for a file of rules with faults."""
    keys = [bytes.fromhex(key) for key in config.fleet.advisory_keys]
    shelf = Shelf(shipped(), trusted=keys, own=load_rules(config.fleet.health_rules))
    await shelf.refresh(store)
    for passed in shelf.passed_over:
        _log.warning("advisories_not_believed", edition=passed.loaded.edition, error=passed.why)
    return shelf


def watch_shelf(stack: AsyncExitStack, store: Store, shelf: Shelf) -> None:
    """Look for files that other processes load until `stack` ends."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await shelf.refresh(store)
            except StoreError:
                continue  # it is alarmed about elsewhere, and what stands still stands

    task = asyncio.get_running_loop().create_task(watch())
    stack.callback(task.cancel)


def judge_keys(stack: AsyncExitStack, store: Store, shelf: Shelf, clock: Clock) -> None:
    """Judge keys anew beside the service, one process at a time, until `stack` ends."""
    run_jobs(stack, store, clock, [FleetJudging(store, shelf, clock=clock).job], ask_s=ASK_S)
