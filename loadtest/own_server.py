"""A fresh Keystead of the load test's own: its data in a temporary folder, its limits known.

Five clients: two whose users stay below the limit (one of them takes signed requests only), two
whose users go over it together, and one that is disabled. Two of the keys are disabled.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from loadtest import keyfile
from loadtest.bench.service import Installation
from loadtest.keyfile import KeySecrets
from loadtest.secretfile import write_secret

_DISABLED_KEYS = 2


class Wanted(NamedTuple):
    """A client to be made."""

    name: str
    rate: int
    burst: int
    over: bool = False
    active: bool = True
    signed_only: bool = False


CLIENTS = (
    Wanted("web", 500, 2000),
    Wanted("mail", 500, 2000, signed_only=True),
    Wanted("crowded", 5, 10, over=True),
    Wanted("small", 2, 4, over=True),
    Wanted("gone", 500, 2000, active=False),
)


class OwnServer(NamedTuple):
    """A running service. command: its command line, as words; the files hold its secrets."""

    target: str
    metrics: str
    command: list[str]
    keys: Path
    clients: Path


@contextlib.contextmanager
def own_server(folder: Path, *, keys: int, workers: int) -> Iterator[OwnServer]:
    """Set a service up in `folder`, run it, and stop it by its pid; ProgramError."""
    installation = Installation(folder / "data", None)
    installation.say("init")
    with installation.serving(folder / "keystead.log", workers=workers) as service:
        made = [_client(installation, wanted) for wanted in CLIENTS]
        write_secret(folder / "clients.json", json.dumps(made))
        _import_keys(installation, folder, keys)
        yield OwnServer(
            f"http://127.0.0.1:{service.port}",
            f"http://127.0.0.1:{service.operations_port}/metrics",
            installation.command(),
            folder / "keys.json",
            folder / "clients.json",
        )


def _client(installation: Installation, wanted: Wanted) -> dict[str, Any]:
    """Make a client and return it for the clients file."""
    options = ["--signed-only"] if wanted.signed_only else []
    client: dict[str, Any] = json.loads(
        installation.say("client", "add", wanted.name, *options, "--json")
    )
    number = str(client["id"])
    limit = ("--rate", str(wanted.rate), "--burst", str(wanted.burst))
    installation.say("client", "limit", number, *limit, "--reason", "load test")
    if not wanted.active:
        installation.say("client", "disable", number)
    return {"id": client["id"], "api_key": client["api_key"], **wanted._asdict()}


def _import_keys(installation: Installation, folder: Path, count: int) -> None:
    keys = [KeySecrets.new() for _ in range(count + _DISABLED_KEYS)]
    keys[count:] = [key._replace(active=False) for key in keys[count:]]
    plain = folder / "keys.csv"
    try:
        keyfile.make(keys, folder / "keys.json", plain)
        installation.say("key", "import", str(plain), "--format", "ksm")
    finally:
        plain.unlink(missing_ok=True)
    for key in keys[count:]:
        installation.say("key", "disable", key.public_id)
