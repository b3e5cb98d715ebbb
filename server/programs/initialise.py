"""`keystead init`: everything a data directory needs, made once and never overwritten."""

import json
from typing import TYPE_CHECKING, NamedTuple

from hsm import keyfile
from server.datadir import DataDirectory
from server.programs import durable_file, sandbox
from server.programs.administration import administration
from server.programs.exits import CommandError
from server.programs.installation import Setting, configuration
from server.programs.sandbox import Sandbox

if TYPE_CHECKING:
    from server.config import Config

TEMPLATE = """\
# Keystead's configuration. What is commented out shows the default; `keystead config check`
# checks the file and prints what is in force. Secrets do not belong here: they are files.

# environment = "production"  # refuses sandboxes; the default is "development"
# workers = 1                 # processes that verify; about one per processor core

[listen]
# verify = "127.0.0.1:8080"   # where clients validate; put TLS in front
# ops = "127.0.0.1:8081"      # /metrics, /healthz, /readyz: for your own network only

[store]
{database}
# A PostgreSQL password goes into ~/.pgpass (mode 0600), never into the URL.
# replicas = 0                # PostgreSQL standbys, and
# commit_waits_for = 0        # how many of them a commit waits for: the answer's `sl`

[verify]
# legacy = true               # serve /wsapi/verify of protocol 1 too
# deadline_seconds = 5.0

[limits]
# rate = 10                   # sessions per second for a Client ID without a limit of its own
# burst = 50                  # sessions at once
# per_day = 100000            # no such limit by default
# source_rate = 1000          # requests per second from one address
# trusted_proxies = ["10.0.0.0/8"]  # whose X-Forwarded-For is believed

[backup]
# counter_journal = "/srv/keystead-counters"  # on another disk: restores need it (docs/backup.md)
# recipients = ["age1..."]    # who can open backups; `keystead backup key` makes one

[log]
# level = "info"              # debug, info, warning, error
"""


class Initialised(NamedTuple):
    """What was made. sandbox: the new one, None when none was asked for."""

    data: DataDirectory
    made: bool
    sandbox: Sandbox | None


def initialise(data: DataDirectory, *, with_sandbox: bool, database: str | None) -> Initialised:
    """Make the data directory, or add a sandbox to it; CommandError when that is done already."""
    made = _make(data, database)
    if not with_sandbox:
        if not made:
            raise CommandError(
                f"{data.root} is initialised already; nothing was changed. Start it with:"
                f" keystead serve --data {data.root}"
            )
        return Initialised(data, made, None)
    config = configuration(data, [Setting(("store", "database"), database, "--database")])
    if config.environment == "production":
        raise CommandError(
            'a sandbox has no place where environment = "production": whoever reads this disk'
            " could validate with it. Nothing was added"
        )
    if sandbox.read(data) is not None:
        raise CommandError(
            f"{data.root} has a sandbox already; nothing was changed. Print an OTP with:"
            f" keystead otp --data {data.root}"
        )
    with administration(data, config) as admin:
        return Initialised(data, made, sandbox.create(data, admin))


def _make(data: DataDirectory, database: str | None) -> bool:
    """Make what is missing; False when nothing was. An interrupted `init` is completed."""
    data.create()
    if _is_complete(data):
        return False
    with data.locked():
        config = configuration(data, [Setting(("store", "database"), database, "--database")])
        if not data.config_file.exists():
            line = "# database" if config.store.is_sqlite else "database"
            line += f" = {json.dumps(config.store.database)}"
            durable_file.create(data.config_file, TEMPLATE.format(database=line).encode())
        if not data.is_initialised:
            keyfile.create(data.sealing_key_file)
        _create_store(data, config)
    return True


def _is_complete(data: DataDirectory) -> bool:
    if not data.is_initialised or not data.config_file.exists():
        return False
    return not configuration(data).store.is_sqlite or data.database_file.exists()


def _create_store(data: DataDirectory, config: "Config") -> None:
    import asyncio  # noqa: PLC0415 - with the store: only this step needs them

    from server import logs  # noqa: PLC0415
    from server.foundation import create_store  # noqa: PLC0415

    logs.configure("warning", process="command")  # standard output is the command's answer
    asyncio.run(create_store(config, data))
