"""A process that takes reports is killed at any moment: none is lost, none counted twice.

KEYSTEAD_ROUNDS=50 makes a campaign of it.
"""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from server.fleet.receipt import Receipt
from server.storage.books.fleet_rows import day_of
from tests.server.storage.taking_process import CHANGING, HOSTS, batch, enrol_all, opened

_ROUNDS = int(os.environ.get("KEYSTEAD_ROUNDS", "3"))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where the store is."""
    if request.param == "sqlite":
        return str(tmp_path / "keystead.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


def killed(place: str, first: int, after_s: float) -> int:
    """Take batches from `first` on until the process is killed; return the last one that it had."""
    command = [sys.executable, "-m", "tests.server.storage.taking_process", place, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        said += process.stdout.readlines()
    words = [line.split() for line in said if line.startswith("taken ") and line.endswith("\n")]
    return max((int(number) for _, number in words), default=first - 1)


async def test_a_process_killed_in_the_middle_of_a_batch_loses_and_repeats_nothing(
    place: str,
) -> None:
    store = await opened(place)
    await enrol_all(store)
    day = day_of(await store.store_time_us())
    await store.take_reports(batch(1, day))
    await store.close()
    last = 1
    for seed in range(_ROUNDS):
        after_s = random.Random(seed).uniform(0, 0.2)  # noqa: S311 - a seed
        taken = await asyncio.to_thread(killed, place, last + 1, after_s)
        store = await opened(place)
        hosts = await store.fleet_hosts(HOSTS)
        reached = {host.sequence for host in hosts.values()}
        assert reached <= {taken, taken + 1}
        # Whoever had no answer sends it again.
        receipts = await store.take_reports(batch(taken + 1, day))
        for host_id, receipt in zip(HOSTS, receipts, strict=True):
            # PostgreSQL may have gone on with what it was asked after we looked.
            there = hosts[host_id].sequence == taken + 1
            assert receipt is Receipt.AGAIN or (receipt is Receipt.NEW and not there)
        last = taken + 1
        for host_id in CHANGING:
            changes = await store.key_changes(f"serial:{int(host_id, 16)}", 1_000_000, 1_000)
            assert len(changes) == min(last - 1, 500)
            assert changes[0].number == last - 1
        hosts = await store.fleet_hosts(HOSTS)
        counted = {(one.sequence, one.missing, one.clashes) for one in hosts.values()}
        assert counted == {(last, 0, 0)}
        await store.close()
