"""Which addresses a webhook may go to (security case S20): public ones, and no others.

Lists of our own (IANA's special-purpose registries, read 2026-11): what a version of Python takes
for public differs, and an address that hides another one is judged by what it hides.
"""

import ipaddress
from collections.abc import Collection
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_DENIED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # a carrier's own
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the host of a machine at Azure: public in form, and nobody else's
            "169.254.0.0/16",  # link-local, and where clouds keep their secrets
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_DENIED_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_NEVER = (
    ipaddress.ip_network("0.0.0.0/8"),
    ipaddress.ip_network("100.100.100.200/32"),  # secrets at Alibaba
    ipaddress.ip_network("168.63.129.16/32"),  # and at Azure
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("224.0.0.0/4"),
    ipaddress.ip_network("240.0.0.0/4"),
    ipaddress.ip_network("::/128"),
    ipaddress.ip_network("fd00:ec2::/32"),  # and at Amazon
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("ff00::/8"),
)
"""What no allow-list opens: nobody's webhook is there, and the secrets of clouds are."""


class ForbiddenAddressError(OSError):
    """A webhook's name leads to where no webhook may go. An OSError: connecting ends with it."""


def read_address(text: str) -> Address | None:
    """Read an address as resolvers and sockets write it, a zone (`%eth0`) included; None."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet would reach the same machine there."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    hidden = _hidden(address)
    if hidden is not None:
        return is_public(hidden)
    return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)


def is_never_allowed(address: Address) -> bool:
    """Whether not even an allow-list opens an address."""
    hidden = _hidden(address) if isinstance(address, ipaddress.IPv6Address) else None
    judged = address if hidden is None else hidden
    return any(judged.version == net.version and judged in net for net in _NEVER)


def check_address(host: str, address: Address | None, internal: Collection[str]) -> None:
    """Refuse an address that a host's name leads to; ForbiddenAddressError.

    address: None for what is no address; internal: names that may lead to private addresses.
    """
    if address is None or is_never_allowed(address):
        raise ForbiddenAddressError(f"{host} leads to an address that no webhook may have")
    if not is_public(address) and host.lower() not in internal:
        raise ForbiddenAddressError(
            f"{host} leads to a private, local or reserved address. Name the host in"
            " internal_hosts if it is yours and is meant to be told"
        )


def _hidden(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 one really go to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return None
