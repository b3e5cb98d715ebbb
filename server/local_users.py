"""Users of this host as actors: the kernel tells the number, the host's user database the name."""

import os
import pwd
from functools import lru_cache

from server.journal.acts import Actor


@lru_cache(maxsize=256)
def local_actor(uid: int) -> Actor:
    """Return a user of this host. Asked once: user databases may be far away and slow."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = None
    return Actor.local(uid, name)


def this_process() -> Actor:
    """Return the user that this process runs as."""
    return local_actor(os.geteuid())
