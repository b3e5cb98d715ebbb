"""The measurements: who is asked, in which order, and what is written down of it."""

import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.console import say
from loadtest.bench.estate import Estate
from loadtest.bench.paced import Pace, pace
from loadtest.bench.processes import processor_seconds, running
from loadtest.bench.wrk import Shot, shoot

_WARM_UP_S = 2
_WARM_UP_PER_S = 24_000
"""More than one worker answers today; too few would show as a void figure."""

_VISIT_S = 20
_VISIT_PER_S = 8_000

_HEADROOM = 2.5
"""Prepared requests per expected one: a run may be faster than its warm-up."""


class Figure(NamedTuple):
    """One subject's median over the rounds.

    ratio: its OK/s divided by R's of the same round; cpu_us: the service's processor time
    per request, database_us PostgreSQL's. fault: why it is void, "" when it stands.
    """

    subject: str
    connections: int
    ratio: float
    per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float
    database_us: float
    fault: str


class Reference(NamedTuple):
    """R, running."""

    port: int
    pid: int


@contextlib.contextmanager
def reference(command: Sequence[str], port: int, folder: Path) -> Iterator[Reference]:
    """Run R for as long as it is compared with."""
    with running([*command, str(port)], ready="ready", log=folder / "reference.log") as pid:
        yield Reference(port, pid)


class _Measured(NamedTuple):
    shot: Shot
    ratio: float
    cpu_us: float
    database_us: float


class Subject(NamedTuple):
    """An estate and how it is asked. numbered: every request has a head of its own."""

    estate: Estate
    numbered: bool = False

    @property
    def name(self) -> str:
        """Return what the tables call it."""
        return self.estate.name + (", every head another" if self.numbered else "")


def throughput(
    against: Reference, subjects: Sequence[Subject], *, connections: int, seconds: int, rounds: int
) -> list[Figure]:
    """Ask R and each subject in turn, `rounds` times; return R's figure and theirs."""
    expected = {subject: _warm_up(subject, connections) for subject in subjects}
    _ask_reference(against, subjects[0].estate.requests(1000), connections, _WARM_UP_S)
    of_reference: list[_Measured] = []
    of_subjects: dict[Subject, list[_Measured]] = {subject: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            requests = subject.estate.requests(20_000)
            base = _ask_reference(against, requests, connections, seconds)
            of_reference.append(base)
            requests = subject.estate.requests(int(expected[subject] * seconds * _HEADROOM))
            measured = _ask(subject, requests, connections, seconds, base.shot.per_s)
            of_subjects[subject].append(measured)
            say(
                f"  {subject.name}, {connections} connections: {measured.shot.per_s:,.0f}/s,"
                f" {measured.ratio:.3f} R (R = {base.shot.per_s:,.0f}/s)"
                + (f" VOID: {measured.shot.fault}" if measured.shot.fault else "")
            )
    return [
        _median("R", connections, of_reference),
        *(_median(subject.name, connections, of_subjects[subject]) for subject in subjects),
    ]


class Pairs(NamedTuple):
    """Two services asked in turn. cpu_us: processor time a request of each pair: with, without.

    It counts the service's and the database's together. fault: why it is void.
    """

    subject: str
    connections: int
    cpu_us: Sequence[tuple[float, float]]
    fault: str

    @property
    def ratio(self) -> float:
        """Return the median of the pairs' ratios."""
        return statistics.median(one / other for one, other in self.cpu_us)


def pairs(one: Estate, other: Estate, *, connections: int, seconds: int, count: int) -> Pairs:
    """Ask two estates in turn, `count` times, each first in every second pair."""
    subjects = (Subject(one), Subject(other))
    expected = [_warm_up(subject, connections) for subject in subjects]
    measured: list[tuple[float, float]] = []
    faults: set[str] = set()
    for number in range(count):
        cpu_us = [0.0, 0.0]
        for at in (0, 1) if number % 2 == 0 else (1, 0):
            requests = subjects[at].estate.requests(int(expected[at] * seconds * _HEADROOM))
            found = _ask(subjects[at], requests, connections, seconds, 1.0)
            cpu_us[at] = found.cpu_us + found.database_us
            faults.add(found.shot.fault)
        measured.append((cpu_us[0], cpu_us[1]))
        with_, without = cpu_us
        say(f"  pair {number + 1}: {with_:.1f} and {without:.1f} us, {with_ / without:.3f}")
    return Pairs(one.name, connections, measured, "; ".join(sorted(faults - {""})))


def visit(estate: Estate, connections: int) -> None:
    """Have every key validate once, so that the figures are those of a fleet in use.

    A worker that has just started reads each key from the store at its first OTP.
    """
    visited = 0
    per_s: float = _VISIT_PER_S
    while visited < estate.keyring.count:
        requests = estate.requests(int(per_s * _VISIT_S * _HEADROOM), start=visited)
        with _on_file(requests) as file:
            shot = shoot(
                estate.service.port, file, connections=connections, seconds=_VISIT_S, once=True
            )
        per_s = shot.per_s
        visited += shot.ok
        say(f"  {estate.name}: {visited:,} keys in use, {per_s:,.0f}/s")


def paced(estate: Estate, *, per_s: int, seconds: int, connections: int) -> Pace:
    """Ask one estate `per_s` times a second, after a moment of the same to warm up."""
    pace(estate.service.port, estate.requests(per_s), per_s=per_s, connections=connections)
    requests = estate.requests(per_s * seconds)
    return pace(estate.service.port, requests, per_s=per_s, connections=connections)


def _warm_up(subject: Subject, connections: int) -> float:
    requests = subject.estate.requests(_WARM_UP_PER_S * _WARM_UP_S)
    return _ask(subject, requests, connections, _WARM_UP_S, 1.0).shot.per_s


def _ask(
    subject: Subject, requests: Sequence[str], connections: int, seconds: int, base: float
) -> _Measured:
    estate, numbered = subject
    before = estate.processor_seconds()
    with _on_file(requests) as file:
        shot = shoot(
            estate.service.port,
            file,
            connections=connections,
            seconds=seconds,
            once=True,
            numbered=numbered,
        )
    service, database = (
        1e6 * (after - start) / max(1, shot.ok)
        for after, start in zip(estate.processor_seconds(), before, strict=True)
    )
    return _Measured(shot, shot.per_s / base, service, database)


def _ask_reference(
    against: Reference, requests: Sequence[str], connections: int, seconds: int
) -> _Measured:
    before = processor_seconds(against.pid)
    with _on_file(requests) as file:
        shot = shoot(against.port, file, connections=connections, seconds=seconds, once=False)
    cpu_us = 1e6 * (processor_seconds(against.pid) - before) / max(1, shot.ok)
    return _Measured(shot, 1.0, cpu_us, 0.0)


@contextlib.contextmanager
def _on_file(requests: Sequence[str]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="keystead-bench-", suffix=".targets") as file:
        file.writelines(f"{target}\n" for target in requests)
        file.flush()
        yield Path(file.name)


def _median(subject: str, connections: int, rounds: Sequence[_Measured]) -> Figure:
    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    return Figure(
        subject=subject,
        connections=connections,
        ratio=middle([each.ratio for each in rounds]),
        per_s=middle([each.shot.per_s for each in rounds]),
        p50_us=middle([each.shot.p50_us for each in rounds]),
        p99_us=middle([each.shot.p99_us for each in rounds]),
        cpu_us=middle([each.cpu_us for each in rounds]),
        database_us=middle([each.database_us for each in rounds]),
        fault="; ".join(sorted({each.shot.fault for each in rounds} - {""})),
    )
