"""R: what a bare aiohttp handler can do that reads a report and checks one Ed25519 signature.

Run as `python -m tests.server.fleet_bench.reference PORT PUBLIC_KEY`; prints `ready`. Whatever the
letters say, the signature of each is that of the one laptop whose key it was given.
"""

import asyncio
import base64
import sys

import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.report import REPORT_CONTEXT, SIGNATURE_HEADER
from server.web.fleet import REPORTS


async def _serve(port: int, public_key: bytes) -> None:
    key = Ed25519PublicKey.from_public_bytes(public_key)

    async def check(request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers[SIGNATURE_HEADER].removeprefix("ed25519=")
        key.verify(base64.b64decode(signature), REPORT_CONTEXT + body)
        return web.Response(status=202, text="ok")

    application = web.Application()
    application.router.add_post(REPORTS, check)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), bytes.fromhex(sys.argv[2])))
