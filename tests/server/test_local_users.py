"""Users of the host as actors."""

import os
import pwd

from server.journal.acts import Actor
from server.local_users import local_actor, this_process


def test_a_user_with_a_name_is_called_by_number_and_name() -> None:
    assert local_actor(0) == Actor("local", f"0({pwd.getpwuid(0).pw_name})")
    assert this_process() == local_actor(os.geteuid())


def test_a_user_without_a_name_is_called_by_number() -> None:
    taken = {user.pw_uid for user in pwd.getpwall()}
    nobodys = next(uid for uid in range(60_000, 65_000) if uid not in taken)
    assert local_actor(nobodys) == Actor("local", str(nobodys))
