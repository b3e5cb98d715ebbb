"""`keystead store upgrade`: the schema brought up to date while nobody serves from it."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from server.accounts.text import checked_reason
from server.config import Config
from server.datadir import DataDirectory
from server.journal.acts import Cause
from server.local_users import this_process
from server.programs.exits import CommandError
from server.storage.upgrade import schema_state, upgrade


class Upgraded(NamedTuple):
    """States of the schema, as `server.storage.upgrade` names them."""

    before: str
    after: str


def upgrade_store(data: DataDirectory, config: Config, *, reason: str = "") -> Upgraded:
    """Upgrade the configured store; InUseError while a service runs on this directory."""
    cause = Cause(this_process(), checked_reason(reason))
    data.require()
    database: Path | str = data.database_file if config.store.is_sqlite else config.store.database
    if isinstance(database, Path) and not database.exists():
        # An empty store in the place of a lost one would hide the loss.
        raise CommandError(
            f"{database} is missing. Restore it from a backup; to begin with an empty store: "
            f"keystead init --data {data.root}"
        )
    with data.locked():
        return asyncio.run(_upgrade(database, cause))


async def _upgrade(database: Path | str, cause: Cause) -> Upgraded:
    before = await schema_state(database)
    await upgrade(database, cause)
    return Upgraded(before.value, (await schema_state(database)).value)
