"""What each system is told, and the thin parts that are a system's own."""

import plistlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.fido_device import HidDevice
from agent.fido_hid import SysfsFidoDevices
from agent.installing import (
    Remove,
    Run,
    Step,
    Write,
    install,
    plan_install,
    plan_uninstall,
    uninstall,
)
from agent.ports import CardBusyError, ReaderFailedError
from agent.software import chosen, of_dpkg, of_rpm
from agent.whitelist import CTAP_GET_INFO, CTAPHID_CBOR, ForbiddenCommandError
from agent.windows_service import ServiceStatus, WindowsService
from tests.system_programs import require_program
from tests.virtual_yubikey.fido_hid import VirtualHidConnection, descriptor
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

PROGRAM = "/opt/keystead agent/bin/keystead-agent"


def written(steps: list[Step]) -> dict[str, str]:
    return {step.path: step.content for step in steps if isinstance(step, Write)}


def ran(steps: list[Step]) -> list[str]:
    return [" ".join(step.command) for step in steps if isinstance(step, Run)]


def test_systemd_starts_the_program_that_was_called_unprivileged_and_small() -> None:
    unit = written(plan_install("linux", PROGRAM))["/etc/systemd/system/keystead-agent.service"]
    assert f'ExecStart="{PROGRAM}" run' in unit
    for line in ("User=keystead-agent", "MemoryMax=64M", "CapabilityBoundingSet=",
                 "NoNewPrivileges=yes", "ProtectSystem=strict", "DevicePolicy=closed"):  # fmt: skip
        assert line in unit.splitlines()


def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    unit = written(plan_install("linux", "/bin/true"))["/etc/systemd/system/keystead-agent.service"]
    (tmp_path / "keystead-agent.service").write_text(unit)
    done = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / "keystead-agent.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "keystead-agent.service:" in line]
    assert complaints == []


def test_what_is_installed_on_linux_is_removed_again(tmp_path: Path) -> None:
    install(tmp_path)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) == 4
    uninstall(tmp_path, purge=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_agents_files_go_when_that_is_asked_and_only_then() -> None:
    for system in ("linux", "macos", "windows"):
        assert Remove("/data") in plan_uninstall(system, "/data", purge=True)
        assert Remove("/data") not in plan_uninstall(system, "/data", purge=False)


def test_the_fido_interface_alone_is_opened_to_the_agent() -> None:
    rule = written(plan_install("linux", PROGRAM))["/etc/udev/rules.d/71-keystead-agent.rules"]
    (line,) = [line for line in rule.splitlines() if line and not line.startswith("#")]
    assert 'ENV{ID_FIDO_TOKEN}=="1"' in line
    assert 'ATTRS{idVendor}=="1050"' in line


def test_launchd_reads_the_property_list() -> None:
    (content,) = written(plan_install("macos", "/opt/a&b/keystead-agent")).values()
    told = plistlib.loads(content.encode())
    assert told["ProgramArguments"] == ["/opt/a&b/keystead-agent", "run"]
    assert told["KeepAlive"] is True
    assert told["Umask"] == 0o077


def test_windows_gets_a_service_with_an_account_of_its_own() -> None:
    commands = ran(plan_install("windows", r"C:\Keystead\keystead-agent.exe"))
    assert any(r"obj= NT SERVICE\KeysteadAgent" in one for one in commands)
    assert any(
        r'binPath= "C:\Keystead\keystead-agent.exe" run --service' in one for one in commands
    )
    closed = next(at for at, one in enumerate(commands) if one.startswith("icacls"))
    started = next(at for at, one in enumerate(commands) if one.startswith("sc.exe start"))
    assert closed < started


class Manager:
    """The service control manager, as its documentation describes it."""

    def __init__(self, *, by_a_person: bool = False) -> None:
        self.states: list[int] = []
        self.exit_codes: list[int] = []
        self.handler: Callable[[int], int] = lambda _control: 0
        self.running = threading.Event()
        self._by_a_person = by_a_person

    def dispatch(self, name: str, main: Callable[[], None]) -> bool:
        assert name == "KeysteadAgent"
        if self._by_a_person:
            return False  # ERROR_FAILED_SERVICE_CONTROLLER_CONNECT
        thread = threading.Thread(target=main)
        thread.start()
        thread.join(10)
        return True

    def register(self, name: str, handler: Callable[[int], int]) -> int:
        assert name == "KeysteadAgent"
        self.handler = handler
        return 7

    def report(self, handle: int, status: ServiceStatus) -> bool:
        assert handle == 7
        self.states.append(status.current_state)
        self.exit_codes.append(status.win32_exit_code)
        if status.current_state == 4:
            self.running.set()
        return True


def test_a_windows_service_runs_until_it_is_told_to_stop() -> None:
    manager, stopped = Manager(), threading.Event()
    service = WindowsService(lambda: assert_(stopped.wait(10)), stopped.set, manager)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(service.serve()))
    thread.start()
    assert manager.running.wait(10)
    assert manager.handler(99) == 120  # ERROR_CALL_NOT_IMPLEMENTED
    assert manager.handler(4) == 0
    assert manager.handler(1) == 0
    thread.join(10)
    assert ended == [0]
    assert manager.states == [4, 4, 3, 1]


def assert_(truth: bool) -> None:  # noqa: FBT001
    assert truth


def test_a_windows_service_that_fails_says_so() -> None:
    manager = Manager()

    def fail() -> None:
        raise OSError("no disk")

    assert WindowsService(fail, lambda: None, manager).serve() == 1
    assert (manager.states[-1], manager.exit_codes[-1]) == (1, 1066)


def test_a_person_does_not_start_a_windows_service() -> None:
    assert WindowsService(lambda: None, lambda: None, Manager(by_a_person=True)).serve() == 1


def test_fido_devices_are_found_without_opening_anything(tmp_path: Path) -> None:
    fido = bytes.fromhex("06d0f10901a1010920150026ff007508954081020921150026ff00750895409102c0")
    keyboard = bytes.fromhex("05010906a101050719e029e71500250175019508810295017508810195057501")
    for name, uevent, report in (
        ("hidraw0", "HID_ID=0003:00001050:00000407", keyboard),
        ("hidraw1", "HID_ID=0003:00001050:00000407", fido),
        ("hidraw2", "HID_ID=0003:0000096E:00000850", fido),
    ):
        device = tmp_path / name / "device"
        device.mkdir(parents=True)
        (device / "uevent").write_text(f"DRIVER=hid-generic\n{uevent}\n")
        (device / "report_descriptor").write_bytes(report)
    (tmp_path / "hidraw3").mkdir()
    assert SysfsFidoDevices(tmp_path).paths() == ["/dev/hidraw1"]
    assert SysfsFidoDevices(tmp_path / "none").paths() == ()


class BusyConnection(VirtualHidConnection):
    """A device that is busy with somebody's login, after its channel was opened."""

    def __init__(self, key: VirtualYubiKey, answer: bytes) -> None:
        super().__init__(key)
        self._answer_now = answer
        self.reads = 0

    def read_packet(self) -> bytes:
        self.reads += 1
        if self.reads == 1:
            return super().read_packet()
        return self._channel.to_bytes(4, "big") + self._answer_now.ljust(60, b"\0")


def test_a_fido_device_that_is_busy_is_asked_once() -> None:
    connection = BusyConnection(VirtualYubiKey(yubikey_5c_nfc(31234567)), b"\xbf\x00\x01\x06")
    device = HidDevice(descriptor(), connection)
    with pytest.raises(CardBusyError):
        device.call(CTAPHID_CBOR, CTAP_GET_INFO)
    assert connection.reads == 2


def test_a_fido_device_that_answers_nonsense_has_failed() -> None:
    connection = BusyConnection(VirtualYubiKey(yubikey_5c_nfc(31234567)), b"\x83\xff")
    device = HidDevice(descriptor(), connection)
    with pytest.raises(ReaderFailedError):
        device.call(CTAPHID_CBOR, CTAP_GET_INFO)


def test_a_fido_device_is_sent_nothing_that_is_not_on_the_list() -> None:
    connection = VirtualHidConnection(VirtualYubiKey(yubikey_5c_nfc(31234567)))
    device = HidDevice(descriptor(), connection)
    with pytest.raises(ForbiddenCommandError):
        device.call(CTAPHID_CBOR, b"\x07")
    assert [kind for kind, _data in connection.asked] == [0x06]


def test_versions_are_read_from_dpkgs_list() -> None:
    lines = """Package: libfido2-1
Status: install ok installed
Version: 1.12.0-2+b1

Package: yubikey-manager
Status: deinstall ok config-files
Version: 4.0.9-1

Package: yubikey-manager-qt
Status: install ok installed
Version: 1:1.2.5~rc1-1

Package: libpam-u2f
Status: install ok installed
Version: 1.1.0-1.1+b1
"""
    assert chosen(of_dpkg(line + "\n" for line in lines.split("\n"))) == {
        "libfido2": "1.12.0",
        "pam-u2f": "1.1.0",
        "yubikey-manager-qt": "1.2.5",
    }


def test_versions_are_read_from_rpm_and_other_lists() -> None:
    assert chosen(of_rpm("bash 5.2\npcsc-lite 2.3.0\npam-u2f 1.3.1\nlibfido2 (none)\n")) == {
        "pam-u2f": "1.3.1",
        "pcscd": "2.3.0",
    }
    windows = [("YubiKey Smart Card Minidriver", "4.6.3.252"), ("Yubico Authenticator", "7.2.0")]
    assert chosen(windows) == {"yubico-authenticator": "7.2.0", "yubikey-minidriver": "4.6.3.252"}


def test_the_agent_needs_none_of_the_servers_libraries_and_nothing_that_disturbs() -> None:
    code = (
        "import sys, agent.service, agent.commands, agent.installing, agent.inventory\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    unwanted = {"aiohttp", "asyncio", "ykman", "yubikit", "pydantic", "typer", "rich", "sqlalchemy"}
    assert loaded & (unwanted | {"server", "hsm", "validation", "loadtest"}) == set()
