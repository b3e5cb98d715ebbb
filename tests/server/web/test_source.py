"""Whose budget a request spends, and what a stranger can make us believe about it."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.otp.verdict import Source
from server.web.source import SourceReader, read_address

PROXIES = SourceReader([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")])
PROXY = Source("10.0.0.1", exempt=False)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unknown", None),
        ("192.0.2.256", None),
        ("192.0.2.01", None),
        ('"192.0.2.1"', None),
    ],
)
def test_one_host_has_one_spelling(text: str, address: str | None) -> None:
    assert (str(read_address(text)) if address else read_address(text)) == address


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    address = read_address(text)
    assert address is None or read_address(str(address)) == address


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("203.0.113.7", Source("203.0.113.7", exempt=False)),
        ("127.0.0.1", Source("127.0.0.1", exempt=True)),
        ("127.9.9.9", Source("127.9.9.9", exempt=True)),
        ("::1", Source("::1", exempt=True)),
        ("::ffff:127.0.0.1", Source("127.0.0.1", exempt=True)),
        ("", Source("", exempt=False)),
        ("/run/x.sock", Source("/run/x.sock", exempt=False)),
    ],
)
def test_a_stranger_is_its_own_source_and_loopback_is_exempt(host: str, source: Source) -> None:
    assert PROXIES.peer(host) == (source, False)


def test_loopback_that_is_a_trusted_proxy_is_not_exempt() -> None:
    reader = SourceReader([ipaddress.ip_network("127.0.0.1/32")])
    assert reader.peer("127.0.0.1") == (Source("127.0.0.1", exempt=False), True)


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),  # the left one was spoofed
        (["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.1.1, fd00::2"], "203.0.113.7"),
        (["203.0.113.7:50000,10.1.1.1"], "203.0.113.7"),
        (["127.0.0.1"], "127.0.0.1"),
        (["203.0.113.7, garbage"], "10.0.0.1"),
        (["203.0.113.7, garbage, 10.1.1.1"], "10.0.0.1"),
        (["10.1.1.1, 10.2.2.2"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["203.0.113.7" + ",10.1.1.1" * 100], "10.0.0.1"),
    ],
)
def test_behind_proxies_the_rightmost_untrusted_address_wins_and_is_never_exempt(
    fields: list[str], address: str
) -> None:
    assert PROXIES.peer("10.0.0.1") == (PROXY, True)
    assert PROXIES.forwarded(PROXY, fields) == Source(address, exempt=False)


@given(st.lists(st.text(max_size=40), max_size=5), st.ip_addresses())
def test_nothing_left_of_what_the_proxy_wrote_matters(
    spoofed: list[str], client: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    honest = PROXIES.forwarded(PROXY, [str(client)])
    if honest != PROXY:
        assert PROXIES.forwarded(PROXY, [*spoofed, str(client)]) == honest
