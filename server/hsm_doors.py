"""The HSM at the doors: what monitoring sees of it, and its socket for other processes of ours."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

from server.config import Config, Hsm
from server.foundation import Foundation
from server.hsm_watch import HsmWatch
from server.key_room import KeyRoom
from server.metrics.exposition import Gauge, metrics_registry
from server.metrics.tally import Tally
from server.web.ops import Check, Note, NotReadyError, ops_app
from server.web.runner import serve


@asynccontextmanager
async def waiting_door(ops: socket.socket) -> AsyncIterator[None]:
    """Answer the operator's monitoring while a service waits for its HSM: it lives, not ready."""

    async def wait() -> None:
        raise NotReadyError("the HSM does not answer, and without it no key opens: see the log")

    app = ops_app(registry=metrics_registry({}), checks={"hsm": wait})
    door = await serve(app, [ops.dup()], tally=Tally.in_memory())
    try:
        yield
    finally:
        await door.stop()


async def watch_hsm(
    stack: AsyncExitStack, config: Config, base: Foundation, listener: socket.socket | None
) -> HsmWatch | None:
    """Announce the HSM and watch over it until `stack` ends; None with a key file.

    listener: where the embedded HSM is to be found by others, if that is wanted.
    """
    keys = base.keys
    if keys.hsm is None:
        return None
    for identified in keys.hsm.identified:
        identified.announce()
    watch = HsmWatch(keys.hsm, config.hsm, production=config.environment == "production")
    loop = asyncio.get_running_loop()
    # Other machines on this store may change the data keys, too.
    for task in (loop.create_task(watch.watch()), loop.create_task(keys.watch())):
        stack.callback(task.cancel)
    await open_hsm_door(stack, base, listener)
    return watch


async def open_hsm_door(
    stack: AsyncExitStack, base: Foundation, listener: socket.socket | None
) -> None:
    """Let other processes of this service reach the embedded HSM, in strict mode."""
    hsm = base.keys.hsm
    if listener is None or hsm is None or hsm.devices.embedded is None:
        return
    if hsm.devices.answer is None:
        return
    from server.web.connector import Connector  # noqa: PLC0415 - workers have no need of it

    serial = hsm.devices.embedded.emulator.device.identity.serial
    app = Connector(hsm.devices.answer, serial, host="hsm.sock", port=0).application()
    door = await serve(app, [listener], tally=Tally.in_memory())
    stack.push_async_callback(door.stop)


class HsmShown(NamedTuple):
    """What the operations door shows of HSMs. identified: their labels, at each scrape."""

    gauges: Sequence[Gauge]
    checks: Mapping[str, Check]
    notes: Mapping[str, Note]
    identified: Callable[[], Sequence[Mapping[str, str]]]


def hsm_shown(watch: HsmWatch | None, config: Hsm, keys: KeyRoom) -> HsmShown:
    """Return what to show; nothing of an installation with a key file.

    In sealed mode serving goes on without the HSM: a note says so, and the service stays ready.
    """
    if watch is None:
        return HsmShown([], {}, {}, tuple)

    async def answers() -> None:
        if watch.is_strict and watch.trouble:
            raise NotReadyError(watch.trouble)

    def away() -> str:
        return "" if watch.is_strict else watch.trouble

    gauges = [
        Gauge("keystead_hsm_up", "HSMs that answer.", lambda: watch.up),
        Gauge("keystead_hsm_devices", "HSMs that are configured.", lambda: watch.devices),
    ]
    return HsmShown(gauges, {"hsm": answers}, {"hsm": away}, partial(_labels, config, keys))


def _labels(config: Hsm, keys: KeyRoom) -> list[dict[str, str]]:
    """Return what each HSM is, for everybody to see: above all whether it is a real one."""
    found = () if keys.hsm is None else keys.hsm.identified
    return [
        {
            "serial": str(one.serial),
            "part_number": one.part_number,
            "firmware": one.firmware,
            "genuine": "true" if one.kind == "hardware" else "false",
            "kind": one.kind,
            "mode": config.mode,
        }
        for one in found
    ]
