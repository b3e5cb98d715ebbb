"""What a run leaves behind for people and scripts: load-reports/summary.json, and a few lines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.exits import Exit
from loadtest.plan import Plan
from loadtest.proof.playback import Playback
from loadtest.thresholds import Limits, Threshold, hold

FORMAT = 1
NAME = "summary.json"
_MS = 1000


class Summary(NamedTuple):
    """The verdict on a run and everything it rests on. broken: why it is not whole, or ""."""

    plan: Plan
    playback: Playback
    thresholds: Sequence[Threshold]
    ended: Exit
    broken: str
    code: Exit

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON: figures and names, nothing secret."""
        playback, load = self.playback, self.plan.load
        return {
            "format": FORMAT,
            "target": self.plan.target,
            "shape": load.shape,
            "users": load.users,
            "processes": self.plan.processes,
            "planned_s": load.duration_s,
            "duration_s": round(playback.duration_us / 1_000_000, 3),
            "requests": playback.requests,
            "per_s": round(per_second(playback), 1),
            "violations": playback.violations or int(self.stopped),
            "failures": playback.failures,
            "failure_share": round(failure_share(playback), 6),
            "stopped_at_once": self.stopped,
            "broken": self.broken,
            "behaviours": playback.by_behaviour,
            "statuses": playback.by_status,
            "latency_ms": {
                name: playback.latencies.quantile_us(share) / _MS
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
            },
            "properties": {
                result.name: {"held": result.held, **result._asdict()}
                for result in playback.results
            },
            "thresholds": [threshold._asdict() for threshold in self.thresholds],
            "exit": {"code": int(self.code), "name": self.code.name.lower()},
        }

    @property
    def stopped(self) -> bool:
        """Whether a violation ended the run before its time."""
        return self.ended in {Exit.OK_FOR_NONE, Exit.NONE_FOR_OK}

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        said = self.to_json()
        latency = said["latency_ms"]
        head = (
            f"{said['requests']:,} requests in {said['duration_s']:.0f} s ({said['per_s']}/s),"
            f" p50 {latency['p50']} ms, p99 {latency['p99']} ms,"
            f" {said['failures']} failures, {said['violations']} violations"
        )
        lines = [head]
        for result in self.playback.results:
            mark = "held" if result.held else "VIOLATED" if result.violations else "NOT SHOWN"
            note = f" ({result.note})" if result.note else ""
            lines.append(f"  {result.name:8} {mark:9} {result.promise}{note}")
            lines += [f"           {example}" for example in result.examples]
        lines += [
            f"  {one.name}: {one.measured:.4g}, the limit is {one.limit:g}"
            for one in self.thresholds
            if not one.met
        ]
        if self.broken:
            lines.append(f"  broken: {self.broken}")
        lines.append(f"exit code {int(self.code)}: {self.code.name.lower()}")
        return lines


def per_second(playback: Playback) -> float:
    """Return the answered requests a second."""
    seconds = playback.duration_us / 1_000_000
    return playback.latencies.count / seconds if seconds else 0.0


def failure_share(playback: Playback) -> float:
    """Return the failures as a share of all requests."""
    return playback.failures / playback.requests if playback.requests else 0.0


def conclude(
    plan: Plan, playback: Playback, limits: Limits, *, ended: Exit, broken: str
) -> Summary:
    """Judge a run. ended: how Locust ended; broken: what was not whole, or ""."""
    thresholds = hold(
        limits,
        p99_ms=playback.latencies.quantile_us(0.99) / _MS,
        failure_share=failure_share(playback),
        per_s=per_second(playback),
    )
    return Summary(
        plan, playback, thresholds, ended, broken, _verdict(playback, thresholds, ended, broken)
    )


def _verdict(playback: Playback, thresholds: Sequence[Threshold], ended: Exit, broken: str) -> Exit:
    """Return the exit code, the gravest first: see `Exit`."""
    violated: Mapping[str, int] = {one.name: one.violations for one in playback.results}
    verdicts = [
        (ended is Exit.OK_FOR_NONE or violated["P1"] or violated["P3"], Exit.OK_FOR_NONE),
        (ended is Exit.NONE_FOR_OK or violated["service"], Exit.NONE_FOR_OK),
        (playback.violations, Exit.LEDGER),
        (ended is not Exit.PASSED, ended),
        (broken or not playback.requests, Exit.BROKEN),
        (not all(result.held for result in playback.results), Exit.LEDGER),
        *((not one.met, one.code) for one in thresholds),
    ]
    return next((code for holds, code in verdicts if holds), Exit.PASSED)


def write(summary: Summary, folder: Path) -> Path:
    """Write the summary into the reports' folder and return its path."""
    path = folder / NAME
    path.write_text(json.dumps(summary.to_json(), indent=2) + "\n", "utf-8")
    return path
