"""`keystead init`: everything a data directory needs, made once and never overwritten."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hsm import durable_file
from server.datadir import DataDirectory
from server.programs import sandbox
from server.programs.administration import administration
from server.programs.exits import CommandError
from server.programs.installation import Setting, configuration
from server.programs.sandbox import Sandbox
from server.programs.terminal import say

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

[hsm]
# mode = "sealed"             # "strict": every OTP is opened inside the HSM (docs/hsm.md)
{connectors}  # YubiHSM 2 devices; none: the emulator in secrets/, which protects no stolen disk

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


class WithHsm(NamedTuple):
    """Hardware that is used instead of the emulator; `keystead-ceremony` has prepared it.

    connectors: its addresses; host_secret, ceremony_secret: files of the two secrets.
    """

    connectors: Sequence[str] = ()
    host_secret: Path | None = None
    ceremony_secret: Path | None = None


def initialise(
    data: DataDirectory, *, with_sandbox: bool, database: str | None, hsm: WithHsm
) -> Initialised:
    """Make the data directory, or add a sandbox to it; CommandError when that is done already."""
    made = _make(data, database, hsm)
    if not with_sandbox:
        if not made:
            raise CommandError(
                f"{data.root} is initialised already; nothing was changed. Start it with:"
                f" keystead serve --data {data.root}"
            )
        return Initialised(data, made, None)
    config = configuration(data, _settings(database, hsm))
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


def _settings(database: str | None, hsm: WithHsm) -> list[Setting]:
    connectors = list(hsm.connectors) or None
    return [
        Setting(("store", "database"), database, "--database"),
        Setting(("hsm", "connectors"), connectors, "--hsm"),
    ]


def _make(data: DataDirectory, database: str | None, hsm: WithHsm) -> bool:
    """Make what is missing; False when nothing was. An interrupted `init` is completed."""
    data.create()
    if _is_complete(data):
        return False
    with data.locked():
        config = configuration(data, _settings(database, hsm))
        if not data.config_file.exists():
            durable_file.create(data.config_file, _template(config).encode())
        if data.has_hsm or not data.is_initialised:
            # Late: an installation with a key file does not need the HSM's library.
            from server.programs.hsm_setup import set_up_hsm  # noqa: PLC0415

            set_up_hsm(data, config.hsm, hsm.host_secret)
        _create_store(data, config, hsm.ceremony_secret)
    return True


def _template(config: "Config") -> str:
    database = "# database" if config.store.is_sqlite else "database"
    connectors = "# connectors" if config.hsm.is_embedded else "connectors"
    shown = list(config.hsm.connectors) or ["http://127.0.0.1:12345"]
    return TEMPLATE.format(
        database=f"{database} = {json.dumps(config.store.database)}",
        connectors=f"{connectors} = {json.dumps(shown)}",
    )


def _is_complete(data: DataDirectory) -> bool:
    if not data.is_initialised or not data.config_file.exists():
        return False
    # The journal's key is made last, once the store has its data keys.
    if data.has_hsm and not data.journal_key_file.exists():
        return False
    return not configuration(data).store.is_sqlite or data.database_file.exists()


def _create_store(data: DataDirectory, config: "Config", ceremony_secret: Path | None) -> None:
    import asyncio  # noqa: PLC0415 - with the store: only this step needs them

    from server import logs  # noqa: PLC0415
    from server.foundation import create_store  # noqa: PLC0415

    logs.configure("warning", process="command")  # standard output is the command's answer
    asyncio.run(create_store(config, data, ceremony_secret))


def tell_secrets(data: DataDirectory) -> None:
    """Say what was made that must not be lost, and what should not stay where it is."""
    if not data.has_hsm:
        say(f"Back up {data.sealing_key_file}: without it no stored key opens.")
        return
    if data.emulator_file.exists():
        say(f"Keys are in an EMULATED HSM, {data.emulator_file}: it protects copies of the")
        say("database, not a stolen disk. `--hsm URL` uses a YubiHSM 2 (docs/hsm.md).")
        say(f"Back up {data.hsm_secret_file} and {data.emulator_file.name} beside it: without them")
        say("no stored key opens.")
    else:
        say(f"Back up {data.hsm_secret_file}: without it nobody logs in to the HSM.")
    if data.ceremony_secret_file.exists():
        say(f"Move {data.ceremony_secret_file} to a safe place: it may change the HSM, and")
        say("serving does not need it.")
