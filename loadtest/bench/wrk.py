"""Debian's wrk: one thread that asks as fast as the answers come, and looks at each of them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_SCRIPT = Path(__file__).with_name("wrk.lua")
_PREFIX = "RESULT "


class WrkMissingError(Exception):
    """There is no wrk on this machine."""


class Shot(NamedTuple):
    """One run of wrk. Latencies are microseconds, per_s counts good answers only.

    fault: why the figure is void; "" when every single answer was a fresh OK.
    """

    ok: int
    per_s: float
    p50_us: int
    p99_us: int
    max_us: int
    fault: str


def require_wrk() -> str:
    """Return wrk's path; WrkMissingError says how to get it."""
    program = shutil.which("wrk")
    if program is None:
        raise WrkMissingError("wrk is missing: apt-get install wrk (Debian), brew install wrk")
    return program


def shoot(
    port: int,
    targets: Path,
    *,
    connections: int,
    seconds: int,
    once: bool,
    numbered: bool = False,
) -> Shot:
    """Ask for `seconds` over `connections` keep-alive connections; each target at most once.

    once=False allows the targets to be sent again: for R, which does not look at them.
    numbered: give every request a head of its own, so that it is no repeat of another.
    """
    ended = subprocess.run(  # noqa: S603 - Debian's wrk, our own arguments
        [
            require_wrk(),
            "--threads=1",
            f"--connections={connections}",
            f"--duration={seconds}s",
            "--timeout=10s",
            f"--script={_SCRIPT}",
            f"http://127.0.0.1:{port}",
            "--",
            str(targets),
            *(["numbered"] if numbered else []),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=True,
    )
    line = next(text for text in ended.stdout.splitlines() if text.startswith(_PREFIX))
    return read_result(line.removeprefix(_PREFIX), once=once)


def read_result(text: str, *, once: bool) -> Shot:
    """Judge what the script printed (see `done` in wrk.lua)."""
    result = json.loads(text)
    faults = []
    if result["refused"]:
        faults.append(f"{result['refused']} answers were not OK, first: {result['first_refusal']}")
    if result["broken"]:
        faults.append(f"{result['broken']} connections broke or timed out")
    if once and result["sent"] > result["prepared"]:
        faults.append(f"only {result['prepared']} requests were prepared: too few")
    if not result["ok"]:
        faults.append("no answer was OK")
    return Shot(
        ok=result["ok"],
        per_s=result["ok"] / (result["duration_us"] / 1e6),
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        max_us=result["max_us"],
        fault="; ".join(faults),
    )
