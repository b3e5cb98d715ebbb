"""The data directory: what lies where, who may look, and which one process works on it."""

import errno
import fcntl
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DataDirectoryError(Exception):
    """The directory cannot be used as it is; the message says what to do."""


class InUseError(DataDirectoryError):
    """Another process works on the directory. pid: which one, None when it did not say."""

    def __init__(self, root: Path, pid: int | None) -> None:
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"{root} is in use by {who}. Stop that one first (kill {pid or 'PID'}),"
            " or choose another data directory with --data"
        )
        self.pid = pid


class DataDirectory:
    """Names of everything below `root`. Nothing is touched until a method says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_file = root / "keystead.toml"
        self.security_txt = root / "security.txt"
        self.database_file = root / "keystead.db"
        self.secrets = root / "secrets"
        self.sealing_key_file = self.secrets / "sealing.key"
        self.hsm_secret_file = self.secrets / "hsm.key"
        self.ceremony_secret_file = self.secrets / "ceremony.key"
        self.emulator_file = self.secrets / "emulator"
        self.transcript_file = root / "hsm-ceremony.json"
        self.sandbox_sealing_key_file = self.secrets / "sandbox.key"
        self.journal_key_file = self.secrets / "journal.key"
        self.checkpoints_file = root / "journal-checkpoints.jsonl"
        self.ledger_checkpoints_file = root / "ledger-checkpoints.jsonl"
        self.hsm_log = root / "hsm-log"
        self.lock_file = root / "lock"
        self.node_file = root / "node"
        self.run = root / "run"
        self.admin_socket = self.run / "admin.sock"
        self.hsm_socket = self.run / "hsm.sock"
        self.imports = root / "imports"
        self.sandbox = root / "sandbox"
        self.sandbox_key_file = self.sandbox / "virtual-yubikey"

    @property
    def is_initialised(self) -> bool:
        """Whether `keystead init` has been here: it left what logs in to the HSM, or a key file."""
        return self.has_hsm or self.sealing_key_file.exists()

    @property
    def has_hsm(self) -> bool:
        """Whether this installation has an HSM, be it emulated. Older ones have a key file."""
        return self.hsm_secret_file.exists()

    def create(self) -> None:
        """Make the directory and its rooms, mode 0700, where they are missing."""
        for directory in (self.root, self.secrets, self.run):
            self._make(directory)

    def create_sandbox(self) -> None:
        """Make the sandbox's room."""
        self._make(self.sandbox)

    def _make(self, directory: Path) -> None:
        try:
            directory.mkdir(mode=0o700, parents=directory == self.root, exist_ok=True)
        except OSError as error:
            raise DataDirectoryError(
                f"{directory} cannot be made: {error.strerror}. Choose another data directory"
                " with --data, or make this one writable"
            ) from error
        self._check(directory)

    def require(self) -> None:
        """Refuse a directory that `init` has not prepared, or that others may enter."""
        if not self.root.is_dir():
            raise DataDirectoryError(
                f"there is no data directory {self.root}. Make it with: keystead init"
                f" --data {self.root}"
            )
        for directory in (self.root, self.secrets):
            if directory.exists():
                self._check(directory)
        if not self.is_initialised:
            raise DataDirectoryError(
                f"{self.root} is not initialised (no {self.hsm_secret_file.name} in secrets/)."
                f" Run: keystead init --data {self.root}"
            )
        self._make(self.run)

    @staticmethod
    def _check(directory: Path) -> None:
        """Whoever may write here could replace the secrets; whoever may enter could talk."""
        try:
            status = directory.stat()
        except OSError as error:
            raise DataDirectoryError(f"{directory}: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            raise DataDirectoryError(f"{directory} is not a directory. Move it out of the way")
        if status.st_uid != os.geteuid():
            raise DataDirectoryError(
                f"{directory} belongs to {_user(status.st_uid)}, and this is"
                f" {_user(os.geteuid())}. Run the command as that user (sudo -u USER keystead ...)"
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise DataDirectoryError(
                f"{directory} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})."
                f" Run: chmod 700 {directory}"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process; InUseError names who has it already.

        The lock is the kernel's: it ends with the process, however that ends. Children do not
        inherit it, so an orphan cannot keep a successor out.
        """
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
                raise InUseError(self.root, _read_pid(descriptor)) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Return the pid of the process that holds the directory, None when nobody does.

        Only a look: it may have changed when the caller acts. 0: held, but by whom is unknown.
        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_pid(descriptor) or 0
        else:
            return None
        finally:
            os.close(descriptor)


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
