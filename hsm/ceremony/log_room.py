"""Room in a device's log while a ceremony works: read, kept, and only then cleared."""

from collections.abc import Callable, Sequence

from yubihsm.core import AuthSession

from hsm.device.line import Device
from hsm.logins import device_info

ROOM = 12
"""Log entries that must be free before a step: none of them writes as many."""

Keep = Callable[[Sequence[bytes]], None]
"""Takes log entries, 32 octets each; they are gone from the device when it has returned."""


def make_room(device: Device, session: AuthSession, keep: Keep) -> None:
    """Clear the log if it is nearly full. session: of a role that reads it."""
    info = device_info(device)
    if info.log_size - info.log_used > ROOM:
        return
    entries = session.get_log_entries().entries
    keep([one.data + one.digest for one in entries])
    session.set_log_index(entries[-1].number)
