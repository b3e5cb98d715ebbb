"""The package on a Debian machine: installed, started by its unit's command line, removed."""

import json
import os
import re
import secrets
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.packaging.machine import Machine
from tests.packaging.unit_file import Unit

DATA = "/var/lib/keystead"
UNIT = "/usr/lib/systemd/system/keystead.service"
BROUGHT = "/srv/keystead.deb"
WITHIN_S = 30.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def install(machine: Machine, deb: Path) -> str:
    """Install the package; return what it says."""
    with deb.open("rb") as file:
        subprocess.run(machine.command("sh", "-c", f"cat >{BROUGHT}"), stdin=file, check=True)
    ended = machine.run("dpkg", "--install", BROUGHT)
    machine.run("rm", BROUGHT)
    return ended.stdout + ended.stderr


def purge(machine: Machine) -> str:
    ended = machine.run("dpkg", "--purge", "keystead")
    return ended.stdout + ended.stderr


def status(url: str, client: int, otp: str) -> str:
    """Validate an OTP; return the protocol's status."""
    query = urlencode({"id": client, "otp": otp, "nonce": secrets.token_hex(16)})
    with _DIRECT.open(f"{url}?{query}", timeout=WITHIN_S) as answer:
        (found,) = re.findall(r"^status=(\w+)", answer.read().decode(), re.MULTILINE)
    return str(found)


class Service:
    """What the unit starts, heard as systemd hears it."""

    def __init__(self, process: subprocess.Popen[str], listener: socket.socket) -> None:
        self.process = process
        self._listener = listener

    def wait_for(self, word: str) -> None:
        while True:
            try:
                said = self._listener.recv(4096).decode().split("\n")
            except TimeoutError:
                self.process.kill()
                pytest.fail(f"no {word}: {self.process.communicate()}")
            if any(line.startswith(f"{word}=") for line in said):
                return


SYSTEMCTL = f"""#!/bin/sh
# As far as the package's scripts ask: the service is active, and reload is what the unit says.
for word; do
    case "$word" in
        is-active) exit 0 ;;
        reload) kill -HUP "$(cat {DATA}/lock)" && exit ;;
        stop) exit 0 ;;
    esac
done
"""


@contextmanager
def systemd_runs(machine: Machine) -> Iterator[None]:
    """Let the package's scripts see a systemd that has the service: only in a copy."""
    if not machine.copied:
        yield
        return
    machine.run("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
    # Where images are built it forbids to touch services, and the scripts obey.
    machine.run("rm", "-f", "/usr/sbin/policy-rc.d")
    machine.run("sh", "-c", 'printf %s "$1" >/usr/bin/systemctl', "sh", SYSTEMCTL)
    machine.run("chmod", "755", "/usr/bin/systemctl")
    machine.run("mkdir", "-p", "/run/systemd/system")
    yield
    machine.run("rm", "-r", "/run/systemd/system")
    machine.run("mv", "/usr/bin/systemctl.real", "/usr/bin/systemctl")


@contextmanager
def started(machine: Machine) -> Iterator[Service]:
    """Start the unit's command with its variables, as its user, in the confinement it asks for."""
    unit = Unit(machine.says("cat", UNIT))
    name = f"keystead-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(WITHIN_S)
        variables = [*unit.environment, f"NOTIFY_SOCKET=@{name}", f"HOME={DATA}"]
        ports = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]
        process = subprocess.Popen(
            machine.confined(
                UNIT, unit.one("User"), [DATA], "env", *variables, *unit.command, *ports
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Service(process, listener)
        finally:
            if process.poll() is None:
                machine.run("sh", "-c", f"kill $(cat {DATA}/lock)")
            process.communicate(timeout=WITHIN_S)


def test_it_installs_starts_validates_reloads_stops_upgrades_and_keeps_the_keys(
    machine: Machine, deb: Path
) -> None:
    assert "next: keystead init" in install(machine, deb)
    assert machine.says("stat", "-c", "%U %G %a", DATA) == "keystead keystead 700"
    assert machine.says("sh", "-c", f"ls {DATA}") == ""
    assert machine.says("getent", "passwd", "keystead").split(":")[5:] == [
        DATA,
        "/usr/sbin/nologin",
    ]
    assert machine.has("/etc/systemd/system/multi-user.target.wants/keystead.service")

    # The operator is root; the files are the service's.
    made = json.loads(machine.says("keystead", "init", "--sandbox", "--json"))
    owners = machine.says("find", DATA, "-printf", "%U\n").split()
    assert set(owners) == {machine.says("id", "-u", "keystead")}
    machine.run("sh", "-c", f"sed -i 's/^# workers = 1 .*/workers = 2/' {DATA}/keystead.toml")

    with started(machine) as service:
        service.wait_for("READY")
        assert service.process.stdout is not None
        ready = service.process.stdout.readline()
        assert "workers=2" in ready
        (url,) = re.findall(r"verify=(\S+)", ready)
        client, otp = made["sandbox"]["id"], machine.says("keystead", "otp")
        assert status(url, client, otp) == "OK"
        assert status(url, client, otp) == "REPLAYED_OTP"
        assert json.loads(machine.says("keystead", "client", "list", "--json"))
        machine.run("sh", "-c", f"kill -HUP $(cat {DATA}/lock)")
        service.wait_for("RELOADING")
        service.wait_for("READY")
        assert status(url, client, machine.says("keystead", "otp")) == "OK"
        # What it may not do is what the unit forbids: the copy cannot be written any more.
        if machine.copied:
            assert "ro," in machine.says(
                "sh", "-c", f"grep ' / / ' /proc/$(cat {DATA}/lock)/mountinfo"
            )
        # An upgrade under the running service: its programs are replaced, then its workers.
        with systemd_runs(machine):
            said = install(machine, deb)
            if machine.copied:
                assert "replaced one by one" in said
                service.wait_for("RELOADING")
                service.wait_for("READY")
        assert status(url, client, machine.says("keystead", "otp")) == "OK"
        machine.run("sh", "-c", f"kill $(cat {DATA}/lock)")
        service.wait_for("STOPPING")
        assert service.process.wait(WITHIN_S) == 0

    before = machine.says("sh", "-c", f"cd {DATA} && sha256sum secrets/hsm.key keystead.toml")
    install(machine, deb)
    assert "kept /var/lib/keystead" in purge(machine)
    after = machine.says("sh", "-c", f"cd {DATA} && sha256sum secrets/hsm.key keystead.toml")
    assert after == before
    assert not machine.has("/usr/lib/keystead")
    assert not machine.has("/usr/bin/keystead")
    assert not machine.has("/etc/systemd/system/multi-user.target.wants/keystead.service")
    assert machine.says("stat", "-c", "%U", DATA) == "keystead"
    machine.run("rm", "-r", DATA)
    machine.run("deluser", "--quiet", "--system", "keystead")


FORBIDDEN = """
import errno, mmap, os

def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno in {errno.EPERM, errno.EROFS, errno.EACCES}
    return False

executable = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
print(
    refused(mmap.mmap, -1, 4096, mmap.MAP_PRIVATE, executable),
    refused(os.chroot, "/"),
    refused(os.setuid, 0),
    refused(open, "/var/lib/other", "w"),
    len(mmap.mmap(-1, 4096)) == 4096,
)
"""


def test_what_the_unit_forbids_fails_where_its_command_was_tried(
    machine: Machine, deb: Path
) -> None:
    install(machine, deb)
    forbidden = machine.confined(
        UNIT, "keystead", [DATA], "/usr/lib/keystead/bin/python", "-c", FORBIDDEN
    )
    told = subprocess.run(forbidden, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True"] * 5
    purge(machine)


def test_without_an_initialised_directory_it_leaves_nothing_when_purged(
    machine: Machine, deb: Path
) -> None:
    install(machine, deb)
    if os.access("/usr/bin/systemd-analyze", os.X_OK):
        verified = machine.run("systemd-analyze", "verify", "--man=no", UNIT, check=False)
        assert "keystead" not in verified.stderr, verified.stderr
    purge(machine)
    assert not machine.has(DATA)
    assert machine.run("getent", "passwd", "keystead", check=False).returncode != 0
    for place in ("/usr/lib/keystead", UNIT, "/usr/share/doc/keystead"):
        assert not machine.has(place)
