"""Files of an import are read by a process of their own, so that verifications keep theirs.

Reading and sealing a million lines takes a minute of Python, and Python does one thing at a
time in a process. The reader gets the keys and then the pieces through a pipe, and
says at the end what it found; what it read lies in the import's own file.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hsm.vault import VaultError
from server.handed_keys import HandedKeys
from server.moving.ports import Fault, File, Reading, Workbench
from server.otp.ports import StoreUnavailableError
from server.storage.gathering import new_gathering

PROGRAM = "server.programs.import_reader"

_ANSWER_OCTETS = 1 << 20
_ENDED = "the process that reads the files has ended; nothing was imported"


class ReaderProcess:
    """Keeps `server.moving.ports.Reader`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, keys: HandedKeys, shelf: Path) -> "ReaderProcess":
        """Start a reader that seals with the keys that it is handed and gathers in `shelf`."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the current directory must not decide what `server` is
                "-m",
                PROGRAM,
                str(shelf),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_ANSWER_OCTETS,
            )
        except OSError as error:
            raise StoreUnavailableError(f"no process to read the files: {error}") from error
        reader = cls(process)
        handed = keys.encode()
        await reader.send(f"keys {len(handed)}\n".encode() + handed)
        return reader

    async def read(self, file: File, piece: bytes) -> None:
        """Read whole lines of a file, in their order."""
        await self.send(f"{file} {len(piece)}\n".encode() + piece)

    async def finish(self) -> Reading:
        """Return what was read, when all of it lies in order on the shelf."""
        await self.send(b"end\n")
        if self._process.stdout is None:
            raise StoreUnavailableError(_ENDED)
        answer = await self._process.stdout.readline()
        await self._process.wait()
        try:
            said = json.loads(answer)
        except ValueError as error:
            raise StoreUnavailableError(_ENDED) from error
        return _reading(said)

    async def close(self) -> None:
        """End the process, if it has not ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def send(self, octets: bytes) -> None:
        """Write to the process; whether it still reads shows when it is asked what it read."""
        stdin = self._process.stdin
        if stdin is None:
            raise StoreUnavailableError(_ENDED)
        # A reader that ended early says why when it is asked for what it read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(octets)
            await stdin.drain()


def _reading(said: Any) -> Reading:  # noqa: ANN401 - JSON
    if "vault" in said:
        raise VaultError(said["vault"])
    if "store" in said:
        raise StoreUnavailableError(said["store"])
    return Reading(
        {File(name): count for name, count in said["records"].items()},
        [Fault(File(name), line, text) for name, line, text in said["faults"]],
        said["fault_count"],
    )


@asynccontextmanager
async def workbench(keys: Callable[[], HandedKeys], directory: Path) -> AsyncIterator[Workbench]:
    """Make a place for one import in `directory`, and clear it away at the end.

    keys: which the reader seals with: those of the moment when it begins.
    """
    gathering = new_gathering(directory)
    reader = await ReaderProcess.start(keys(), gathering.path)
    try:
        yield Workbench(reader, gathering)
    finally:
        await reader.close()
        await gathering.close()
        gathering.path.unlink(missing_ok=True)
