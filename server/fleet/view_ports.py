"""What looking at the whole fleet needs of a store: numbers, and lists to both sides."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from server.fleet.absorbing import KnownKey
from server.fleet.hosts import Host
from server.fleet.paging import Page, Place
from server.fleet.ports import FleetKey, Search
from server.fleet.trouble import Trouble


class HostSearch(NamedTuple):
    """Which hosts are wanted. name: how it begins, in letters of whatever case."""

    name: str = ""
    trouble: Trouble | None = None


class ViewBook(Protocol):
    """Reads, and takes no turn at writing. Raises the store's errors (server.otp.ports)."""

    async def host_troubles(self) -> Mapping[Trouble, int]:
        """Count hosts in trouble."""
        ...

    async def key_page(self, search: Search, place: Place, limit: int) -> Page[FleetKey]:
        """Return up to `limit` keys, by id."""
        ...

    async def host_page(self, search: HostSearch, place: Place, limit: int) -> Page[Host]:
        """Return up to `limit` hosts by name, never erased ones. A place is a host's id."""
        ...

    async def fleet_known(self, after: str, limit: int) -> Sequence[KnownKey]:
        """Return what is known of up to `limit` keys with an id beyond `after`, in order."""
        ...
