"""What the status needs of the rest: somebody who tells what is to be shown."""

from typing import Protocol

from server.status.snapshot import Snapshot


class SnapshotSource(Protocol):
    """Tells how things are, from storage. Raises the store's errors (server.otp.ports)."""

    async def status_snapshot(self) -> Snapshot:
        """Return what everybody may know, read a few seconds ago at most."""
        ...
