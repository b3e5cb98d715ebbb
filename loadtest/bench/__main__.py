"""`python -m loadtest.bench`: measure, print, write a report; exit code 1 for a void figure."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from loadtest.bench import report
from loadtest.bench.console import say
from loadtest.bench.estate import Estate, Store, standing
from loadtest.bench.measure import (
    Figure,
    Pairs,
    Reference,
    Subject,
    paced,
    pairs,
    reference,
    throughput,
    visit,
)
from loadtest.bench.paced import Pace, pace
from loadtest.bench.postgres import PostgresMissingError
from loadtest.bench.processes import ProgramError, free_port
from loadtest.bench.wrk import WrkMissingError, require_wrk

_PARTS = ("throughput", "paced", "growth", "journal", "usage")
_UNCOUNTED = "[usage]\ncount = false\n"
_STORES: Sequence[Store] = ("sqlite", "postgres")
_FEW = 1_000
_PACE_PER_S = 500
_PACE_CONNECTIONS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for."""
    asked = _parser().parse_args(arguments)
    try:
        require_wrk()
        run = _run(asked)
    except (WrkMissingError, PostgresMissingError, ProgramError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    page = report.write(run, asked.out)
    say("\n" + page.read_text())
    say(f"written to {page} and {page.with_suffix('.json')}")
    return 1 if run.faults else 0


def _run(asked: argparse.Namespace) -> report.Run:
    with contextlib.ExitStack() as stack:
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keystead-bench-")))
        # PostgreSQL runs as somebody else when we are root, and has to find its folder.
        fresh.chmod(0o711)
        command = [sys.executable, "-m", "loadtest.bench.reference"]
        against = stack.enter_context(reference(command, free_port(), fresh))
        few = [stack.enter_context(standing(fresh / name, name, _FEW)) for name in asked.stores]
        figures: list[Figure] = []
        if "throughput" in asked.parts:
            for connections in asked.connections:
                subjects = [Subject(one, numbered) for one in few for numbered in (False, True)]
                figures += _throughput(asked, against, subjects, connections)
        if "journal" in asked.parts:
            figures += _journal(asked, against, few, fresh)
        paces = _paces(asked, against, few) if "paced" in asked.parts else []
        growth = _growth(asked, against, few) if "growth" in asked.parts else []
        usage = _usage(asked, fresh, few) if "usage" in asked.parts else []
    return report.Run(figures, paces, growth, usage)


def _throughput(
    asked: argparse.Namespace, against: Reference, subjects: Sequence[Subject], connections: int
) -> list[Figure]:
    return throughput(
        against, subjects, connections=connections, seconds=asked.seconds, rounds=asked.rounds
    )


def _journal(
    asked: argparse.Namespace, against: Reference, estates: Sequence[Estate], folder: Path
) -> list[Figure]:
    """Ask each store without and with a counter journal in turn."""
    figures: list[Figure] = []
    for store, without in zip(cast("list[Store]", asked.stores), estates, strict=True):
        with standing(folder / f"{store}-journal", store, _FEW, journaled=True) as journaled:
            subjects = [Subject(without), Subject(journaled)]
            figures += _throughput(asked, against, subjects, asked.connections[-1])
    return figures


def _paces(
    asked: argparse.Namespace, against: Reference, estates: Sequence[Estate]
) -> list[tuple[str, Pace]]:
    say(f"{_PACE_PER_S} requests a second")
    seconds = asked.seconds
    requests = estates[0].requests(_PACE_PER_S * seconds)
    # R under the same pace shows what of the latency is the load's own.
    return [
        (
            "R",
            pace(against.port, requests, per_s=_PACE_PER_S, connections=_PACE_CONNECTIONS),
        )
    ] + [
        (
            estate.name,
            paced(estate, per_s=_PACE_PER_S, seconds=seconds, connections=_PACE_CONNECTIONS),
        )
        for estate in estates
    ]


def _usage(asked: argparse.Namespace, fresh: Path, estates: Sequence[Estate]) -> list[Pairs]:
    """Compare services that count usage with such that do not, or with another program."""
    found = []
    for store, counting in zip(cast("list[Store]", asked.stores), estates, strict=True):
        folder = fresh / f"{store}-uncounted"
        settings = _UNCOUNTED if asked.against is None else ""
        with standing(folder, store, _FEW, settings=settings, program=asked.against) as other:
            found.append(
                pairs(
                    counting,
                    other,
                    connections=asked.connections[-1],
                    seconds=asked.seconds,
                    count=asked.pairs,
                )
            )
    return found


def _growth(
    asked: argparse.Namespace, against: Reference, estates: Sequence[Estate]
) -> list[report.Growth]:
    grown = []
    for store, few in zip(cast("list[Store]", asked.stores), estates, strict=True):
        folder = asked.cache / f"{store}-{asked.many}"
        with standing(folder, store, asked.many) as many:
            visit(many, asked.connections[-1])
            subjects = [Subject(few), Subject(many)]
            _, small, large = _throughput(asked, against, subjects, asked.connections[-1])
        grown.append(report.Growth(small, large))
    return grown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument(
        "--parts", nargs="+", choices=_PARTS, default=list(_PARTS[:-1]), help="what to measure"
    )
    parser.add_argument(
        "--stores", nargs="+", choices=_STORES, default=list(_STORES), help="on which stores"
    )
    parser.add_argument("--connections", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--seconds", type=int, default=8, help="how long one shot lasts")
    parser.add_argument("--rounds", type=int, default=3, help="shots a subject; medians count")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of shots for usage")
    parser.add_argument(
        "--against",
        type=Path,
        help="a keystead of another version: usage is compared with that one",
    )
    parser.add_argument("--many", type=int, default=1_000_000, help="keys of the large estate")
    parser.add_argument("--out", type=Path, default=Path("bench-reports"), help="for the reports")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("bench-reports/cache"),
        help="keeps the large estates from one run to the next (private: holds keys)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
