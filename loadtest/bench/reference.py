"""R, the reference: the shortest answer that aiohttp and uvloop can give in one process.

Run as `python -m loadtest.bench.reference PORT`; prints a line starting with `ready`.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

from loadtest.bench.console import say

_TEXT = "status=OK\r\n"


async def _answer(_request: web.Request) -> web.Response:
    return web.Response(text=_TEXT)


async def _serve(port: int) -> None:
    application = web.Application()
    application.router.add_get("/wsapi/2.0/verify", _answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    say("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
