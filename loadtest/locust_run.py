"""Locust as a program: started with a plan, watched, and stopped by its own pid."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from loadtest.bench.processes import free_port
from loadtest.plan import Plan

_FILE = Path(__file__).with_name("locustfile.py")
_STOP_TIMEOUT_S = 3
_STOP_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.2
_LATE_S = 120.0
"""A run that is so much longer than planned hangs."""


class LocustError(Exception):
    """Locust did not end as it should."""


def command(plan: Plan, plan_file: Path, reports: Path) -> list[str]:
    """Return Locust's command line. Secrets are in the plan's file, not here."""
    words = [sys.executable, "-m", "locust", "-f", str(_FILE), "--headless", "--only-summary"]
    words += ["--host", plan.target, "--keystead-plan", str(plan_file)]
    words += ["--csv", str(reports / "load"), "--html", str(reports / "report.html")]
    words += ["--loglevel", "WARNING", "--stop-timeout", str(_STOP_TIMEOUT_S)]
    words += ["--exit-code-on-error", "0"]  # failures are counted from the ledger
    if plan.processes > 1:
        port = str(free_port())
        words += ["--processes", str(plan.processes), "--expect-workers-max-wait", "60"]
        words += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        words += ["--master-port", port]
    return [*words, "Person", "Eavesdropper", *(["Crowd"] if plan.clients.over else [])]


def run_locust(plan: Plan, plan_file: Path, reports: Path, meanwhile: Callable[[], None]) -> int:
    """Run Locust to its end and return its exit code; `meanwhile` is called again and again.

    Whatever ends this function, no process of Locust is left; LocustError when one hangs.
    """
    # Settings of Locust's own in the environment would outrank nothing here but confuse.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCUST_")}
    # Locust's master does not wait for its workers. All of them hold the pipe's other end, so it
    # is closed when the last is gone; and while one is left, their process group is still ours.
    alive, held = os.pipe()
    try:
        locust = subprocess.Popen(  # noqa: S603 - Locust with our own file
            command(plan, plan_file, reports),
            cwd=plan_file.parent,  # a locust.conf of whoever calls us is not read
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=[held],
            start_new_session=True,
        )
        os.close(held)
        try:
            _watch(locust, alive, plan, meanwhile)
        finally:
            _stop(locust, alive)
    finally:
        os.close(alive)
    return locust.returncode


def _watch(
    locust: subprocess.Popen[bytes], alive: int, plan: Plan, meanwhile: Callable[[], None]
) -> None:
    """Wait for the end of all processes."""
    give_up_us = plan.clock.now_us() + round((plan.load.duration_s + _LATE_S) * 1_000_000)
    while not _all_gone(alive, _LOOK_EVERY_S):
        if plan.clock.now_us() > give_up_us:
            raise LocustError("Locust did not end by itself")
        if locust.poll() is None:
            meanwhile()


def _all_gone(alive: int, within_s: float) -> bool:
    return bool(select.select([alive], [], [], within_s)[0])


def _stop(locust: subprocess.Popen[bytes], alive: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _all_gone(alive, 0):
            os.killpg(locust.pid, number)
            _all_gone(alive, _STOP_WITHIN_S)
    locust.wait()
