"""The sandbox: a Client ID and a virtual YubiKey to try everything with, on this machine alone.

The virtual key's secrets lie sealed in `sandbox/virtual-yubikey`, beside whose it is; its
counters move there *before* an OTP is printed, so that no crash ever makes it repeat one.
"""

import asyncio
import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from hsm import durable_file, keyfile
from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import VaultError
from server.datadir import DataDirectory
from server.programs.exits import CommandError
from validation import modhex
from validation.virtual import VirtualYubiKey, WornOutError

if TYPE_CHECKING:
    from server.programs.admin_client import AdminClient

LABEL = "virtual-yubikey"
CLIENT_NAME = "sandbox"

_PUBLIC_ID_OCTETS = 5
_KEY_CLOCK_HZ = 8
_KEY_CLOCK_END = 1 << 24


class _Slot(NamedTuple):
    """All of the virtual key. Counters are those of the next OTP."""

    public_id: str
    private_id: bytes
    aes_key: bytes
    session: int
    use: int

    def __repr__(self) -> str:
        return f"_Slot({self.public_id!r}, <hidden>)"

    def encode(self) -> bytes:
        """Return what is sealed; `decode` is its inverse."""
        value = [self.public_id, self.private_id.hex(), self.aes_key.hex(), self.session, self.use]
        return json.dumps(value).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what was sealed."""
        public_id, private_id, aes_key, session, use = json.loads(octets)
        return cls(public_id, bytes.fromhex(private_id), bytes.fromhex(aes_key), session, use)

    def press(self, *, clock: int) -> tuple[str, Self]:
        """Return the next OTP and the slot after it. clock: the key's, 24 bits at 8 Hz."""
        key = VirtualYubiKey(
            self.public_id,
            self.private_id,
            self.aes_key,
            session=self.session,
            use=self.use,
            clock=clock,
        )
        otp = key.press(secrets.randbits(16))
        return otp, self._replace(session=key.session, use=key.use)


class Sandbox(NamedTuple):
    """Whose the virtual key is. api_key: base64, known only to who has just made it."""

    client_id: int
    public_id: str
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"Sandbox(client_id={self.client_id}, public_id={self.public_id!r})"


def read(data: DataDirectory) -> Sandbox | None:
    """Return the directory's sandbox, None when it has none; CommandError when it is damaged."""
    record = _read(data)
    return None if record is None else record.sandbox


def create(data: DataDirectory, admin: "AdminClient") -> Sandbox:
    """Make a client, a virtual key that the store knows, and the file that holds it."""
    data.create_sandbox()
    if data.has_hsm and not data.sandbox_sealing_key_file.exists():
        keyfile.create(data.sandbox_sealing_key_file)
    slot = _Slot(
        # "vv" begins the public ids that users give themselves; factory keys have "cccc".
        "vv" + modhex.encode(secrets.token_bytes(_PUBLIC_ID_OCTETS)),
        secrets.token_bytes(6),
        secrets.token_bytes(16),
        session=1,
        use=0,
    )
    client = admin.post("/clients", {"name": CLIENT_NAME})
    line = f"0,{slot.public_id},{slot.private_id.hex()},{slot.aes_key.hex()},000000000000,,\n"
    admin.upload("/keys/import?format=ksm", line.encode())
    sandbox = Sandbox(client["id"], slot.public_id, client["api_key"])
    # Last: a sandbox is there when its file is, and the file names what the store has.
    durable_file.create(data.sandbox_key_file, _encode(data, sandbox, slot))
    return sandbox


def next_otp(data: DataDirectory) -> str:
    """Return the virtual key's next OTP; its counters have moved on durably."""
    if not data.sandbox_key_file.exists():
        raise CommandError(
            f"{data.root} has no sandbox. Add one with: keystead init --sandbox --data {data.root}"
        )
    with _alone(data):
        record = _read(data)
        if record is None:
            raise CommandError("the sandbox was removed just now")
        slot = _open(data, record.sealed)
        try:
            otp, moved_on = slot.press(clock=int(time.time() * _KEY_CLOCK_HZ) % _KEY_CLOCK_END)
        except WornOutError as error:
            raise CommandError(
                f"{error}: remove {data.sandbox} and run keystead init --sandbox again"
            ) from error
        durable_file.replace(data.sandbox_key_file, _encode(data, record.sandbox, moved_on))
    return otp


class _Record(NamedTuple):
    sandbox: Sandbox
    sealed: bytes


def _read(data: DataDirectory) -> _Record | None:
    try:
        value = json.loads(data.sandbox_key_file.read_bytes())
        return _Record(
            Sandbox(int(value["client_id"]), str(value["public_id"])),
            base64.b64decode(value["sealed"], validate=True),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"{data.sandbox_key_file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"{data.sandbox_key_file} is damaged. Remove {data.sandbox} and run"
            " keystead init --sandbox again"
        ) from error


def _key(data: DataDirectory) -> SealingKey:
    """Return the key that seals the virtual key: one of its own, for `keystead otp` has no HSM.

    Sandboxes of before there were HSMs are sealed by the installation's key file.
    """
    own = data.sandbox_sealing_key_file
    return keyfile.load(own if own.exists() else data.sealing_key_file)


def _encode(data: DataDirectory, sandbox: Sandbox, slot: _Slot) -> bytes:
    vault = SealedVault(Rings.single(_key(data)))
    sealed = asyncio.run(vault.seal_secret(LABEL, slot.encode()))
    value = {
        "client_id": sandbox.client_id,
        "public_id": sandbox.public_id,
        "sealed": base64.b64encode(sealed).decode(),
    }
    return json.dumps(value).encode() + b"\n"


def _open(data: DataDirectory, sealed: bytes) -> _Slot:
    vault = SealedVault(Rings.single(_key(data)))
    try:
        return _Slot.decode(asyncio.run(vault.open_secret(LABEL, sealed)))
    except VaultError as error:
        raise CommandError(
            f"{data.sandbox_key_file} does not open: {error}. Was the key file in"
            f" {data.secrets} replaced?"
        ) from error


@contextmanager
def _alone(data: DataDirectory) -> Iterator[None]:
    """Let one process at a time press the key. Held on the directory: the file is replaced."""
    handle = os.open(data.sandbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
