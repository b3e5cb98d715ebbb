"""The options of `python -m loadtest`."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from loadtest.exits import Exit
from loadtest.keyfile import SESSIONS_PER_RUN
from loadtest.shapes import Shape

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_MAX_PROCESSES = 64
_MAX_USERS = 100_000


def duration(text: str) -> float:
    """Read `90`, `90s`, `2m` or `24h` as seconds."""
    match = _DURATION.fullmatch(text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 2m or 24h")
    return float(match[1]) * _UNITS[match[2]]


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of numbers in a range."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not within {least:g} to {most:g}")
        return value

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in a range."""

    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not within {least} to {most}")
        return value

    return read


def parser() -> argparse.ArgumentParser:
    """Return the parser. Secrets come by file only."""
    codes = "; ".join(f"{int(code)} {code.name.lower()}" for code in Exit)
    options = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Load a validation service, and prove from a ledger that it was safe.",
        epilog=f"Exit codes: {codes}. docs/load-testing.md tells more.",
    )
    target = options.add_argument_group("what is put under load")
    target.add_argument("--target", metavar="URL", help="as in http://127.0.0.1:8080")
    target.add_argument("--keys", type=Path, metavar="FILE", help="made by loadtest.keyfile")
    target.add_argument("--clients", type=Path, metavar="FILE", help="see loadtest/clients.py")
    target.add_argument(
        "--own-server",
        action="store_true",
        help="instead: a fresh Keystead in a temporary folder, stopped afterwards",
    )
    target.add_argument(
        "--workers", type=whole(1, 64), default=2, help="of the own server (default 2)"
    )
    target.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="a host of yours, other than the loopback, that may be loaded; may be repeated",
    )
    load = options.add_argument_group("the load")
    load.add_argument("--duration", type=duration, default=120.0, help="90s, 2m, 24h (default 2m)")
    load.add_argument("--users", type=whole(1, _MAX_USERS), default=40, help="at most (default 40)")
    load.add_argument("--shape", type=Shape, choices=list(Shape), default=Shape.STEADY)
    load.add_argument(
        "--processes", type=whole(1, _MAX_PROCESSES), default=1, help="of Locust (default 1)"
    )
    load.add_argument(
        "--pause",
        type=number(0.001, 3600),
        default=0.2,
        metavar="SECONDS",
        help="between two acts of a user, on average (default 0.2)",
    )
    load.add_argument(
        "--sessions",
        type=whole(1, 30_000),
        default=SESSIONS_PER_RUN,
        help=f"of each key that the run may use, 256 OTPs each (default {SESSIONS_PER_RUN})",
    )
    proof = options.add_argument_group("the proof")
    proof.add_argument(
        "--keystead",
        metavar="COMMAND",
        help='the service\'s command line, as in "keystead --data /var/lib/keystead": reads the'
        " keys' counters before, during and after the run",
    )
    proof.add_argument("--metrics", metavar="URL", help="the service's /metrics")
    proof.add_argument(
        "--alone", action="store_true", help="nobody else asks the service during the run"
    )
    proof.add_argument(
        "--tolerate-unavailable",
        action="store_true",
        help="BACKEND_ERROR and silence are failures, and do not end the run",
    )
    limits = options.add_argument_group("thresholds")
    limits.add_argument("--p99-ms", type=number(0, 1e6), help="the 99th percentile, at most")
    limits.add_argument(
        "--max-failure-share", type=number(0, 1), default=0.001, help="default 0.001"
    )
    limits.add_argument("--min-rate", type=number(0, 1e6), help="answers a second, at least")
    options.add_argument(
        "--reports", type=Path, default=Path("load-reports"), help="default ./load-reports"
    )
    return options
