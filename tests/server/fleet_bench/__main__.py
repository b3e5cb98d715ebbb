"""`python -m tests.server.fleet_bench`: a fleet of a million keys, and what its reports cost.

For each store: verifications at a pace without reports, with them, and without again, in one run;
how many reports are taken when nothing holds them back, beside a bare handler that checks one
signature (R); then searches among all keys through the operator's door. Only ratios within a run
mean something: print the load of the machine with them.
"""

import argparse
import contextlib
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from loadtest.bench.estate import Store  # noqa: TC001 - used by cast
from loadtest.bench.processes import free_port, processor_seconds, running
from tests.server.fleet_bench.estate import Size, Standing, standing
from tests.server.fleet_bench.laptops import Laptop
from tests.server.fleet_bench.letters import describe, kind_of, letter, write
from tests.server.fleet_bench.posting import Posting, posting
from tests.server.fleet_bench.searching import searches

_SEED = "bench"
_WARM_S = 5
_CONNECTIONS, _MANY = 250, 400
"""Each waits for its batch, of which one is begun every quarter of a second at the soonest."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit code 1 when an answer was not what it should be."""
    asked = _parser().parse_args(arguments)
    _say(
        f"python -m tests.server.fleet_bench {' '.join(sys.argv[1:])}\n{platform.platform()},"
        f" {os.cpu_count()} processors, Python {platform.python_version()},"
        f" load before {os.getloadavg()[0]:.1f}; {asked.keys:,} keys"
    )
    faults: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = asked.cache
        if folder is None:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="keystead-fleet-"))
            )
        folder.mkdir(parents=True, exist_ok=True)
        # PostgreSQL runs as somebody else when we are root, and has to find its folder.
        folder.chmod(0o711)
        if "reports" in asked.parts:
            faults += _reference(asked, folder)
        for store in cast("list[Store]", asked.stores):
            place = folder / f"{store}-{asked.keys}"
            fleet_of = Size(asked.keys, asked.reporters)
            with standing(place, store, _SEED, fleet_of, asked.workers) as fleet:
                _say(f"\n{store}: {fleet.size_mb:,.0f} MB, filled in {fleet.filled_s:.0f} s")
                if "reports" in asked.parts:
                    faults += _reports(asked, fleet, folder)
                if "searches" in asked.parts:
                    faults += _searches(asked, fleet)
            if asked.cache is None:
                shutil.rmtree(place)
    _say(f"\nload after {os.getloadavg()[0]:.1f}")
    for fault in faults:
        _say(f"VOID: {fault}")
    return 1 if faults else 0


def _reference(asked: argparse.Namespace, folder: Path) -> list[str]:
    """Print what the bare handler does."""
    laptop, day = Laptop(_SEED, 0), datetime.now(UTC).date()
    file, count = folder / "reference.letters", asked.seconds * 1_000
    one = letter(laptop, 2, day, "again")
    write(file, (one for _ in range(count)))
    port = free_port()
    command = [sys.executable, "-m", "tests.server.fleet_bench.reference", str(port)]
    command.append(laptop.public_key.hex())
    with running(command, ready="ready", log=folder / "reference.log") as pid:
        before = processor_seconds(pid)
        with posting(port, file, per_s=0, connections=_CONNECTIONS) as post:
            sent = post.result()
        spent = processor_seconds(pid) - before
    _tell("R, a bare handler that checks a signature", sent, spent / count)
    return [] if set(sent.answers) == {"202"} else [f"R answered {sent.answers}"]


def _reports(asked: argparse.Namespace, fleet: Standing, folder: Path) -> list[str]:
    faults: list[str] = []
    _say(f"of every hundred reports: {describe(100)}")
    # Every key has validated once or twice, and the machine has settled.
    fleet.verify(asked.verify_per_s, _WARM_S)
    for _ in range(asked.rounds):
        idle, _ = fleet.processor_seconds()
        alone = fleet.verify(asked.verify_per_s, asked.seconds)
        used = (fleet.processor_seconds()[0] - idle) / asked.seconds
        _say(f"verifications alone: {alone}; processor time of the service {used:.0%} of one")
        file, count = folder / "paced.letters", asked.per_s * asked.seconds
        _write(fleet, file, count)
        before, database = fleet.processor_seconds()
        with posting(fleet.fleet_port, file, per_s=asked.per_s, connections=_CONNECTIONS) as post:
            beside = fleet.verify(asked.verify_per_s, asked.seconds)
            sent = post.result()
        after, database_after = fleet.processor_seconds()
        _say(f"verifications beside {sent.per_s:,.0f} reports/s: {beside}")
        _say(
            f"  reports: p50 {sent.p50_ms:.0f} ms, p99 {sent.p99_ms:.0f} ms; processor time of the"
            f" service {(after - before) / asked.seconds:.0%} of one, of the database"
            f" {(database_after - database) / asked.seconds:.0%}; ratio of the p99:"
            f" {beside.p99_us / alone.p99_us:.2f}; answers {sent.answers}"
        )
        faults += [one.fault for one in (alone, beside) if one.fault]
        if set(sent.answers) != {"202"}:
            faults.append(f"reports were answered {sent.answers}")
    file, count = folder / "free.letters", asked.seconds * 700
    _write(fleet, file, count)
    before, database = fleet.processor_seconds()
    with posting(fleet.fleet_port, file, per_s=0, connections=_MANY) as post:
        sent = post.result()
    after, database_after = fleet.processor_seconds()
    _tell("reports without a pace", sent, (after - before) / count)
    _say(f"  the database: {(database_after - database) / count * 1e6:,.0f} us a report")
    return faults


def _write(fleet: Standing, file: Path, count: int) -> None:
    """Write the next `count` reports, of as many laptops as there are."""
    began = time.perf_counter()

    def letters() -> Iterator[bytes]:
        for number in range(count):
            laptop, sequence = fleet.next_reporter()
            yield letter(laptop, sequence, datetime.now(UTC).date(), kind_of(number))

    write(file, letters())
    _say(f"  ({count:,} reports signed in {time.perf_counter() - began:.0f} s)")


def _searches(asked: argparse.Namespace, fleet: Standing) -> list[str]:
    took: list[float] = []
    for name, times in searches(fleet, asked.searches):
        times.sort()
        took += times
        _say(
            f"search {name}: p50 {statistics.median(times) * 1e3:.1f} ms,"
            f" p95 {times[len(times) * 95 // 100] * 1e3:.1f} ms, worst {times[-1] * 1e3:.1f} ms"
        )
    took.sort()
    _say(f"all searches: p95 {took[len(took) * 95 // 100] * 1e3:.1f} ms of {len(took):,}")
    return []


def _tell(what: str, sent: Posting, each_s: float) -> None:
    _say(
        f"{what}: {sent.per_s:,.0f}/s, {each_s * 1e6:,.0f} us of processor time each,"
        f" p99 {sent.p99_ms:.0f} ms; answers {sent.answers}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.server.fleet_bench", description=__doc__)
    parser.add_argument("--keys", type=int, default=int(os.environ.get("KEYS", "1000000")))
    parser.add_argument("--reporters", type=int, default=40_000, help="laptops that report")
    parser.add_argument("--stores", nargs="+", choices=["sqlite", "postgres"])
    parser.add_argument("--parts", nargs="+", choices=["reports", "searches"])
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("SECONDS", "20")))
    parser.add_argument("--rounds", type=int, default=2, help="with and without reports")
    parser.add_argument("--per-s", type=int, default=500, help="reports a second")
    parser.add_argument("--verify-per-s", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=1, help="processes that verify")
    parser.add_argument("--searches", type=int, default=20, help="of each kind")
    parser.add_argument("--cache", type=Path, help="keeps the stores for the next run")
    parser.set_defaults(stores=["sqlite", "postgres"], parts=["reports", "searches"])
    return parser


if __name__ == "__main__":
    sys.exit(main())
