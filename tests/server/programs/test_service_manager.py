"""What systemd hears, on a socket as it makes one."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.programs.service_manager import ServiceManager
from tests.keystead_process import KeysteadProcess


class Systemd:
    """The receiving end of sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60.0)
        self.socket.bind(str(path))

    def hear(self) -> dict[str, str]:
        """Return the next message's assignments."""
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def hear_of(self, name: str) -> dict[str, str]:
        """Return the next message that has `name`; others are let pass."""
        while True:
            said = self.hear()
            if name in said:
                return said


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listener = Systemd(tmp_path / "notify")
    with listener.socket:
        yield listener


def test_the_variables_are_taken_so_that_no_child_answers(systemd: Systemd) -> None:
    environment = {
        "NOTIFY_SOCKET": str(systemd.path),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    manager = ServiceManager.take_from(environment)
    assert environment == {"HOME": "/"}
    manager.ready("serving")
    assert systemd.hear() == {"READY": "1", "STATUS": "serving"}


async def test_the_watchdog_is_fed_while_the_loop_turns(systemd: Systemd) -> None:
    environment = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "3000"}
    async with ServiceManager.take_from(environment).watchdog():
        for _ in range(3):
            assert await asyncio.to_thread(systemd.hear) == {"WATCHDOG": "1"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
    ],
)
async def test_a_watchdog_that_is_not_ours_is_left_alone(
    systemd: Systemd, environment: dict[str, str]
) -> None:
    manager = ServiceManager.take_from({"NOTIFY_SOCKET": str(systemd.path), **environment})
    async with manager.watchdog():
        manager.stopping()
        assert "STOPPING" in systemd.hear()


def test_an_abstract_socket_is_found_by_its_name() -> None:
    name = f"keystead-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(10.0)
        ServiceManager(f"@{name}", None).reloading("one by one")
        said = dict(line.split("=", 1) for line in listener.recv(4096).decode().split("\n"))
    assert said["RELOADING"] == "1"
    assert int(said["MONOTONIC_USEC"]) > 0


def test_nobody_listening_does_no_harm(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody"), None).ready("serving")
    ServiceManager(None, None).ready("serving")


def test_a_service_says_ready_reloading_ready_and_stopping(
    tmp_path: Path, systemd: Systemd
) -> None:
    told = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "1000000"}
    with KeysteadProcess(tmp_path / "var", environment=told) as keystead:
        keystead.init()
        keystead.launch(workers=2)
        assert systemd.hear_of("READY")["STATUS"] == "serving"
        assert systemd.hear() == {"WATCHDOG": "1"}
        assert keystead.process is not None
        os.kill(keystead.pid, signal.SIGHUP)
        assert int(systemd.hear_of("RELOADING")["MONOTONIC_USEC"]) > 0
        assert systemd.hear_of("READY")["STATUS"] == "serving"
        assert keystead.terminate() == 0
        assert systemd.hear_of("STOPPING")["STOPPING"] == "1"


def test_one_process_cannot_be_replaced_and_says_so(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start()
        os.kill(keystead.pid, signal.SIGHUP)
        keystead.wait_until(
            lambda: any(line["event"] == "reload_needs_workers" for line in keystead.logs())
        )
        assert keystead.terminate() == 0


def test_a_terminal_that_hangs_up_ends_the_service_instead(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        terminal, inside = os.openpty()
        with open(inside, "rb") as stdin:  # noqa: PTH123 - a descriptor
            process = subprocess.Popen(
                keystead.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=keystead.environment,
            )
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ready ")
        process.send_signal(signal.SIGHUP)
        assert process.wait(60.0) == 0
        process.stdout.close()
        os.close(terminal)


def test_who_was_told_to_ignore_hang_ups_still_does(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start(workers=2, prefix=["nohup"])
        os.kill(keystead.pid, signal.SIGHUP)
        assert keystead.terminate() == 0
        assert not [line for line in keystead.logs() if line["event"].startswith("reload")]
