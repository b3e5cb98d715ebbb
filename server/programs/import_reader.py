"""The process that reads an import's files: pieces from standard input, seals, gathers.

Started as `python -P -m server.programs.import_reader SHELF`. First come the keys it seals with.
It says one line of JSON at the end. Without the line `end` it says nothing, and what it gathered
is removed by who started it. It makes way for verifications: whatever they leave of the processor
is enough.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from hsm.vault import VaultError
from server.handed_keys import HandedKeys
from server.moving.ports import File
from server.moving.reader import LineReader
from server.otp.ports import StoreError
from server.programs.hardening import keep_memory_private
from server.storage.gathering import FileGathering

_NICE = 10
_END = b"end\n"


async def read(shelf: Path) -> dict[str, object] | None:
    """Read everything; return what there is to say, None when the end did not come."""
    keys = _keys()
    if keys is None:
        return None
    gathering = FileGathering(shelf)
    await gathering.create()
    stack = AsyncExitStack()
    try:
        held = await keys.open(stack, opened=1)
        reader = LineReader(held.vault, gathering)
        # Nothing else happens in this process, so waiting for a pipe may hold up its loop.
        while (header := sys.stdin.buffer.readline()) != _END:
            name, _, octets = header.decode("ascii").partition(" ")
            if not octets:
                return None
            await reader.read(File(name), sys.stdin.buffer.read(int(octets)))
        found = await reader.finish()
    finally:
        await stack.aclose()
        await gathering.close()
    return {
        "records": {file.value: count for file, count in found.records.items()},
        "faults": [[fault.file.value, fault.line, fault.said] for fault in found.faults],
        "fault_count": found.fault_count,
    }


def _keys() -> HandedKeys | None:
    """Return what this process is handed first, None when that does not come."""
    name, _, octets = sys.stdin.buffer.readline().decode("ascii").partition(" ")
    if name != "keys":
        return None
    return HandedKeys.decode(sys.stdin.buffer.read(int(octets)))


def run() -> int:
    """Run a reader in this process; return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches who started this one, too
    keep_memory_private()
    os.nice(_NICE)
    try:
        said = asyncio.run(read(Path(sys.argv[1])))
    except VaultError as error:
        said = {"vault": str(error)}
    except StoreError as error:
        said = {"store": str(error)}
    if said is None:
        return 1
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run())
