"""The name of a data directory's nodes: made once, kept in a file."""

import os
import secrets

from server.datadir import DataDirectory
from server.storage.refusals import StoreRefusedError

_ID_OCTETS = 6


class NodeNameError(StoreRefusedError):
    """The file with the name is damaged; the message says what to do."""


def installation(data: DataDirectory) -> str:
    """Return what tells this data directory's nodes from all others; made at first use."""
    path = data.node_file
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_ID_OCTETS) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        pass
    name = path.read_text("ascii", "replace").strip()
    if len(name) != 2 * _ID_OCTETS or not name.isalnum():
        raise NodeNameError(f"{path} is damaged. Remove it: the next start makes another one")
    return name
