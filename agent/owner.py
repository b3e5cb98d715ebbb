"""Who acts in the agent's directory: whose it is, and never root in another's.

The agent's user may lay links there. Root that followed one, to write a file or to give it away,
would hand that user the machine.
"""

import os
from pathlib import Path
from typing import NamedTuple


class Owner(NamedTuple):
    """A user and a group, by number."""

    user: int
    group: int


def owner_to_become(owner: Owner, acting: int) -> Owner | None:
    """Return who to go on as; None: as before. acting: the user that acts. Pure."""
    return owner if acting == 0 and owner.user != 0 else None


def become_owner(directory: Path) -> None:
    """Go on as whose directory it is, for good. Where there is none yet, nothing changes."""
    if os.name != "posix" or not directory.exists():
        return
    found = directory.stat()
    other = owner_to_become(Owner(found.st_uid, found.st_gid), os.geteuid())
    if other is not None:
        os.setgroups([])
        os.setgid(other.group)
        os.setuid(other.user)
