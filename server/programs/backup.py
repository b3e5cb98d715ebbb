"""Making a backup: what goes into it, who can open it, and that the service hears of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from server import logs
from server.backup.make import Made, make_backup
from server.backup.recipients import create_identity, default_identity_file, recipient_of
from server.config import Config
from server.datadir import DataDirectory
from server.programs.administration import administration
from server.programs.exits import CommandError

_MAX_FILE = 1 << 20
_NO_SECRETS = frozenset({".lock", ".new"})


class BackedUp(NamedTuple):
    """A backup that was made; notices: what the operator should know beside it."""

    made: Made
    seconds: float
    notices: Sequence[str]


def back_up(
    data: DataDirectory, config: Config, file: Path, *, to: Sequence[str], with_keys: bool
) -> BackedUp:
    """Write a backup to a new file. Raises BackupError, StoreError and CommandError."""
    logs.configure("warning", process="command")  # standard output is the command's answer
    data.require()
    began = time.perf_counter()
    notices: list[str] = []
    if not to:
        to = [_own_recipient(notices)]
    database: Path | str = data.database_file if config.store.is_sqlite else config.store.database
    if isinstance(database, Path) and not database.exists():
        raise CommandError(f"{database} is missing: there is nothing to back up")
    files = _files(data, with_keys=with_keys)
    made = asyncio.run(make_backup(database, file, to=to, files=files, version=version("keystead")))
    notices += _about_nodes(made.nodes)
    try:
        with administration(data, config) as admin:
            note = {"id": made.id, "made": made.made, "nodes": dict(made.nodes)}
            late = admin.post("/backups", note)["late"]
    except CommandError as error:
        notices.append(
            f"the backup is good, but the service could not be told: {error}. So journals before it"
            " are not removed, and it is not asked for before another node begins to serve. Make"
            " another one when that works again"
        )
    else:
        if late:
            notices.append(
                f"{', '.join(late)} began to serve while the backup was made, and after a restore"
                " nobody would ask for what they accepted. Make another backup now"
            )
    return BackedUp(made, round(time.perf_counter() - began, 3), notices)


def _own_recipient(notices: list[str]) -> str:
    """Return the recipient of this user's own identity, which is made if there is none."""
    path = default_identity_file()
    if path.exists():
        return recipient_of(path)
    notices.append(
        f"no backup.recipients are configured, so an identity was made: {path}. Copy it to where"
        " this machine's loss does not reach: without it the backup cannot be opened"
    )
    return create_identity(path)


def _files(data: DataDirectory, *, with_keys: bool) -> dict[str, bytes]:
    """Return what goes with the store: the configuration, and if asked for the secrets."""
    paths = [data.config_file] if data.config_file.exists() else []
    if with_keys:
        paths += [
            path
            for path in sorted(data.secrets.iterdir())
            if path.is_file() and path.suffix not in _NO_SECRETS
        ]
    found = {}
    for path in paths:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise CommandError(f"{path} is too large to be what it should be")
        found[str(path.relative_to(data.root))] = content
    return found


def _about_nodes(nodes: Mapping[str, int | None]) -> list[str]:
    without = sorted(node for node, first in nodes.items() if first is None)
    if nodes and not without:
        return []
    who = f"node {', '.join(without)} serves" if without else "nobody has served yet"
    notice = (
        f"{who} without a counter journal: after a restore all keys stay fenced until an operator"
        " releases them. Set backup.counter_journal"
    )
    return [notice]
