"""The way that a request came on: a token is asked for on this host and over TLS alone."""

import ipaddress
from unittest import mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from server.web.carriage import Carriage, carriage_of, is_from_own_page
from server.web.source import SourceReader

PROXY = "192.0.2.10"
SOURCES = SourceReader([ipaddress.ip_network(PROXY)])


def request(peer: str, *headers: tuple[str, str], method: str = "GET") -> web.Request:
    """Return a request as aiohttp makes it of a connection from `peer`."""
    transport = mock.Mock()
    transport.get_extra_info = {"peername": (peer, 4711)}.get
    fields = CIMultiDict([("Host", "ops.example:8081"), *headers])
    return make_mocked_request(method, "/fleet", headers=fields, transport=transport)


@pytest.mark.parametrize(
    ("peer", "forwarded", "carriage"),
    [
        ("127.0.0.1", (), Carriage.LOCAL),
        ("::1", (), Carriage.LOCAL),
        ("::ffff:127.0.0.1", (), Carriage.LOCAL),
        ("192.0.2.1", (), Carriage.OPEN),
        ("192.0.2.1", ("https",), Carriage.OPEN),  # a stranger's word
        ("127.0.0.1", ("https",), Carriage.LOCAL),  # of no proxy that we know
        (PROXY, (), Carriage.OPEN),
        (PROXY, ("http",), Carriage.OPEN),
        (PROXY, ("https",), Carriage.SECURE),
        (PROXY, ("http, HTTPS",), Carriage.SECURE),
        (PROXY, ("https", "http"), Carriage.OPEN),  # the last is the nearest proxy's word
        ("garbage", (), Carriage.OPEN),
    ],
)
def test_a_way_is_as_private_as_what_carried_it(
    peer: str, forwarded: tuple[str, ...], carriage: Carriage
) -> None:
    fields = [("X-Forwarded-Proto", one) for one in forwarded]
    assert carriage_of(request(peer, *fields), SOURCES) is carriage


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ((), True),
        ((("Sec-Fetch-Site", "same-origin"),), True),
        ((("Sec-Fetch-Site", "same-site"),), False),
        ((("Sec-Fetch-Site", "cross-site"),), False),
        ((("Sec-Fetch-Site", "none"),), False),
        ((("Origin", "http://ops.example:8081"),), True),
        ((("Origin", "https://ops.example:8081"),), True),
        ((("Origin", "http://ops.example"),), False),
        ((("Origin", "http://evil.example"),), False),
        ((("Origin", "null"),), False),
        ((("Origin", "http://ops.example:8081"), ("Sec-Fetch-Site", "cross-site")), False),
    ],
)
def test_a_form_of_another_page_is_told_from_ours(
    headers: tuple[tuple[str, str], ...],
    is_ours: bool,  # noqa: FBT001 - a row of the table
) -> None:
    assert is_from_own_page(request("127.0.0.1", *headers, method="POST")) is is_ours
