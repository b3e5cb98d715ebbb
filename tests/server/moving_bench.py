"""A place for an import whose files are read in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hsm.vault import Vault
from server.moving.ports import Workbench
from server.moving.reader import LineReader
from server.storage.gathering import FileGathering, new_gathering


class _OneAfterTheOther(FileGathering):
    """A shelf that is there already when it is opened for comparing."""

    async def open(self) -> None:
        pass


@asynccontextmanager
async def bench(vault: Vault, directory: Path) -> AsyncIterator[Workbench]:
    """Make a place for one import in `directory`, and clear it away at the end."""
    gathering = _OneAfterTheOther(new_gathering(directory).path)
    await gathering.create()
    try:
        yield Workbench(LineReader(vault, gathering), gathering)
    finally:
        await gathering.close()
        gathering.path.unlink(missing_ok=True)
