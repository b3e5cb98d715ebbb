"""Real proxies, configured by the guide: who is believed, whose budget is spent, what is logged."""

import contextlib
import http.client
import secrets
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.certificates import Authority
from tests.keystead_process import HttpAnswer, KeysteadProcess
from tests.proxies.proxy import HOST, Proxy, caddy, nginx
from tests.system.relying_party import RelyingParty
from tests.system.yubikeys import YubiKey, known_keys

TRUSTING = '[limits]\ntrusted_proxies = ["127.0.0.1/32"]\nsource_rate = 1\nsource_burst = 5\n'

STRANGER = "192.0.2.66"
"""Whom a liar claims to be."""


class Site(NamedTuple):
    """Keystead and a proxy in front of it. Addresses of the loopback stand for other machines."""

    keystead: KeysteadProcess
    proxy: Proxy
    authority: Authority
    party: RelyingParty
    key: YubiKey

    def ask(
        self,
        otp: str,
        *,
        client: str,
        forwarded_for: str = "",
        direct: bool = False,
        nonce: str = "",
    ) -> HttpAnswer:
        """Ask from the address `client`, through the proxy or past it."""
        assert self.keystead.ready is not None
        behind = urlsplit(self.keystead.ready.verify_url).port
        wire = (
            http.client.HTTPConnection("127.0.0.1", behind, 30.0, source_address=(client, 0))
            if direct
            else Through(self.proxy.port, client, self.authority)
        )
        headers = {"Host": HOST}
        if forwarded_for:
            headers["X-Forwarded-For"] = forwarded_for
        target = self.party.target(otp, nonce or secrets.token_hex(16))
        with contextlib.closing(wire):
            wire.request("GET", target, headers=headers)
            answer = wire.getresponse()
            return HttpAnswer(answer.status, dict(answer.headers), answer.read().decode())

    def source_of(self, otp: str) -> str:
        """Return the source that Keystead names in its line about a refused OTP."""
        found: list[str] = [
            line["source"]
            for line in self.keystead.logs()
            if line["event"] == "verification_refused" and line["public_id"] == otp[:-32]
        ]
        (source,) = found
        return source


class Through(http.client.HTTPSConnection):
    """A connection to the proxy under its own name, which nobody has to look up."""

    def __init__(self, port: int, client: str, authority: Authority) -> None:
        context = authority.client()
        super().__init__(HOST, port, timeout=30.0, source_address=(client, 0), context=context)
        self._create_connection = self._locally

    @staticmethod
    def _locally(
        address: tuple[str, int], timeout_s: float, source: tuple[str, int]
    ) -> socket.socket:
        return socket.create_connection(("127.0.0.1", address[1]), timeout_s, source)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxies")
    authority = Authority()
    with KeysteadProcess(folder / "var") as keystead:
        keystead.init()
        keystead.configure(TRUSTING)
        ready = keystead.start()
        behind = urlsplit(ready.verify_url).port
        assert behind is not None
        files = authority.issue(folder / "tls", HOST)
        start = nginx if request.param == "nginx" else caddy
        (key,) = known_keys(keystead, 1)
        party = RelyingParty.enrol(keystead, "party")
        with start(behind, files) as proxy:
            yield Site(keystead, proxy, authority, party, key)


def test_an_otp_validates_once_through_the_proxy(site: Site) -> None:
    otp = site.key.press()
    answer = site.ask(otp, client="127.0.0.20")
    assert (answer.code, answer.status) == (200, "OK")
    assert site.ask(otp, client="127.0.0.20").status == "REPLAYED_OTP"


def test_the_source_is_who_asks_the_proxy(site: Site) -> None:
    otp = YubiKey().press()
    assert site.ask(otp, client="127.0.0.21").status == "BAD_OTP"
    assert site.source_of(otp) == "127.0.0.21"


def test_what_a_client_claims_through_the_proxy_is_not_believed(site: Site) -> None:
    otp = YubiKey().press()
    assert site.ask(otp, client="127.0.0.22", forwarded_for=STRANGER).status == "BAD_OTP"
    assert site.source_of(otp) == "127.0.0.22"


def test_what_a_client_claims_past_the_proxy_is_not_believed(site: Site) -> None:
    otp = YubiKey().press()
    answer = site.ask(otp, client="127.0.0.23", forwarded_for=STRANGER, direct=True)
    assert answer.status == "BAD_OTP"
    assert site.source_of(otp) == "127.0.0.23"


def test_each_client_of_the_proxy_spends_its_own_budget(site: Site) -> None:
    codes = [site.ask(YubiKey().press(), client="127.0.0.24").code for _ in range(20)]
    assert codes[:5] == [200] * 5
    assert 429 in codes
    assert site.ask(site.key.press(), client="127.0.0.25").status == "OK"


def test_a_long_query_gets_the_answer_of_the_protocol(site: Site) -> None:
    nonce = "a" * 16_000
    answer = site.ask(site.key.press(), client="127.0.0.26", nonce=nonce)
    assert (answer.code, answer.status) == (200, "MISSING_PARAMETER")


def test_s10_the_proxy_logs_no_otp_even_when_keystead_is_gone(site: Site) -> None:
    refused = YubiKey().press()
    assert site.ask(refused, client="127.0.0.27").status == "BAD_OTP"
    assert site.keystead.terminate() == 0
    unused = site.key.press()
    assert site.ask(unused, client="127.0.0.27").code == 502
    said = site.proxy.said()
    assert refused not in said
    assert unused not in said
    assert "/wsapi/" not in said
