"""Which addresses a webhook may go to: public ones; disguised ones are judged by what they hide."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.notices.addresses import (
    ForbiddenAddressError,
    check_address,
    is_never_allowed,
    is_public,
    read_address,
)

ANY = "0.0.0.0"  # noqa: S104 - nobody binds to it

INWARD = [
    "168.63.129.16", "100.100.100.200", "fd00:ec2::254",
    ANY, "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "5f00::1",
    "100::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTWARD = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255",
    "172.32.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "192.0.1.1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
    "2002:808:808::1",
]  # fmt: skip
NOT_EVEN_OURS = [
    ANY, "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "::ffff:168.63.129.16",
    "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
]  # fmt: skip


@pytest.mark.parametrize("text", INWARD)
def test_s20_what_is_not_for_everybody_is_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    with pytest.raises(ForbiddenAddressError, match=r"hook\.example leads to"):
        check_address("hook.example", read_address(text), ())


@pytest.mark.parametrize("text", OUTWARD)
def test_what_everybody_reaches_is_allowed(text: str) -> None:
    check_address("hook.example", read_address(text), ())


def test_a_host_of_ours_may_be_inside_but_never_where_clouds_keep_secrets() -> None:
    for text in INWARD:
        address = read_address(text)
        assert address is not None
        if is_never_allowed(address):
            with pytest.raises(ForbiddenAddressError):
                check_address("hook.internal", address, {"hook.internal"})
        else:
            check_address("Hook.Internal", address, {"hook.internal"})
    assert all(is_never_allowed(ipaddress.ip_address(text)) for text in NOT_EVEN_OURS)


def test_what_is_no_address_is_refused() -> None:
    for text in ("", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]"):
        assert read_address(text) is None
    assert read_address("fe80::1%eth0") == ipaddress.ip_address("fe80::1")
    with pytest.raises(ForbiddenAddressError):
        check_address("hook.internal", None, {"hook.internal"})


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_as_public_as_what_it_hides(
    address: ipaddress.IPv4Address,
) -> None:
    packed = int(address)
    for disguised in (
        ipaddress.IPv6Address((0xFFFF << 32) | packed),
        ipaddress.IPv6Address((0x2002 << 112) | (packed << 80) | 1),
        ipaddress.IPv6Address((0x64FF9B << 96) | packed),
    ):
        assert is_public(disguised) == is_public(address)
        assert is_never_allowed(disguised) == is_never_allowed(address)


@settings(deadline=None)
@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_knows_to_be_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    hidden = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if hidden is None and (address.is_private or address.is_multicast or address.is_loopback):
        assert not is_public(address)
