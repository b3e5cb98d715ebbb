"""`python -m loadtest` as a program of its own, for tests."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.keystead_process import REPOSITORY

LONGEST_S = 150.0


class Run(NamedTuple):
    """A run that has ended. summary: {} when none was written."""

    code: int
    summary: dict[str, Any]
    said: str


async def start(folder: Path, *options: str) -> asyncio.subprocess.Process:
    """Start the load test as a program of its own; what it says can be read from its stdout."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtest",
        *options,
        "--reports",
        str(folder / "reports"),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def end(process: asyncio.subprocess.Process, folder: Path) -> Run:
    """Wait for its end."""
    try:
        async with asyncio.timeout(LONGEST_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    written = folder / "reports" / "summary.json"
    summary = json.loads(written.read_text()) if written.exists() else {}
    return Run(process.returncode, summary, said.decode())


async def load(folder: Path, *options: str) -> Run:
    """Run the load test from its start to its end."""
    return await end(await start(folder, *options), folder)
