"""Addresses of devices: the forms that there are, and a plain word about all others."""

import pytest

from hsm.device.address import device_at
from hsm.device.errors import DeviceUnavailableError, Outage
from hsm.device.http_backend import Endpoint, HttpBackend
from hsm.device.session import DeviceSession
from tests.hsm.device.provisioned import VALIDATOR


def _endpoint(url: str) -> Endpoint:
    backend = device_at(url).connect()
    assert isinstance(backend, HttpBackend)
    return backend._endpoint


@pytest.mark.parametrize(
    ("url", "endpoint", "name"),
    [
        ("http://127.0.0.1:12346", ("127.0.0.1", 12346), "127.0.0.1:12346"),
        ("http://hsm.example/", ("hsm.example", 12345), "hsm.example:12345"),
        ("http://[::1]:99", ("::1", 99), "[::1]:99"),
        ("http+unix:///run/keystead/hsm.sock", ("/run/keystead/hsm.sock", 0), "localhost"),
    ],
)
def test_a_connector_is_found(url: str, endpoint: tuple[str, int], name: str) -> None:
    found = _endpoint(url)
    assert found == endpoint
    assert found.name() == name
    assert device_at(url).where == url
    assert device_at(url).waits


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "https://hsm.example",
        "http://",
        "http://:1",
        "http://host:0",
        "http://[::1",
        "http://a b",
        "http://ho\u00dft",
        "http://host:1\r\nX: y",
        "http://host:99999",
        "http://user:word@host",
        "http://host/path",
        "http://host?query",
        "http+unix://relative/path",
        "http+unix:///nul\0",
        "usb:not-a-number",
        "yhusb://serial=1",
    ],
)
def test_what_is_none_is_refused_before_anything_is_connected(url: str) -> None:
    with pytest.raises(ValueError, match=r"HSM|host|port|path|serial"):
        device_at(url)


def test_a_device_that_is_not_plugged_in_is_unreachable() -> None:
    session = DeviceSession(device_at("usb:4294967295"), VALIDATOR)
    with pytest.raises(DeviceUnavailableError, match="plugged in") as caught:
        session.open()
    assert caught.value.outage is Outage.UNREACHABLE


def test_without_pyusb_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match="pyusb"):
        device_at("usb:12345")
