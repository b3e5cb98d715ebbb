"""`python -m tests.server.fleet_bench.sender PORT FILE PER_S CONNECTIONS`: an open loop of reports.

PER_S of 0: each connection sends the next one as soon as it has its answer. Prints what came of it
as one line of JSON. It is a process of its own, so that the one that asks for verifications
measures nothing but those.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.server.fleet_bench.letters import read

_END_OF_HEAD = b"\r\n\r\n"


async def send(
    port: int, letters: Sequence[bytes], per_s: int, connections: int
) -> dict[str, object]:
    """Send all; return how long it took, the answers and how long they were waited for."""
    answers: Counter[str] = Counter()
    waits: list[float] = []
    start = time.perf_counter() + 0.1
    due = iter(zip(itertools.count(), letters, strict=False))

    async def in_turn() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, letter in due:
            at = start + number / per_s if per_s else time.perf_counter()
            wait = at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(letter)
            head = await reader.readuntil(_END_OF_HEAD)
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            answers[head[9:12].decode()] += 1
            waits.append(time.perf_counter() - at)
        writer.close()

    await asyncio.gather(*(in_turn() for _ in range(connections)))
    took = time.perf_counter() - start
    waits.sort()
    return {
        "reports": len(letters),
        "per_s": len(letters) / took,
        "answers": dict(answers),
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
    }


def main() -> None:
    """Send the letters of a file."""
    port, file, per_s, connections = sys.argv[1:]
    letters = read(Path(file))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sent = uvloop.run(send(int(port), letters, int(per_s), int(connections)))
    sys.stdout.write(json.dumps(sent) + "\n")


if __name__ == "__main__":
    main()
