"""Reports for tests, as an agent makes them."""

from collections.abc import Mapping
from datetime import date

from agent.report import Identity, KeyReport, Report, Value

TODAY = date(2026, 11, 27)
HOST = "0f" * 16
HEALTHY: dict[str, Value] = {
    "device.firmware": "5.7.4",
    "device.form_factor": "usb-c-nano",
    "device.usb.supported": ("fido2", "otp", "piv", "u2f"),
    "fido.pin_set": True,
    "fido.pin_tries": 8,
    "piv.pin.default": False,
    "piv.pin.tries": 3,
    "piv.certificate.9a.expires": "2027-11-27",
}


def a_key(
    facts: Mapping[str, Value] = HEALTHY,
    unreadable: Mapping[str, str] | None = None,
    *,
    serial: int = 10_000_001,
    last_seen: date = TODAY,
) -> KeyReport:
    return KeyReport(Identity(serial=serial), last_seen, None, facts, unreadable or {})


def a_report(
    *keys: KeyReport,
    sequence: int = 1,
    report_id: str | None = None,
    host: str = HOST,
    dropped: int = 0,
    day: date = TODAY,
) -> Report:
    return Report(
        report_id or f"{sequence:032x}",
        host,
        sequence,
        day,
        "0.1.0",
        "linux",
        "Debian 12",
        {"yubikey-manager": "5.9.1"},
        dropped,
        keys,
    )
