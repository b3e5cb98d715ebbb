"""The status as files for another web server: each old or new, never half, and the page last."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755


def put_in_place(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write documents below a folder, in their order, over what was there; OSError.

    Whoever reads meanwhile gets a file as it was or as it is now. What else lies there stays.
    """
    for name, octets in documents.items():
        target = folder / name
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _replace(target, octets)


def _replace(target: Path, octets: bytes) -> None:
    # A name of its own beside it: two who write at once do not write into one file.
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(fresh, flags, _FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), _FILE_MODE)  # for a web server, whatever the umask took away
            stream.write(octets)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
