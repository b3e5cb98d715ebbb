"""`keystead probe init`: a client, a virtual key and a configuration for a prober."""

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hsm import privatefile
from server.probing.hosts import HostRefusedError, canonical
from server.probing.virtual_key import Slot
from server.programs.admin_client import AdminClient, because
from server.programs.exits import CommandError

CONFIG = "probe.toml"
API_KEY = "api.key"
VIRTUAL_KEY = "virtual-key"
TOKEN = "token"  # noqa: S105 - a file's name
CLIENT_NAME = "prober"

_LOST = "its secrets are nowhere else"


class Made(NamedTuple):
    """What was made. directory: with everything the prober needs."""

    directory: Path
    client: int
    public_id: str
    operator: str | None


class Remote(NamedTuple):
    """The admin door over HTTPS. ca: its authority's file."""

    url: str
    ca: str | None


def make(  # a straight line of steps, each with its reason
    admin: AdminClient, directory: Path, url: str, *, door: Path | Remote, reason: str
) -> Made:
    """Make a prober's directory; CommandError when there is one, or the host cannot be probed.

    door: the admin socket on this host, or the door over HTTPS; for that a token is made that can
    do nothing but hand in.
    """
    try:
        host = canonical(urlsplit(url).hostname or "")
    except HostRefusedError as error:
        raise CommandError(str(error)) from error
    config = directory / CONFIG
    if config.exists():
        raise CommandError(f"{config} exists already: probe with it, or choose another directory")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    slot = Slot.draw()
    client = admin.post(because("/clients", reason), {"name": CLIENT_NAME})
    line = f"0,{slot.public_id},{slot.private_id.hex()},{slot.aes_key.hex()},000000000000,,\n"
    admin.upload(because("/keys/import?format=ksm", reason), line.encode())
    number = int(client["id"])
    _keep(directory / API_KEY, str(client["api_key"]).encode() + b"\n")
    _keep(directory / VIRTUAL_KEY, slot.encode())
    name = None
    if isinstance(door, Remote):
        name = f"prober-{number}"
        issued = admin.post(because("/operators", reason), {"name": name, "role": "prober"})
        _keep(directory / TOKEN, str(issued["token"]).encode() + b"\n")
    # Last: a prober is there when its configuration is.
    _keep(config, _text(url, host, number, door).encode())
    return Made(directory, number, slot.public_id, name)


def _keep(path: Path, content: bytes) -> None:
    privatefile.create(path, content, unless_lost=_LOST)


def _text(url: str, host: str, client: int, door: Path | Remote) -> str:
    lines = {"url": url, "allowed_hosts": [host], "client": client}
    if isinstance(door, Remote):
        table: dict[str, Any] = {"url": door.url, "token_file": TOKEN}
        if door.ca is not None:
            table["ca"] = str(Path(door.ca).absolute())
    else:
        table = {"socket": str(door.absolute())}
    # JSON's form of texts, numbers and lists is TOML's too.
    said = [f"{name} = {json.dumps(value)}" for name, value in lines.items()]
    said += ["", "[server]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    return "\n".join(said) + "\n"
