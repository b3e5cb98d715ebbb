"""Measures what the ledger of minutes costs: its growth, a term's figures, a day's rolling up.

Run by hand, alone on the machine: `.venv/bin/python tests/server/uptime/measure.py --clients 1000`.
A year's segments are made up (a tenth of the clients busy day and night, three tenths in office
hours, the rest now and then; twelve outages of ten minutes; a probe in every minute but some) and
go the way of every segment: laid down day by day, closed with the day's entry, packed by month.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from server.clock import SystemClock
from server.incidents.intervals import Span
from server.leases import Lease
from server.otp.verdict import Verdict
from server.storage.sqlite.store import SqliteStore, open_sqlite
from server.uptime.desk import UptimeDesk
from server.uptime.keeper import UptimeKeeper
from server.uptime.ports import ClosedDay
from server.uptime.segment import (
    ALL,
    DAY_MINUTES,
    PROBES,
    DaySums,
    Exceptional,
    Segment,
    parse_day,
    root_of,
)
from server.usage.counter import UsageCounter
from server.usage.kinds import KINDS
from server.usage.ports import MinuteRow, Parcel
from validation.gcra import UNLIMITED, Policy
from validation.status import Status

POLICY = Policy(UNLIMITED, UNLIMITED)
WHOLE = (1 << DAY_MINUTES) - 1
OUTAGES, OUTAGE_MINUTES = 12, 10
_PAIRS = 10


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def size_of(path: Path) -> int:
    """Return how large a file is."""
    return path.stat().st_size


def made_up_day(client: int, day: int, chance: random.Random, outage: range) -> Segment:
    """Return a client's day: its requests, and the outage if there is one."""
    kind = client % 10
    if client in {ALL, PROBES} or kind == 0:
        seen = WHOLE
    elif kind <= 3:
        weekday = day % 7 not in {2, 3}
        seen = (WHOLE >> 900) << 480 & chance.getrandbits(DAY_MINUTES) if weekday else 0
    else:
        seen = chance.getrandbits(DAY_MINUTES) & chance.getrandbits(DAY_MINUTES)
        seen &= chance.getrandbits(DAY_MINUTES)
    if client == PROBES:
        seen &= ~(((1 << 30) - 1) << chance.randrange(1000)) if day % 10 == 0 else WHOLE
    first = day * DAY_MINUTES
    lost = tuple(
        Exceptional(first + at, chance.randrange(5), 1 + chance.randrange(9))
        for at in outage
        if seen >> at & 1
    )
    good = seen.bit_count() * 3
    return Segment(client, day, (DaySums(good, len(lost) * 4, 0, 1),), seen, lost)


async def fill_year(store: SqliteStore, lease: Lease, clients: int, days: int) -> None:
    """Make a year up, to its last day yesterday."""
    today = await store.store_time_us() // 86_400_000_000
    keeper = UptimeKeeper(store, min_requests=1, left_out=(), kept_days=400)
    chance = random.Random(1)  # noqa: S311 - the same year on every machine
    first = today - days
    outages = {first + at * days // OUTAGES for at in range(OUTAGES)}
    for day in range(first, today):
        outage = range(600, 600 + OUTAGE_MINUTES) if day in outages else range(0)
        numbers = [PROBES, ALL, *range(1, clients + 1)]
        segments = [made_up_day(one, day, chance, outage) for one in numbers]
        for at in range(0, len(segments), 100):
            await store.put_segments(segments[at : at + 100], lease)
        closed = ClosedDay(day, root_of(segments[1:]), clients + 1, 1, 1, 0, segments[0])
        await store.close_day(closed, segments[1], None, lease)
    began = time.process_time()
    await keeper._pack(today - 3, lease)
    say(f"packing by month: {time.process_time() - began:.1f} s of processor time for the year")


async def measure_growth(path: Path, clients: int, days: int) -> None:
    """Fill a year and print how large it is."""
    store = await open_sqlite(path, clock=SystemClock(), default_policy=POLICY, create=True)
    empty = size_of(path)
    lease = await store.acquire_lease("measure", "one", 10**13)
    assert lease is not None
    await fill_year(store, lease, clients, days)
    await store.close()
    grown = size_of(path) - empty
    say(f"growth: {grown / 1e6:.1f} MB for {clients} clients and {days} days, file as it lies")


async def measure_figures(path: Path) -> None:
    """Print how long figures take of what was filled."""
    store = await open_sqlite(path, clock=SystemClock(), default_policy=POLICY)
    last = await store.last_closed()
    first = await store.ledger_entries(0, 1)
    assert last is not None
    begins = parse_day(first[0].subject)
    desk = UptimeDesk(store, store)
    term = Span(begins * 86_400, (last.day + 1) * 86_400)
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time()
        figures = await desk.availabilities(term)
        took, used = time.perf_counter() - began, time.process_time() - used
        say(
            f"term of {last.day + 1 - begins} days, {len(figures)} figures: {took:.2f} s,"
            f" {used:.2f} s of processor time"
        )
    began = time.perf_counter()
    one = await desk.availability(1, term)
    say(f"one client's term: {(time.perf_counter() - began) * 1000:.0f} ms, {one.verdict.value}")
    began = time.perf_counter()
    await desk.bars(90)
    say(f"ninety bars: {(time.perf_counter() - began) * 1000:.0f} ms")
    await store.close()


async def measure_day(path: Path, clients: int) -> None:
    """Print what rolling up a day costs in which every client asked in every minute."""
    store = await open_sqlite(path, clock=SystemClock(), default_policy=POLICY, create=True)
    day = await store.store_time_us() // 86_400_000_000 - 1
    counts = (3,) + (0,) * (len(KINDS) - 1)
    number = 0
    for minute in range(day * DAY_MINUTES, (day + 1) * DAY_MINUTES):
        for at in range(1, clients + 1, 500):
            number += 1
            some = range(at, min(at + 500, clients + 1))
            rows = tuple(MinuteRow(minute, client, counts) for client in some)
            await store.add_usage(Parcel("measure", number, rows))
    lease = await store.acquire_lease("measure", "one", 10**13)
    assert lease is not None
    keeper = UptimeKeeper(store, min_requests=1, left_out=(), kept_days=400)
    worst = 0.0
    ended = asyncio.Event()

    async def look() -> None:
        nonlocal worst
        while not ended.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began)

    looking = asyncio.create_task(look())
    used, began = time.process_time(), time.perf_counter()
    await keeper.work(lease)
    used, took = time.process_time() - used, time.perf_counter() - began
    ended.set()
    await looking
    say(
        f"a day of {clients * DAY_MINUTES:,} rows: {used:.1f} s of processor time in {took:.1f} s;"
        f" the event loop was late by at most {worst * 1000:.0f} ms"
    )
    await store.close()


def measure_counting(calls: int) -> None:
    """Print what writing minutes costs a request, in interleaved pairs with and without it."""
    counter = UsageCounter(50_000)
    verdicts = [
        Verdict(Status.OK, b"", None, client, None, shadowed=False, counted_for=client)
        for client in range(1, 1001)
    ]
    asked = [verdicts[at % 1000] for at in range(calls)]

    def nothing(_: Verdict) -> None:
        pass

    def shot(count: object) -> float:
        began = time.process_time()
        for verdict in asked:
            count(verdict)  # type: ignore[operator]
        return (time.process_time() - began) / calls * 1e6

    costs = []
    for pair in range(_PAIRS):
        first, second = (counter.answered, nothing) if pair % 2 else (nothing, counter.answered)
        one, other = shot(first), shot(second)
        costs.append(one - other if pair % 2 else other - one)
    costs.sort()
    middle = Fraction(sum(map(Fraction, costs[4:6])), 2)
    say(
        f"counting: {float(middle):.3f} us a request (median of {_PAIRS} interleaved pairs of"
        f" {calls:,} calls, {costs[0]:.3f} to {costs[-1]:.3f})"
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    parts = ["counting", "growth", "figures", "day"]
    parser.add_argument("--parts", nargs="*", default=parts, choices=parts)
    parser.add_argument("--year", type=Path, help="the file that growth fills and figures read")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        year = asked.year or Path(folder) / "year.db"
        if "counting" in asked.parts:
            measure_counting(200_000)
        if "growth" in asked.parts:
            asyncio.run(measure_growth(year, asked.clients, asked.days))
        if "figures" in asked.parts:
            asyncio.run(measure_figures(year))
        if "day" in asked.parts:
            asyncio.run(measure_day(Path(folder) / "day.db", asked.clients))


if __name__ == "__main__":
    main()
