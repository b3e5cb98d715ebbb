"""`keystead store move`: from the embedded store to PostgreSQL, while nobody serves from either."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from server.accounts.text import checked_reason
from server.clock import SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.foundation import open_store
from server.journal.acts import Cause
from server.local_users import this_process
from server.programs.exits import CommandError
from server.storage.move import move
from server.storage.refusals import MovedStoreError


def move_store(
    data: DataDirectory,
    config: Config,
    target: str,
    tell: Callable[[int], None],
    *,
    reason: str = "",
) -> Mapping[str, int]:
    """Move the data directory's store; InUseError while a service runs on it.

    tell: called with the number of rows copied or compared. Returns rows by table.
    """
    cause = Cause(this_process(), checked_reason(reason))
    data.require()
    if not config.store.is_sqlite:
        raise CommandError("the store is not the embedded one, so there is nothing to move")
    if not data.database_file.exists():
        raise CommandError(f"{data.database_file} is missing. Restore it from a backup")
    with data.locked():
        return asyncio.run(_move(data, config, target, tell, cause))


async def _move(
    data: DataDirectory, config: Config, target: str, tell: Callable[[int], None], cause: Cause
) -> Mapping[str, int]:
    with suppress(MovedStoreError):  # marked already: what is left to do is on the other side
        # Opening it removes what an interrupted import left, which nobody is to see there either.
        await (await open_store(config, data, SystemClock(), create=False)).close()
    return await move(data.database_file, target, tell, cause=cause)
