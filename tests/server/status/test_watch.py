"""What a process knows of the status stands while it cannot be read, and is read again after."""

import asyncio

import pytest
import structlog

from server.otp.ports import StoreUnavailableError
from server.status.snapshot import Snapshot
from server.status.watch import StatusWatch
from tests.server.status.samples import eventful, quiet
from tests.server.still_clock import StillClock


class Source:
    """A store that can go away, or never answer."""

    def __init__(self) -> None:
        self.snapshot = quiet()
        self.fault: Exception | None = None
        self.asked = asyncio.Event()
        self.hangs = False

    async def status_snapshot(self) -> Snapshot:
        self.asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return self.snapshot


def watched(source: Source) -> StatusWatch:
    return StatusWatch(source, clock=StillClock(), interval_s=0.001)


async def test_nothing_is_known_before_anything_was_read() -> None:
    assert watched(Source()).snapshot is None


@pytest.mark.parametrize("fault", [StoreUnavailableError("gone"), ValueError("spoilt")])
async def test_what_was_read_last_stands_and_the_log_says_once_that_reading_fails(
    fault: Exception,
) -> None:
    source = Source()
    watch = watched(source)
    await watch.refresh()
    assert watch.snapshot == quiet()
    source.fault = fault
    with structlog.testing.capture_logs() as lines:
        await watch.refresh()
        await watch.refresh()
    assert watch.snapshot == quiet()
    assert [line["event"] for line in lines] == ["status_not_read"]
    source.fault, source.snapshot = None, eventful()
    await watch.refresh()
    assert watch.snapshot == eventful()


async def test_it_reads_until_it_is_closed_also_when_the_first_reading_hangs() -> None:
    source = Source()
    source.hangs = True
    watch = watched(source)
    watch.start()
    await source.asked.wait()
    await watch.close()
    assert watch.snapshot is None
    source.hangs = False
    again = watched(source)
    again.start()
    for _ in range(2):
        source.asked.clear()
        await source.asked.wait()
    await again.close()
    assert again.snapshot == quiet()
    source.asked.clear()
    await asyncio.sleep(0.01)
    assert not source.asked.is_set()
