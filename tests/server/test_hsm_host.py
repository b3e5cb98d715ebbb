"""The host's side of the HSM: whom it refuses, and that it asks another device when one is away."""

from contextlib import ExitStack
from importlib import resources

import pytest
from yubihsm.backends import YhsmBackend
from yubihsm.core import YubiHsm
from yubihsm.defs import CAPABILITY
from yubihsm.exceptions import YubiHsmConnectionError
from yubihsm.objects import AuthenticationKey

from hsm import manifest
from hsm.ceremony.perform import perform
from hsm.ceremony.reach import Secrets
from hsm.credentials import HsmSecret
from hsm.data_keys import DataKeys
from hsm.device.errors import DeviceUnavailableError
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.wire.firmware import Firmware
from hsm.genuine import Anchors
from hsm.rings import Purpose
from hsm.vault import VaultError
from server.hsm_host import Devices, HsmHost, HsmRefusedError
from server.hsm_watch import HsmWatch
from server.settings.keeping import STRICT_WORKERS, Hsm

SECRETS = Secrets(HsmSecret.generate("host"), HsmSecret.generate("ceremony"))


def away() -> YhsmBackend:
    raise YubiHsmConnectionError("nobody is there")


def the_host(*devices: Device, secret: HsmSecret = SECRETS.host, text: str = "") -> HsmHost:
    held_to = manifest.parse(text.encode(), "a manifest") if text else manifest.validation()
    return HsmHost(
        Devices(devices), held_to, secret, anchors=Anchors.yubico(), addresses=(), deadline_s=1.0
    )


def made(emulator: Emulator) -> Device:
    device = Device("a device", EmulatorBackend(emulator).another, waits=False)
    perform(device, manifest.validation(), SECRETS)
    return device


@pytest.fixture(scope="module")
def device() -> Device:
    return made(Emulator())


def test_a_device_that_is_as_it_should_be_is_named_for_what_it_is(device: Device) -> None:
    host = the_host(device)
    host.inspect(production=False)
    (found,) = host.identified
    assert (found.kind, found.part_number) == ("emulator", "KEYSTEAD-EMULATOR")
    with pytest.raises(HsmRefusedError, match="not proven to be a genuine YubiHSM 2"):
        host.inspect(production=True)


def test_another_hosts_secret_is_refused(device: Device) -> None:
    with pytest.raises(VaultError, match="does not accept the credential"):
        the_host(device, secret=HsmSecret.generate("host")).inspect(production=False)


def test_a_device_from_the_factory_is_refused() -> None:
    fresh = Device("a device", EmulatorBackend(Emulator()).another, waits=False)
    with pytest.raises(VaultError, match="does not accept the credential"):
        the_host(fresh).inspect(production=False)


def test_a_second_door_on_the_device_is_refused() -> None:
    emulator = Emulator()
    device = made(emulator)
    admin = manifest.validation().role("admin")
    session = YubiHsm(EmulatorBackend(emulator)).create_session(
        admin.id, *SECRETS.ceremony.role_key("admin")
    )
    every = CAPABILITY.ALL
    AuthenticationKey.put(session, 0x0042, "door", 0xFFFF, every, every, bytes(16), bytes(16))
    with pytest.raises(HsmRefusedError, match="0x0042"):
        the_host(device).inspect(production=False)


def test_firmware_below_the_manifests_is_refused() -> None:
    device = made(Emulator(Firmware.parse("2.3.1")))
    the_host(device).inspect(production=False)
    packaged = resources.files("hsm") / "manifests" / "validation.toml"
    newer = packaged.read_text().replace('firmware = "2.2.0"', 'firmware = "2.4.1"')
    with pytest.raises(HsmRefusedError, match=r"2\.3\.1"):
        the_host(device, text=newer).inspect(production=False)


def test_a_device_that_is_away_leaves_the_work_to_another(device: Device) -> None:
    gone = Device("one that is gone", away, waits=False)
    host = the_host(gone, device)
    host.inspect(production=False)
    assert [one.where for one in host.identified] == ["a device"]
    keys = DataKeys()
    for key in host.make_data_keys(list(Purpose), SECRETS.ceremony):
        keys = keys.with_new(key).activated(key.key_id)
    assert len(host.unwrap(keys).otp.keys) == 1
    alone = the_host(gone)
    with pytest.raises(DeviceUnavailableError, match="cannot be reached"):
        alone.inspect(production=False)
    with pytest.raises(DeviceUnavailableError, match="cannot be reached"):
        alone.unwrap(keys)


async def test_the_watch_sees_a_device_go_and_come(device: Device) -> None:
    there = [False]
    sometimes = Device("sometimes", lambda: device.connect() if there[0] else away(), waits=False)
    host = the_host(sometimes)
    watch = HsmWatch(host, Hsm(), production=False)
    assert watch.trouble == ""
    await watch.look()
    assert (watch.up, watch.devices) == (0, 1)
    assert "cannot be reached" in watch.trouble
    there[0] = True
    await watch.look()
    assert (watch.up, watch.trouble) == (1, "")
    # It was away at the start, so it was checked when it came.
    assert [one.where for one in host.identified] == ["sometimes"]


async def test_the_watch_says_which_of_several_devices_is_out(device: Device) -> None:
    there = [True]
    other = made(Emulator())
    sometimes = Device("another", lambda: other.connect() if there[0] else away(), waits=False)
    host = the_host(device, sometimes)
    host.inspect(production=False)
    watch = HsmWatch(host, Hsm(), production=False)
    await watch.look()
    assert watch.note == ""
    there[0] = False
    await watch.look()
    assert (watch.up, watch.trouble) == (1, "")
    assert watch.note.startswith("1 of 2 HSMs do no work: the HSM at another")
    first, second = host.identified
    assert watch.seen == [("a device", first.serial, True), ("another", second.serial, False)]


async def test_a_device_that_comes_late_and_wrong_counts_as_away(device: Device) -> None:
    host = the_host(device)
    watch = HsmWatch(host, Hsm(), production=True)
    await watch.look()
    assert watch.up == 0
    assert "not proven" in watch.trouble


def test_successors_of_killed_processes_find_sessions_in_strict_mode() -> None:
    device = made(Emulator())
    host = the_host(device)
    most = STRICT_WORKERS + 1  # the control process has one, too
    with ExitStack() as stack:
        # The device does not know that the first half is gone.
        roles = ["validator"] * (2 * most) + ["auditor", "unsealer", "identity", "provisioner"]
        for role in roles:
            stack.enter_context(open_session(device, host.login(role)))
