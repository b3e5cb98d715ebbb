"""A Debian machine to install into: this one, copied on write, so that nothing of it stays.

An overlay over the root file system, in a mount namespace of its own; what is written lies in
memory and is gone with the last process of the namespace. Where the kernel lets nobody mount (a
container without that privilege) CI installs into the machine itself, which it has for this.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.system_programs import require_program

WITHIN_S = 300.0

_CONFINE = Path(__file__).with_name("confine.py").read_text()

_OVERLAY = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/above" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/above,workdir=$1/work" "$1/root"
for each in proc dev; do mount --rbind "/$each" "$1/root/$each"; done
mount -t tmpfs -o mode=1777 none "$1/root/tmp"
echo "mounted $$"
exec sleep infinity
"""


def as_root() -> list[str]:
    """Return the prefix that makes a command root's; skip without one (CI: fail)."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return [sudo, "-n"]
    if os.environ.get("CI") == "true":
        pytest.fail("needs root or sudo without a password", pytrace=False)
    pytest.skip("needs root or sudo without a password")


class Machine:
    """Use as a context. copied: whether it is a copy, None until it was entered."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sudo = as_root()
        self._holder: subprocess.Popen[str] | None = None
        self.copied: bool | None = None

    def __enter__(self) -> Self:
        unshare = require_program("unshare", package="util-linux")
        self._directory.mkdir()
        holder = subprocess.Popen(
            [*self._sudo, unshare, "--mount", "sh", "-c", _OVERLAY, "sh", str(self._directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout is not None
        said, _, pid = holder.stdout.readline().strip().partition(" ")
        self.copied = said == "mounted"
        self._holder, self._pid = holder, pid
        if not self.copied:
            _, why = holder.communicate()
            if os.environ.get("CI") != "true":
                pytest.skip(f"no overlay can be mounted here: {why}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._holder is not None and self._holder.poll() is None:
            subprocess.run([*self._sudo, "kill", self._pid], check=True)
            self._holder.communicate()

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs a command as root in the machine."""
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        clean += ["DEBIAN_FRONTEND=noninteractive"]
        if not self.copied:
            return [*self._sudo, *clean, *arguments]
        enter = ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "chroot"]
        return [*self._sudo, *enter, str(self._directory / "root"), *clean, *arguments]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the machine."""
        ended = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        assert not check or ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended

    def says(self, *arguments: str) -> str:
        """Run a command and return what it prints."""
        return self.run(*arguments).stdout.strip()

    def has(self, path: str) -> bool:
        """Return whether there is such a file."""
        return self.run("test", "-e", path, check=False).returncode == 0

    def confined(self, unit: str, user: str, writable: Sequence[str], *command: str) -> list[str]:
        """Return the command line of `command` as `user`, who may write in `writable` alone.

        As the unit's sandbox does it: the rest of the file system is read-only, also for root,
        /tmp is a new one, /proc shows processes only, there is no capability, and the unit's
        system call filter holds.
        """
        script = "mount -t tmpfs -o mode=1777 none /tmp; mount -t proc -o subset=pid none /proc; "
        script += 'mount -o remount,bind,ro /; exec "$@"'
        binds = "".join(f"mount --bind {path} {path}; " for path in writable)
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        drop += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        drop += ["/usr/bin/python3", "-I", "-c", _CONFINE, unit]
        if not self.copied:
            return self.command(*drop, *command)
        shell = ["unshare", "--mount", "sh", "-ec", binds + script, "sh"]
        return self.command(*shell, *drop, *command)
