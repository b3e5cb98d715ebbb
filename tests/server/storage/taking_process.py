"""`python -m tests.server.storage.taking_process STORE FIRST`: takes batches until it is killed.

Each batch has one report of every host, under the next number: most say what they said before, one
in four something new of its key. After each its number is printed. STORE: a file or a URL.
"""

import asyncio
import sys
from datetime import date
from pathlib import Path

from agent.report import Report
from server.clock import SystemClock
from server.fleet.enrolment import Asked, digest_of
from server.storage.books.fleet_rows import day_of
from server.storage.postgres.store import PostgresStore, open_postgres
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, a_key, a_report
from tests.server.storage.entries import POLICY

HOSTS = tuple(f"{number:032x}" for number in range(1, 25))
CHANGING = HOSTS[::4]
_TOKEN_US = 86_400_000_000


async def opened(store: str) -> SqliteStore | PostgresStore:
    """Open the store, made if it is not there."""
    if "://" in store:
        return await open_postgres(store, default_policy=POLICY, create=True)
    return await open_sqlite(Path(store), clock=SystemClock(), default_policy=POLICY, create=True)


async def enrol_all(store: SqliteStore | PostgresStore) -> None:
    """Let all hosts in."""
    for host_id in HOSTS:
        await store.add_enrolment_token(
            host_id, digest_of(host_id), lifetime_us=_TOKEN_US, replaces=False, act=ACT
        )
        key = bytes.fromhex(host_id) * 2
        await store.enrol(Asked(host_id, host_id, host_id, key, "linux", "0.1.0"))


def batch(number: int, day: date) -> list[Report]:
    """Return the batch with this number, always the same."""
    return [
        a_report(
            a_key(
                {**HEALTHY, "piv.pin.tries": 3 + number % 2 if host in CHANGING else 3},
                serial=int(host, 16),
                last_seen=day,
            ),
            sequence=number,
            report_id=f"{number:016x}{int(host, 16):016x}",
            host=host,
            day=day,
        )
        for host in HOSTS
    ]


async def _main(url: str, first: int) -> None:
    store = await opened(url)
    day = day_of(await store.store_time_us())
    for number in range(first, 1_000_000):
        await store.take_reports(batch(number, day))
        sys.stdout.write(f"taken {number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
