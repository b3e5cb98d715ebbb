"""What holds for every test: hypothesis judges results, never speed; hang-ups are heard."""

import os
import signal
from importlib.util import find_spec

import pytest
from hypothesis import settings

# A busy machine makes any single example slow; timing belongs into `make bench`.
settings.register_profile("keystead", deadline=None)
settings.load_profile("keystead")

# A service that is started under nohup(1) leaves SIGHUP alone, as it should. Services that tests
# start are asked to reload by it: what this run was started under is not theirs to inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_NEEDS_PYSCARD = [
    "agent",
    "virtual_yubikey",
    "system/test_fleet_journey.py",
    "system/test_fleet_proofs.py",
]
collect_ignore = [] if find_spec("smartcard") else _NEEDS_PYSCARD
"""A library that has to be compiled: `make setup` goes on without it, and CI does not."""


_REASON = (
    f"left out: {', '.join(_NEEDS_PYSCARD)} (they need pyscard: install the packages swig, gcc,"
    " libc6-dev, python3-dev and libpcsclite-dev, then make clean setup)"
)


def pytest_configure() -> None:
    """Refuse to leave anything out in CI."""
    if collect_ignore and os.environ.get("CI") == "true":
        raise pytest.UsageError(_REASON)


def pytest_report_header() -> str:
    """Say what is left out, and what to install."""
    return _REASON if collect_ignore else ""
