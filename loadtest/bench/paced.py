"""An open loop: so many requests a second, whether the answers come or not.

wrk waits for an answer before it asks again, so a stall hides itself in fewer questions.
Here each question has its time, and its latency counts from then.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import uvloop

_OK = b"status=OK\r\n"
_END_OF_HEAD = b"\r\n\r\n"


class Pace(NamedTuple):
    """One paced run. Latencies are microseconds from the moment a request was due."""

    asked_per_s: float
    per_s: float
    p50_us: int
    p99_us: int
    max_us: int
    fault: str


def pace(port: int, targets: Iterable[str], *, per_s: int, connections: int) -> Pace:
    """Send each target at its time, `per_s` a second, over `connections` connections."""
    return uvloop.run(_pace(port, targets, per_s, connections))


async def _pace(port: int, targets: Iterable[str], per_s: int, connections: int) -> Pace:
    start = time.perf_counter() + 0.1
    due = iter(zip(itertools.count(), targets, strict=False))
    latencies: list[float] = []
    refused = 0

    async def ask_in_turn() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, target in due:
            at = start + number / per_s
            wait = at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            ok = _OK in await _read_answer(reader)
            latencies.append(time.perf_counter() - at)
            refused += not ok
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(ask_in_turn())
    took = time.perf_counter() - start
    latencies.sort()
    return Pace(
        asked_per_s=per_s,
        per_s=len(latencies) / took,
        p50_us=_percentile(latencies, 50),
        p99_us=_percentile(latencies, 99),
        max_us=_percentile(latencies, 100),
        fault=f"{refused} answers were not OK" if refused else "",
    )


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_END_OF_HEAD)
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    raise ValueError("an answer without Content-Length")


def _percentile(ordered: Sequence[float], percent: int) -> int:
    """Return the nearest-rank percentile in microseconds."""
    rank = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[rank] * 1e6)
