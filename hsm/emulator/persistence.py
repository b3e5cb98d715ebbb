"""A device that survives a restart: its state in one encrypted file, written before each answer.

The file is sealed with AES-256-GCM under a key that the caller keeps elsewhere. It protects a
stolen copy of the file, not a stolen machine. It cannot tell an old copy from the newest: putting
an old file back undoes what was deleted since, which a device in hardware does not allow.
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm import privatefile
from hsm.emulator import snapshot
from hsm.emulator.core import Emulator, Executed
from hsm.emulator.faults import LostError
from hsm.vault import VaultError

KEY_SIZE = 32
_MAGIC = b"keystead yubihsm emulator 1\n"
_NONCE_SIZE = 12
_LIMIT = 4 * 1024 * 1024
"""Far above what 126 KB of objects and a log can become."""


class StateFileError(VaultError):
    """The state cannot be used. The message says why and what to do."""


class PersistentEmulator:
    """A device and its file. Only one process at a time has it: the others are refused."""

    def __init__(self, path: Path, key: bytes, emulator: Emulator, lock: int) -> None:
        self._path = path
        self._key = key
        self._cipher = AESGCM(key)
        self._lock = lock
        self._saved = -1
        self._broken = self._closed = False
        self.emulator = emulator
        try:
            self._save()
        except VaultError:
            os.close(lock)
            raise

    @classmethod
    def create(cls, path: Path, key: bytes, emulator: Emulator) -> Self:
        """Write a new device's state. Never replaces a file; StateFileError."""
        lock = _locked(path)
        if path.exists():
            os.close(lock)
            raise StateFileError(
                f"{path} exists already and is not replaced: all keys of that device would be lost"
            )
        return cls(path, key, emulator, lock)

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self:
        """Start a device from its file; StateFileError, or privatefile's."""
        lock = _locked(path)
        try:
            emulator = _read(path, key)
        except VaultError:
            os.close(lock)
            raise
        return cls(path, key, emulator, lock)

    @property
    def executed(self) -> Executed | None:
        """What the last message made the device do."""
        return self.emulator.executed

    def transceive(self, raw: bytes) -> bytes:
        """Answer a message once what it changed is safe; LostError when it cannot be made so."""
        if self._closed:
            raise LostError("the device was let go of")
        if self._broken:
            self._begin_again()
        answer = self.emulator.transceive(raw)
        if self.emulator.device.version != self._saved:
            try:
                self._save()
            except VaultError as error:
                # Memory and file differ now. Only a start from the file makes them one again.
                self._broken = True
                raise LostError(str(error)) from error
        return answer

    def reboot(self) -> None:
        """Do as when power returns. What the log says of it is saved with the next change."""
        self.emulator.reboot()

    def close(self) -> None:
        """Let go of the file. Done once more it does no harm."""
        if not self._closed:
            self._closed = True
            os.close(self._lock)

    def _begin_again(self) -> None:
        """Start from the file, as after a loss of power; LostError while it cannot be written."""
        try:
            self.emulator = _read(self._path, self._key)
            self._save()
        except VaultError as error:
            raise LostError(str(error)) from error
        self._broken = False

    def _save(self) -> None:
        nonce = secrets.token_bytes(_NONCE_SIZE)
        sealed = self._cipher.encrypt(nonce, snapshot.take(self.emulator), _MAGIC)
        privatefile.replace(self._path, _MAGIC + nonce + sealed)
        self._saved = self.emulator.device.version


def _locked(path: Path) -> int:
    lock = path.with_name(f"{path.name}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFileError(f"{lock} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StateFileError(f"{path} is in use by another process: stop that one") from error
    return handle


def _read(path: Path, key: bytes) -> Emulator:
    sealed = privatefile.read(
        path,
        _LIMIT,
        when_absent="Restore it from a backup, or initialise anew.",
        when_open="take its keys for known to others.",
    )
    return revived(sealed, key, path)


def revived(sealed: bytes, key: bytes, path: object) -> Emulator:
    """Return the device in the content of such a file, which stays as it is; StateFileError.

    path: what to call it.
    """
    state = _unsealed(path, key, sealed)
    try:
        return snapshot.revive(state)
    except (ValueError, KeyError, TypeError) as error:
        raise StateFileError(
            f"{path} was written by another version of Keystead: use that version"
        ) from error


def _unsealed(path: object, key: bytes, sealed: bytes) -> bytes:
    if not sealed.startswith(_MAGIC):
        raise StateFileError(f"{path} holds no emulated device")
    nonce = sealed[len(_MAGIC) :][:_NONCE_SIZE]
    try:
        return AESGCM(key).decrypt(nonce, sealed[len(_MAGIC) + _NONCE_SIZE :], _MAGIC)
    except (InvalidTag, ValueError):
        raise StateFileError(
            f"{path} does not open: it is damaged, or the key is another's. Restore file and key"
            " from the same backup"
        ) from None
