"""Connections of webhooks: to the address that was judged, and to no other (security case S20).

A name is looked up once for a connection and all that it leads to is judged; the socket is made
for one of those addresses after it was judged once more. So an answer that is another one the
next time, or a name that is an address in disguise, gets nobody anywhere.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeAlias

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from server.notices.addresses import Address, ForbiddenAddressError, check_address, read_address

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Asks the system for all addresses of a host; OSError."""

Judge: TypeAlias = Callable[[str, Address | None], None]
"""Refuses an address that a host leads to; ForbiddenAddressError."""

MOST_ADDRESSES = 32
"""Of one name; what has more is no webhook."""


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def judge_for(internal: Collection[str]) -> Judge:
    """Return the rule of `server.notices.addresses`. internal: hosts of our own."""

    def judge(host: str, address: Address | None) -> None:
        check_address(host, address, internal)

    return judge


class GuardedResolver(AbstractResolver):
    """Looks one host up for one connection. refusal: why it may not be connected to."""

    def __init__(self, host: str, lookup: Lookup, judge: Judge) -> None:
        self._host = host
        self._lookup = lookup
        self._judge = judge
        self.refusal: ForbiddenAddressError | None = None

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - both are asked for
    ) -> list[ResolveResult]:
        """Return the addresses of a host, all of them judged; OSError."""
        found = list(dict.fromkeys(await self._lookup(host, port)))[:MOST_ADDRESSES]
        if not found:
            raise OSError(f"{host} has no address")
        # All of them: a name that leads to both sides of the wall is not to be trusted with one.
        addresses = [self._check(host, text) for text in found]
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=_family(address),
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""

    def make_socket(self, info: AddrInfoType) -> socket.socket:
        """Return a socket for exactly the address that will be connected to; OSError."""
        family, kind, protocol, _, sockaddr = info
        self._check(self._host, str(sockaddr[0]))
        return socket.socket(family, kind, protocol)

    def _check(self, host: str, text: str) -> Any:  # noqa: ANN401 - an address, of either family
        address = read_address(text)
        try:
            self._judge(host, address)
        except ForbiddenAddressError as error:
            # Remembered: on its way up it is wrapped, with others perhaps, and loses its name.
            self.refusal = error
            raise
        return address


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
