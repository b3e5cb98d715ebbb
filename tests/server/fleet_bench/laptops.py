"""Laptops of a fleet that was made up: their keys, what they report, and who signs it.

All of it follows from a number, so that a store with a million of them can be filled in one process
and asked about, and reported to, in another. Kinds of keys are few, as in a real fleet.
"""

import hashlib
import itertools
from datetime import date, timedelta
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.report import Identity, KeyReport, Report, Value

FIRMWARES = (
    "5.7.4",
    "5.7.1",
    "5.4.3",
    "5.2.7",
    "5.4.2",
    "5.7.4",
    "5.4.3",
    "4.3.7",
    "5.1.2",
    "3.4.9",
)
"""Some come more than once: they are the usual ones."""

KINDS = 240
_SLOTS = [f"{slot:x}" for slot in (*range(0x82, 0x92), 0x9A, 0x9C, 0x9D, 0x9E)]


def facts_of(kind: int, today: date) -> dict[str, Value]:
    """Return what a key of a kind says: some fifty facts, 2 KB."""
    firmware = FIRMWARES[kind % len(FIRMWARES)]
    usb = ("fido2", "oath", "openpgp", "otp", "piv", "u2f")
    facts: dict[str, Value] = {
        "device.firmware": firmware,
        "device.form_factor": ("usb-c-keychain", "usb-a-keychain", "usb-c-nano")[kind % 3],
        "device.fips_series": kind % 12 == 5,
        "device.security_key_series": False,
        "device.usb.supported": usb,
        "device.usb.enabled": usb,
        "device.nfc.supported": () if kind % 3 == 2 else usb,
        "device.nfc.enabled": () if kind % 3 == 2 else usb,
        "fido.pin_set": kind % 9 != 4,
        "fido.pin_tries": 8,
        "piv.version": firmware,
        "piv.pin.default": kind % 40 == 7,
        "piv.pin.tries": 1 if kind % 60 == 11 else 3,
        "piv.puk.default": kind % 40 == 7,
        "piv.puk.tries": 3,
        "piv.management_key.default": kind % 8 == 3,
        "openpgp.version": firmware,
        "openpgp.pin.tries": 3,
        "openpgp.admin_pin.tries": 3,
        # Some end every day, as they do in a fleet of this size.
        "piv.certificate.9a.expires": (today + timedelta(kind * 7 - 20)).isoformat(),
        "piv.certificate.9a.algorithm": "ec-p256",
        "piv.certificate.9a.roca": False,
    }
    for slot in _SLOTS:
        facts[f"piv.slot.{slot}.algorithm"] = "ec-p256"
        facts[f"piv.slot.{slot}.origin"] = "generated"
    if kind % 30 == 9:
        facts["scp.default_keys"] = True
    return facts


class Laptop(NamedTuple):
    """One of them, by its number. Its key has a serial number of its own."""

    seed: str
    number: int

    @property
    def host_id(self) -> str:
        return hashlib.sha256(f"host {self.seed} {self.number}".encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        return f"laptop-{self.number}"

    @property
    def serial(self) -> int:
        return 10_000_000 + self.number

    @property
    def kind(self) -> int:
        return self.number * 7 % KINDS

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        secret = hashlib.sha256(f"key {self.seed} {self.number}".encode()).digest()
        return Ed25519PrivateKey.from_private_bytes(secret)

    @property
    def public_key(self) -> bytes:
        return self.signing_key.public_key().public_bytes_raw()

    def key(self, facts: dict[str, Value], day: date, serial: int | None = None) -> KeyReport:
        identity = Identity(serial=self.serial if serial is None else serial)
        return KeyReport(identity, day, None, facts, {})

    def report(self, sequence: int, day: date, *keys: KeyReport) -> Report:
        return Report(
            hashlib.sha256(f"report {self.number} {sequence}".encode()).hexdigest()[:32],
            self.host_id,
            sequence,
            day,
            "0.1.0",
            ("linux", "macos", "windows")[self.number % 3],
            "Debian 12",
            {"yubikey-manager": "5.9.1", "libfido2": "1.15.0"},
            0,
            keys,
        )


def laptops(seed: str, count: int) -> list[Laptop]:
    """Return `count` laptops."""
    return list(itertools.starmap(Laptop, ((seed, number) for number in range(count))))
