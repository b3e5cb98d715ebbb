"""SIGHUP under load: every worker is replaced and nobody notices."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.conftest import PATIENT, WORKERS
from tests.system.hands import Hand, events, reload
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import known_keys
from validation.status import Status

ROUNDS = 2
HANDS = 16
IDLE_S = 120.0
"""Longer than any machine takes for a successor: no connection here ends for being idle."""


@pytest.fixture(scope="module")
def keystead(
    tmp_path_factory: pytest.TempPathFactory, database: str | None
) -> Iterator[KeysteadProcess]:
    """Run a service that cuts no connection of these tests for being idle."""
    with KeysteadProcess(tmp_path_factory.mktemp("reload") / "var") as service:
        service.init()
        service.configure(f"{PATIENT}idle_seconds = {IDLE_S}\n")
        service.start(workers=WORKERS, database=database)
        yield service


@contextmanager
def without_tallies(keystead: KeysteadProcess) -> Iterator[None]:
    """Put away the files that every worker opens when it starts, and something in their place."""
    tallies = list((keystead.directory / "run").glob("tally-*"))
    for tally in tallies:
        tally.rename(f"{tally}.aside")
        tally.mkdir()
    try:
        yield
    finally:
        for tally in tallies:
            tally.rmdir()
            Path(f"{tally}.aside").rename(tally)


async def test_under_load_every_worker_is_replaced_and_every_request_is_answered(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "crowd")
    keys = known_keys(keystead, HANDS * 2)
    assert keystead.ready is not None
    url = keystead.ready.verify_url
    hands = [Hand(url, party, keys[number::HANDS]) for number in range(HANDS)]
    async with asyncio.TaskGroup() as group:
        for number, hand in enumerate(hands):
            # Half keep their connection as long as they may, half bring a new one each time.
            group.create_task(hand.ask(at_most=1 if number % 2 else 1_000_000))
        for _ in range(ROUNDS):
            before = keystead.worker_pids()
            assert await asyncio.to_thread(reload, keystead) == "reloaded"
            after = keystead.worker_pids()
            assert set(before) == set(after) == set(range(WORKERS))
            assert not set(before.values()) & set(after.values())
        for hand in hands:
            hand.going = False
    answered = sum(hand.answered for hand in hands)
    assert min(hand.answered for hand in hands) > 0
    # The counts of those who went are not lost, and nobody died.
    assert keystead.responses("OK") == answered
    assert keystead.metrics()["keystead_worker_restarts"] == 0
    assert keystead.metrics()["keystead_workers_ready"] == WORKERS
    assert not events(keystead, "worker_died", "workers_killed")


async def test_a_connection_that_is_idle_during_the_reload_may_still_ask_once(
    keystead: KeysteadProcess,
) -> None:
    """A client's pool must not find its connection closed just when it uses it."""
    party = RelyingParty.enrol(keystead, "pool")
    keys = known_keys(keystead, HANDS)
    assert keystead.ready is not None
    wires = [Wire(keystead.ready.verify_url) for _ in range(HANDS)]
    for wire, key in zip(wires, keys, strict=True):
        await wire.__aenter__()
        assert (await party.ask(wire, key.press())).status is Status.OK
    began = len(events(keystead, "worker_ready"))
    reloading = asyncio.create_task(asyncio.to_thread(reload, keystead))
    await asyncio.to_thread(
        keystead.wait_until, lambda: len(events(keystead, "worker_ready")) > began
    )
    closed = 0
    for wire, key in zip(wires, keys, strict=True):
        told = await party.ask(wire, key.press())
        assert told.status is Status.OK
        closed += told.http.headers.get("connection") == "close"
        await wire.__aexit__(None, None, None)
    assert closed > 0, "nobody was on the worker that retires"
    assert await reloading == "reloaded"


async def test_a_successor_that_cannot_start_leaves_the_workers_in_place(
    keystead: KeysteadProcess,
) -> None:
    party = RelyingParty.enrol(keystead, "careful")
    (key,) = known_keys(keystead, 1)
    before = keystead.worker_pids()
    with without_tallies(keystead):
        assert await asyncio.to_thread(reload, keystead) == "reload_failed"
    assert keystead.worker_pids() == before
    for pid in before.values():
        os.kill(pid, 0)
    assert keystead.ready is not None
    async with Wire(keystead.ready.verify_url) as wire:
        assert (await party.ask(wire, key.press())).status is Status.OK
    assert await asyncio.to_thread(reload, keystead) == "reloaded"


async def test_sigterm_in_the_middle_of_a_reload_ends_everybody(keystead: KeysteadProcess) -> None:
    began = len(events(keystead, "reloading"))
    assert keystead.process is not None
    keystead.process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(keystead.wait_until, lambda: len(events(keystead, "reloading")) > began)
    assert await asyncio.to_thread(keystead.terminate) == 0
    assert not events(keystead, "workers_killed")
    for pid in {line["worker"] for line in keystead.logs() if line["event"] == "worker_ready"}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
