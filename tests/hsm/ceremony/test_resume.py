"""A ceremony that is cut off anywhere is begun again, and ends as if nothing had happened."""

import pytest

from hsm import startup
from hsm.ceremony.perform import perform
from hsm.emulator.faults import Fault
from hsm.emulator.wire.firmware import Firmware
from hsm.logins import admits, factory_login
from hsm.manifest import validation
from hsm.vault import VaultError
from tests.hsm.ceremony.conftest import Bench, Make


def assert_made(bench: Bench) -> None:
    report = startup.check(bench.device, validation(), bench.secrets.host)
    assert report.findings == ()
    assert not admits(bench.device, factory_login())


# A message that was never heard leaves the device as a lost reply to the one before it did; so one
# fault goes through all messages, and the others through some of them.
@pytest.mark.parametrize(
    ("version", "fault", "pace"),
    [
        ("2.4.1", Fault.REPLY_LOST, 1),
        ("2.4.1", Fault.UNHEARD, 5),
        ("2.4.1", Fault.REBOOT, 4),
        ("2.4.1", Fault.GARBLED, 4),
        ("2.2.0", Fault.REPLY_LOST, 6),
        ("2.2.0", Fault.REBOOT, 7),
    ],
)
def test_it_is_cut_off_at_every_message_and_goes_on(
    make: Make, version: str, fault: Fault, pace: int
) -> None:
    firmware = Firmware.parse(version)
    undisturbed = make(firmware)
    perform(undisturbed.device, validation(), undisturbed.secrets)
    for before in range(0, undisturbed.messages, pace):
        bench = make(firmware)
        bench.mishaps.plan(*[None] * before, fault)
        try:
            perform(bench.device, validation(), bench.secrets)
        except VaultError:
            perform(bench.device, validation(), bench.secrets)
        assert_made(bench)


def test_it_is_cut_off_again_and_again(bench: Bench) -> None:
    for attempt in range(60):
        bench.mishaps.plan(*[None] * (20 + attempt), Fault.REBOOT)
        try:
            perform(bench.device, validation(), bench.secrets)
            break
        except VaultError:
            continue
    perform(bench.device, validation(), bench.secrets)
    assert_made(bench)
