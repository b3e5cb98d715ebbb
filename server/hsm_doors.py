"""The HSM at the doors: waiting for it at the start, and its socket for other processes of ours."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from server.foundation import Foundation
from server.metrics.exposition import metrics_registry
from server.metrics.tally import Tally
from server.web.ops import NotReadyError, ops_app
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
