"""What the bench leaves behind: one JSON file a run, and the same as Markdown tables."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.measure import Figure, Pairs
from loadtest.bench.paced import Pace


class Growth(NamedTuple):
    """How throughput bears a thousand times the keys. share: many over few."""

    few: Figure
    many: Figure

    @property
    def share(self) -> float:
        """Return the larger estate's throughput as a share of the smaller one's, each over R."""
        return self.many.ratio / self.few.ratio if self.few.ratio else 0.0


class Run(NamedTuple):
    """Everything one run measured."""

    throughput: Sequence[Figure]
    paced: Sequence[tuple[str, Pace]]
    growth: Sequence[Growth]
    usage: Sequence[Pairs] = ()

    @property
    def faults(self) -> list[str]:
        """Return why figures are void; none may be quoted then."""
        figures = [*self.throughput]
        for pair in self.growth:
            figures += [pair.few, pair.many]
        return (
            [f"{figure.subject}: {figure.fault}" for figure in figures if figure.fault]
            + [f"{subject}: {one.fault}" for subject, one in self.paced if one.fault]
            + [f"{pair.subject}: {pair.fault}" for pair in self.usage if pair.fault]
        )


def write(run: Run, folder: Path) -> Path:
    """Write `run` into `folder` as TIME.json and TIME.md; return the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    machine = f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    (folder / f"{stamp}.json").write_text(
        json.dumps(
            {
                "format": 1,
                "machine": machine,
                "throughput": [figure._asdict() for figure in run.throughput],
                "paced": [{"subject": subject, **one._asdict()} for subject, one in run.paced],
                "growth": [
                    {"few": pair.few._asdict(), "many": pair.many._asdict(), "share": pair.share}
                    for pair in run.growth
                ],
                "usage": [{**one._asdict(), "ratio": one.ratio} for one in run.usage],
                "faults": run.faults,
            },
            indent=2,
        )
        + "\n"
    )
    page = folder / f"{stamp}.md"
    page.write_text(markdown(run, machine))
    return page


def markdown(run: Run, machine: str) -> str:
    """Return the run as tables a person reads."""
    lines = [f"Machine: {machine}. Medians; every answer was looked at.", ""]
    for fault in run.faults:
        lines += [f"**VOID**: {fault}", ""]
    if run.throughput:
        lines += _table(
            "| subject | connections | share of R | OK/s | p50 ms | p99 ms "
            "| CPU us a request | PostgreSQL CPU us |",
            [_figure_row(figure) for figure in run.throughput],
        )
    if run.paced:
        lines += _table(
            "| paced | asked a second | answered a second | p50 ms | p99 ms | max ms |",
            [
                f"| {subject} | {one.asked_per_s:,.0f} | {one.per_s:,.0f} | {_ms(one.p50_us)}"
                f" | {_ms(one.p99_us)} | {_ms(one.max_us)} |"
                for subject, one in run.paced
            ],
        )
    if run.growth:
        lines += _table(
            "| growth | OK/s | share of R | share of the smaller |",
            [row for pair in run.growth for row in _growth_rows(pair)],
        )
    if run.usage:
        lines += _table(
            "| usage counted | connections | pairs | CPU us with | without | ratio | all ratios |",
            [_pairs_row(one) for one in run.usage],
        )
    return "\n".join(lines)


def _pairs_row(pairs: Pairs) -> str:
    with_, without = (statistics.median(column) for column in zip(*pairs.cpu_us, strict=True))
    ratios = sorted(one / other for one, other in pairs.cpu_us)
    return (
        f"| {pairs.subject} | {pairs.connections} | {len(ratios)} | {with_:.1f} | {without:.1f}"
        f" | {pairs.ratio:.3f} | {ratios[0]:.3f} to {ratios[-1]:.3f} |"
    )


def _table(head: str, rows: Sequence[str]) -> list[str]:
    return [head, "|" + " --- |" * (head.count("|") - 1), *rows, ""]


def _figure_row(figure: Figure) -> str:
    return (
        f"| {figure.subject} | {figure.connections} | {figure.ratio:.3f} | {figure.per_s:,.0f}"
        f" | {_ms(figure.p50_us)} | {_ms(figure.p99_us)} | {figure.cpu_us:.0f}"
        f" | {figure.database_us:.0f} |"
    )


def _growth_rows(pair: Growth) -> tuple[str, str]:
    few, many = (
        f"| {figure.subject} | {figure.per_s:,.0f} | {figure.ratio:.3f} |"
        for figure in (pair.few, pair.many)
    )
    return f"{few} 1 |", f"{many} {pair.share:.2f} |"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
