"""Locust as a program: started with a plan, watched, and stopped by its own pid."""

import os
import select
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

    Whatever ends this function stops Locust, by its pid; LocustError when it hangs.
    """
    # Settings of Locust's own in the environment would outrank nothing here but confuse.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCUST_")}
    locust = subprocess.Popen(  # noqa: S603 - Locust with our own file
        command(plan, plan_file, reports),
        cwd=plan_file.parent,  # a locust.conf of whoever calls us is not read
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    give_up_us = plan.clock.now_us() + round((plan.load.duration_s + _LATE_S) * 1_000_000)
    try:
        while (code := locust.poll()) is None:
            if plan.clock.now_us() > give_up_us:
                raise LocustError("Locust did not end by itself")
            meanwhile()
            select.select([], [], [], _LOOK_EVERY_S)
    finally:
        _stop(locust)
    return code


def _stop(locust: subprocess.Popen[bytes]) -> None:
    if locust.poll() is None:
        locust.terminate()
        try:
            locust.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            locust.kill()
            locust.wait()
