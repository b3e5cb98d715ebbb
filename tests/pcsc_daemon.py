"""A real PC/SC daemon for tests, with readers for virtual YubiKeys: unprivileged, on free ports.

with PcscDaemon([USB_READER, NFC_READER]) as daemon:
    with daemon.insert(key):            # into the first slot; slot=2 is the NFC reader's first
        subprocess.run(["ykman", "--reader", daemon.reader(0), "info"])

Clients find it by PCSCLITE_CSOCK_NAME, which is set for this process and what it starts.
libpcsclite reads that once in a process's life, so all daemons of a process, one after the other,
listen at the same place, and tests in other processes have theirs elsewhere.
"""

import contextlib
import ctypes
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.pcsc_client import PcscClient
from tests.system_programs import require_file, require_program
from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.plug import Distortion, Insertable, Plug

USB_READER = "Yubico YubiKey OTP+FIDO+CCID"
NEO_READER = "Yubico Yubikey NEO OTP+U2F+CCID"
NFC_READER = "ACS ACR1252 NFC"

_DEBIANS_PLACE = b"/run/pcscd"  # compiled in, and one for the whole machine
_SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
_READY = "daemon ready"
_PORT_TAKEN = "Could not initialize connection to virtual ICC"  # by another, since it was free
_STARTS = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_EVERYWHERE = ("0.0.0.0", 0)  # noqa: S104 - where the driver listens; it can nowhere else
_SLOTS = 2  # of each reader: the driver's own number
_PATIENCE_S = 30.0
_POLL_S = 0.01


class PcscDaemon:
    """One daemon. readers: names, each of which is two slots: "... 00 00" and "... 00 01".

    Clients take each slot for a reader. Unlike a real key's, it stays when its key is pulled.
    """

    def __init__(self, readers: Sequence[str] = (USB_READER,)) -> None:
        self._readers = tuple(readers)
        self._program = require_program("pcscd", package="pcscd")
        self._driver = require_file(
            "/usr/lib/pcsc/drivers/serial/libifdvpcd.so", package="vsmartcard-vpcd"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []
        self._plugs: list[Plug] = []
        self._place = _place()
        self._log = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        if self._process is None:
            raise AssertionError("the daemon is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """What it said, since it was started last."""
        with contextlib.suppress(FileNotFoundError):
            self._log = (self._place / "log").read_text("utf-8", "replace")
        return self._log

    def start(self) -> None:
        """Start it and wait until it serves."""
        if self._process is not None:
            raise AssertionError("the daemon is running already")
        if (self._place / "pcscd").exists():
            raise AssertionError("another daemon of this process is running, at the same place")
        for _ in itertools.repeat(None, _STARTS):
            self._start_once()
            if _PORT_TAKEN not in self.log:
                return
            self.stop()
        raise RuntimeError(f"pcscd's readers find no ports:\n{self.log[-2000:]}")

    def _start_once(self) -> None:
        self._make_place()
        program = self._moved_here()
        self._configure()
        with (self._place / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "--foreground", "--info", "--config", self._place / "readers"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._place,
                start_new_session=True,
                preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call of libc, loaded before
                **_owner(),
            )
        deadline = time.monotonic() + _PATIENCE_S
        while _READY not in self.log or not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"pcscd does not start:\n{self.log[-2000:]}")
            time.sleep(_POLL_S)

    def _accepts(self) -> bool:
        """Return whether a client is let in: the daemon says that it is ready a moment before."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._place / "pcscd.comm"))
            except OSError:
                return False
        return True

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Pull all keys, end it and remove what it left."""
        for plug in self._plugs:
            plug.pull()
        self._plugs.clear()
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"pcscd does not stop:\n{self.log[-2000:]}") from None
        finally:
            self._log = self.log
            shutil.rmtree(self._place, ignore_errors=True)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and start another at the same place, with other ports and no keys."""
        self.stop(how)
        self.start()

    def insert(
        self,
        card: Insertable,
        slot: int = 0,
        *,
        transport: Transport | None = None,
        distortion: Distortion | None = None,
    ) -> Plug:
        """Put a card into a slot; pulled by `with`, `pull` or the daemon's end.

        Returns when clients see it, which takes the daemon half a second; it looks for cards that
        often. Waits as long for one that was pulled just before to be missed.
        transport: what the reader's name says, unless told.
        """
        name = self.reader(slot)
        if transport is None:
            transport = Transport.NFC if "NFC" in name else Transport.USB
        with PcscClient() as client:
            client.wait(name, present=False)
            plug = Plug(card, ("127.0.0.1", self._ports[slot]), transport, distortion)
            client.wait(name, present=True)
        self._plugs = [*(other for other in self._plugs if other.inserted), plug]
        return plug

    def reader(self, slot: int = 0) -> str:
        """Return the name that clients see."""
        return f"{self._readers[slot // _SLOTS]} 00 {slot % _SLOTS:02}"

    def _make_place(self) -> None:
        self._place.mkdir(mode=0o755, exist_ok=True)
        owner = _owner()
        if owner:
            os.chown(self._place, owner["user"], owner["group"])

    def _moved_here(self) -> Path:
        """Return a copy of the program that has its socket here.

        Debian's has one place for the whole machine, which may be another's, or not be ours to
        make. Nothing but that name is changed, for one of the same length.
        """
        here = bytes(self._place)
        if len(here) != len(_DEBIANS_PLACE):
            raise AssertionError("a place of another length cannot take the name's place")
        copy = self._place / "pcscd"
        copy.write_bytes(Path(self._program).read_bytes().replace(_DEBIANS_PLACE, here))
        copy.chmod(0o755)
        return copy

    def _configure(self) -> None:
        """Write what readers there are. The driver knows one reader, so each gets a copy of it."""
        folder = self._place / "readers"
        folder.mkdir()
        self._ports = []
        for number, name in enumerate(self._readers):
            driver = self._place / f"driver{number}.so"
            shutil.copyfile(self._driver, driver)
            port = _free_ports()
            self._ports += range(port, port + _SLOTS)
            (folder / f"reader{number}").write_text(
                f'FRIENDLYNAME "{name}"\n'
                f"DEVICENAME /dev/null:{port}\n"
                f"LIBPATH {driver}\n"
                f"CHANNELID {port}\n",
                "utf-8",
                "surrogateescape",  # a name that is no text: "\udcff" is the octet 0xff
            )


@cache
def _place() -> Path:
    """Take a directory for this process's daemons, and tell clients of it."""
    for _ in itertools.repeat(None, 100):
        place = Path("/tmp") / f"k{secrets.token_hex(2)}"  # noqa: S108 - made here, or not used
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o755)
            break
    else:
        raise RuntimeError("there is no free name for a PC/SC daemon in /tmp")
    os.environ[_SOCKET_VARIABLE] = str(place / "pcscd.comm")
    return place


def _owner() -> dict[str, Any]:
    """Return who the daemon runs as: nobody, where the tests are run by root."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _end_with_the_tests() -> None:
    """Let Linux end the daemon when the tests were killed and could not."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports() -> int:
    """Return a free port whose neighbour is free as well: a reader's slots listen there."""
    for _ in itertools.repeat(None, 100):
        with (
            contextlib.suppress(OSError, OverflowError),
            socket.socket() as first,
            socket.socket() as second,
        ):
            first.bind(_EVERYWHERE)
            port: int = first.getsockname()[1]
            second.bind((_EVERYWHERE[0], port + 1))
            return port
    raise RuntimeError("there are no free ports beside each other")
