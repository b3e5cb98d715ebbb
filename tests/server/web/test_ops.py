"""The operations door: metrics, liveness, readiness, loop lag."""

import asyncio
import json
import time

import pytest
from prometheus_client import CollectorRegistry

from server.clock import SystemClock
from server.metrics.exposition import metrics_registry
from server.metrics.tally import Tally
from server.otp.ports import StoreUnavailableError
from server.web.loop_lag import watch_loop_lag
from server.web.ops import Check, Note, NotReadyError, ops_app
from tests.server.still_clock import StillClock
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, get, until
from validation.status import Status


async def open_ops(
    open_door: OpenDoor, registry: CollectorRegistry | None = None, **checks: Check
) -> Door:
    app = ops_app(registry=registry or CollectorRegistry(), checks=checks, deadline_s=0.05)
    return await open_door(app)


async def ready() -> None:
    """Be ready."""


async def test_metrics_show_the_sum_of_all_tallies(open_door: OpenDoor) -> None:
    one, two = Tally.in_memory(), Tally.in_memory()
    door = await open_ops(open_door, metrics_registry({"worker-0": one, "worker-1": two}))
    one.answered(Status.OK, 0.001)
    two.answered(Status.OK, 0.001)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/metrics"))
    assert reply.status == 200
    assert reply.header("Content-Type").startswith("text/plain; version=")
    lines = reply.body.decode().splitlines()
    assert 'keystead_verify_responses_total{status="OK"} 2.0' in lines
    assert 'keystead_verify_responses_total{status="BAD_OTP"} 0.0' in lines


async def test_health_says_that_the_loop_turns_whatever_is_not_ready(open_door: OpenDoor) -> None:
    async def away() -> None:
        raise StoreUnavailableError("away")

    door = await open_ops(open_door, store=away)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/healthz"))
    assert (reply.status, reply.body) == (200, b"ok\n")


async def test_ready_names_the_checks(open_door: OpenDoor) -> None:
    door = await open_ops(open_door, store=ready, vault=ready)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/readyz"))
    assert reply.status == 200
    said = json.loads(reply.body)
    assert said == {"ready": True, "checks": ["store", "vault"], "not_ready": {}, "notes": {}}
    assert reply.header("Cache-Control") == "no-store"


async def test_a_check_that_comes_while_the_door_is_open_counts(open_door: OpenDoor) -> None:
    async def away() -> None:
        raise NotReadyError("it is away")

    checks: dict[str, Check] = {"store": ready}
    notes: dict[str, Note] = {}
    door = await open_door(ops_app(registry=CollectorRegistry(), checks=checks, notes=notes))
    checks["hsm"] = away
    notes["hsm"] = lambda: "a note"
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/readyz"))
    assert reply.status == 503
    said = json.loads(reply.body)
    assert (said["not_ready"], said["notes"]) == ({"hsm": "it is away"}, {"hsm": "a note"})


async def test_not_ready_names_what_and_why_and_leaks_no_message(open_door: OpenDoor) -> None:
    async def away() -> None:
        raise StoreUnavailableError("no route to db.internal as keystead")

    async def short() -> None:
        raise NotReadyError("1 of 2 workers accept")

    async def hangs() -> None:
        await asyncio.Event().wait()

    door = await open_ops(open_door, store=away, workers=short, vault=hangs, clock=ready)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/readyz"))
    assert reply.status == 503
    answer = json.loads(reply.body)
    assert answer["ready"] is False
    assert answer["not_ready"] == {
        "store": "StoreUnavailableError",
        "workers": "1 of 2 workers accept",
        "vault": "no answer within 0.05 s",
    }


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/", "GET", 404), ("/readyz", "POST", 405)]
)
async def test_nothing_else_is_served(
    open_door: OpenDoor, path: str, method: str, status: int
) -> None:
    door = await open_ops(open_door)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert reply.status == status


async def test_s16_the_lag_is_what_a_sleep_took_too_long() -> None:
    clock = StillClock()
    lags: list[float] = []
    enough = asyncio.Event()
    too_long = iter([0.0, 0.25, 0.0, 3.0])

    async def sleep(seconds: float) -> None:
        late = next(too_long, None)
        if late is None:
            enough.set()
            await asyncio.Event().wait()
        else:
            clock.pass_by(seconds + late)

    watching = asyncio.ensure_future(
        watch_loop_lag(clock, lags.append, interval_s=0.1, sleep=sleep)
    )
    await enough.wait()
    watching.cancel()
    assert lags == pytest.approx([0.0, 0.25, 0.0, 3.0])


async def test_s16_blocking_the_loop_shows_in_the_metrics(open_door: OpenDoor) -> None:
    tally = Tally.in_memory()
    door = await open_ops(open_door, metrics_registry({"worker-0": tally}))
    noted: list[float] = []

    def note(lag: float) -> None:
        noted.append(lag)
        tally.lagged(lag)

    watching = asyncio.ensure_future(watch_loop_lag(SystemClock(), note, interval_s=0.001))
    await until(lambda: noted)
    time.sleep(0.3)  # noqa: ASYNC251 - the fault that the metric is for
    await until(lambda: max(noted) > 0.2)
    watching.cancel()
    async with Peer(door.host, door.port) as peer:
        body = (await peer.ask(get("/metrics"))).body.decode()
        again = (await peer.ask(get("/metrics"))).body.decode()
    (line,) = [x for x in body.splitlines() if x.startswith("keystead_loop_lag_seconds{")]
    assert line.startswith('keystead_loop_lag_seconds{process="worker-0"} 0.')
    assert float(line.rpartition(" ")[2]) > 0.2
    assert 'keystead_loop_lag_seconds{process="worker-0"} 0.0' in again
