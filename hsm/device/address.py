"""Where a device is, as people write it: http://host:port, http+unix:///path, usb:[serial]."""

import importlib.util
import re
from urllib.parse import urlsplit

from yubihsm.backends import YhsmBackend

from hsm.device.http_backend import Endpoint, HttpBackend
from hsm.device.line import DEADLINE_S, Device

CONNECTOR_PORT = 12345
_FORMS = "http://HOST:PORT of a connector, http+unix:///PATH of its socket, usb: or usb:SERIAL"
_HOST = re.compile(r"[0-9a-z._:%-]{1,255}")
_SERIAL = re.compile(r"[0-9]{1,10}")


def device_at(url: str, deadline_s: float = DEADLINE_S) -> Device:
    """Return the device at an address; nothing is connected yet.

    deadline_s: for one command. Raises ValueError, whose text tells what is wrong.
    """
    scheme, separator, rest = url.partition(":")
    if not separator:
        raise ValueError(f"{url!r} is no address of an HSM: it is {_FORMS}")
    if scheme == "usb":
        return _usb(url, rest, deadline_s)
    if scheme == "http+unix":
        return _http(url, _socket_path(url, rest), deadline_s)
    if scheme == "http":
        return _http(url, _tcp(url), deadline_s)
    raise ValueError(f"{url!r} begins with {scheme!r}, an address of an HSM is {_FORMS}")


def _http(url: str, endpoint: Endpoint, deadline_s: float) -> Device:
    return Device(url, lambda: HttpBackend(endpoint, deadline_s))


def _tcp(url: str) -> Endpoint:
    try:
        parts = urlsplit(url)
        port = CONNECTOR_PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError(f"{url!r} has no valid host or port") from None
    # The name goes into the head of every request.
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or not port:
        raise ValueError(f"{url!r} names no host and port")
    if parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{url!r} has more than a host and a port")
    return Endpoint(parts.hostname, port)


def _socket_path(url: str, rest: str) -> Endpoint:
    path = rest.removeprefix("//")
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{url!r} names no absolute path of a socket: write http+unix:///run/...")
    return Endpoint(path, 0)


def _usb(url: str, serial: str, deadline_s: float) -> Device:
    if serial and not _SERIAL.fullmatch(serial):
        raise ValueError(f"{url!r} has no serial number of a device after usb:")
    if importlib.util.find_spec("usb") is None:
        raise ValueError(
            f"{url!r} needs pyusb: install yubihsm[usb], or run Yubico's connector and give its"
            " address"
        )

    def connect() -> YhsmBackend:
        from yubihsm.backends.usb import UsbBackend  # noqa: PLC0415 - it needs libusb

        # It counts whole seconds.
        return UsbBackend(int(serial) if serial else None, max(1, round(deadline_s)))

    return Device(url, connect)
