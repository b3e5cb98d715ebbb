"""Fleets for tests of the pages: hosts that enrolled and reported, in a real store."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from agent.report import Identity, KeyReport, Report, Value
from server.fleet.enrolment import Asked, digest_of
from server.storage.sqlite.store import SqliteStore, open_sqlite
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy, Rate

TODAY = date(2026, 11, 21)
"""The day of `StillClock`."""

OTHER = "1e" * 16
DEFAULT = Policy(Rate.per_second(10, 50), UNLIMITED)
OLD: dict[str, Value] = {
    **HEALTHY,
    "device.firmware": "5.4.3",
    "device.fips_series": False,
    "device.security_key_series": False,
    "device.nfc.supported": (),
    "device.usb.enabled": ("fido2", "piv"),
    "piv.pin.default": True,
    "fido.pin_set": False,
}


_EMPTY: list[bytes] = []
"""A store with its schema and nothing in it, once it was made: that takes as long as a test."""


@asynccontextmanager
async def open_store(folder: Path, clock: StillClock) -> AsyncIterator[SqliteStore]:
    """Open a new store in a folder."""
    file = folder / "keystead.db"
    if not _EMPTY:
        await (await open_sqlite(file, clock=clock, default_policy=DEFAULT, create=True)).close()
        _EMPTY.append(file.read_bytes())
    file.write_bytes(_EMPTY[0])
    store = await open_sqlite(file, clock=clock, default_policy=DEFAULT, create=False)
    try:
        yield store
    finally:
        await store.close()


async def enrolled(store: SqliteStore, host_id: str = HOST, name: str = "laptop-17") -> None:
    """Let a host in."""
    await store.add_enrolment_token(
        name, digest_of(host_id), lifetime_us=10**12, replaces=False, act=ACT
    )
    key = bytes.fromhex(host_id) * 2
    await store.enrol(Asked(host_id, host_id, name, key, "linux", "0.1.0"))


def seen(
    facts: Mapping[str, Value] = HEALTHY,
    unreadable: Mapping[str, str] | None = None,
    *,
    serial: int = 10_000_001,
) -> KeyReport:
    """Return a key as a host saw it today."""
    return a_key(facts, unreadable, serial=serial, last_seen=TODAY)


def hashed(digits: str) -> KeyReport:
    """Return a key that is named by a hash."""
    return KeyReport(Identity(serial_hash=digits * 64), TODAY, None, dict(HEALTHY), {})


def told(*keys: KeyReport, host: str = HOST, sequence: int = 1) -> Report:
    """Return a report of today."""
    return a_report(*keys, host=host, sequence=sequence, day=TODAY)


async def small_fleet(store: SqliteStore) -> None:
    """Fill a store: an old key in danger, a sound one, one in use, a disputed one; a clone."""
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    busy = {"device.firmware": "5.7.4", "device.form_factor": "usb-a-nano"}
    lie = {**OLD, "device.firmware": "5.7.4"}
    await store.take_reports(
        [
            told(seen(OLD, serial=1), seen(serial=2), seen(busy, {"piv": "in-use"}, serial=3)),
            told(seen(OLD, serial=4), hashed("a"), sequence=2),
            told(seen(lie, serial=4), host=OTHER),
            told(host=OTHER)._replace(report_id="ab" * 16),
        ]
    )
    mended = {**OLD, "piv.pin.default": False}
    await store.take_reports([told(seen(mended, serial=1), sequence=3)])
    await store.take_reports([told(seen(OLD, serial=1), sequence=4)])
