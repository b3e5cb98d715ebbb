"""Where a request comes from: the address whose budget it spends.

The peer of the connection, unless that is a configured proxy: then the rightmost address in
X-Forwarded-For that no configured proxy has. Whatever stands left of it was written by
strangers and is not believed.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from multidict import CIMultiDictProxy, istr

from server.otp.verdict import Source

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDED_FOR = istr("X-Forwarded-For")
_HOPS = 16
"""Proxies in a row that are looked at; more is no network but an attempt to keep us busy."""

_REMEMBERED = 4096


def read_address(text: str) -> Address | None:
    """Read `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:443`; None for no address.

    An IPv4 address inside IPv6 is that IPv4 address, and a zone (`%eth0`) is dropped: one host
    has one spelling.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class Peer(NamedTuple):
    """The other end of a connection: a source by itself, perhaps one of our proxies."""

    source: Source
    is_proxy: bool


class SourceReader:
    """Finds the source of requests. trusted: the networks of our own reverse proxies.

    Loopback is exempt from the limit per source, unless it is a trusted proxy: then it stands
    for strangers.
    """

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        # Peers repeat, and reading an address costs more than the rest of the door.
        self.peer = lru_cache(_REMEMBERED)(self._peer)

    def of(self, host: str, headers: CIMultiDictProxy[str]) -> Source:
        """Return whose budget a request spends, by its connection's host and its headers."""
        source, is_proxy = self.peer(host)
        if is_proxy:
            source = self.forwarded(source, headers.getall(FORWARDED_FOR, ()))
        return source

    def forwarded(self, proxy: Source, fields: Sequence[str]) -> Source:
        """Return the source behind a trusted proxy.

        fields: the X-Forwarded-For fields in the order sent. Without an address that can be
        believed, the proxy itself is the source.
        """
        hops = ",".join(fields).rsplit(",", _HOPS)[-_HOPS:]
        for hop in reversed(hops):
            address = read_address(hop)
            if address is None:
                break  # a proxy of ours did not write this: believe nothing further left
            if not self._is_trusted(address):
                # Loopback of another host is not ours, so a forwarded address is never exempt.
                return Source(str(address), exempt=False)
        return proxy

    def _peer(self, host: str) -> Peer:
        """Read a connection's host, as the socket names it."""
        address = read_address(host)
        if address is None:
            return Peer(Source(host, exempt=False), is_proxy=False)
        is_proxy = self._is_trusted(address)
        exempt = address.is_loopback and not is_proxy
        return Peer(Source(str(address), exempt=exempt), is_proxy)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)
