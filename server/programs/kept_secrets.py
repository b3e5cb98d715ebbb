"""The secrets that a restore or a drill works with: the backup's own, or files that are named.

An installation has either a key file, or the host's secret with an HSM, whose emulated one is a
file too. While it moves from the one to the other it has both.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hsm import privatefile
from hsm.data_keys import DataKeys
from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import Vault, VaultError
from server.backup.restore import Backup, stored_values
from server.programs.exits import CommandError
from server.storage.identity import DATA_KEYS, IN_HSM

if TYPE_CHECKING:
    from server.hsm_host import HsmHost
    from server.settings.keeping import Hsm

FILE_KEY = "secrets/sealing.key"
HOST = "secrets/hsm.key"
EMULATOR = "secrets/emulator"
_NAMES = (FILE_KEY, HOST, EMULATOR)
_LARGEST = 4 << 20
_NO_READING = "name the file that you copied away"
_OPEN = "if strangers could read it, take what it protects for known to them"


class KeptSecrets(NamedTuple):
    """Contents of secret files, by their names in a data directory."""

    files: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"KeptSecrets({', '.join(self.files)})"

    def file_key(self) -> SealingKey | None:
        """Return the key of the key file, None without one; CommandError."""
        if FILE_KEY not in self.files:
            return None
        try:
            return SealingKey.parse(self.files[FILE_KEY].decode("ascii", "replace"))
        except ValueError as error:
            raise CommandError(f"the sealing key's file is unusable: {error}") from None


def kept_secrets(backup: Backup, named: Path | None) -> KeptSecrets | None:
    """Return the secrets that open a backup's records, None when they are not at hand.

    named: a key file or the host's secret; what lies beside it and belongs to it comes along.
    Raises CommandError when they are not this backup's.
    """
    if named is None:
        found = {name: backup.files[name] for name in _NAMES if name in backup.files}
    else:
        found = _named(named)
    if not found:
        return None
    secrets = KeptSecrets(found)
    _require_belonging(backup, secrets, named)
    return secrets


def _named(named: Path) -> dict[str, bytes]:
    content = _read(named)
    if not content.startswith(b"keystead-hsm-secret-"):
        return {FILE_KEY: content}
    found = {HOST: content}
    for name in (EMULATOR, FILE_KEY):
        beside = named.with_name(Path(name).name)
        if beside.exists():
            found[name] = _read(beside)
    return found


def _read(path: Path) -> bytes:
    try:
        return privatefile.read(path, _LARGEST, when_absent=_NO_READING, when_open=_OPEN)
    except VaultError as error:
        raise CommandError(str(error)) from error


def _require_belonging(backup: Backup, secrets: KeptSecrets, named: Path | None) -> None:
    sealed_under = backup.head.sealing_key
    key = secrets.file_key()
    if sealed_under == IN_HSM:
        if HOST not in secrets.files:
            raise CommandError(
                "the backup's records are sealed under data keys of an HSM, and"
                f" {named or 'the backup'} holds none of its secrets. Name the host's secret"
                " (secrets/hsm.key) with --key-file; an emulator's file is taken from beside it"
            )
    elif sealed_under and (key is None or key.key_id.hex() != sealed_under):
        held = "no key file" if key is None else f"key {key.key_id.hex()}"
        raise CommandError(
            f"the backup's records were sealed under key {sealed_under}, and"
            f" {named or 'the backup'} holds {held}, which opens none of them."
            " Name the right file with --key-file"
        )


class Opener:
    """Opens a backup's records with its secrets; the HSM is asked in the process' memory.

    config: how real devices are reached. VaultError and CommandError say what does not fit.
    """

    def __init__(self, backup: Backup, secrets: KeptSecrets, config: "Hsm") -> None:
        self._file_key = secrets.file_key()
        self._hsm: HsmHost | None = None
        self.rings = Rings() if self._file_key is None else Rings.single(self._file_key)
        text = stored_values(backup).get(DATA_KEYS)
        if text is None:
            return
        if HOST not in secrets.files:
            raise CommandError(
                "the backup has data keys of an HSM, and the host's secret is not at hand. Name"
                " secrets/hsm.key with --key-file"
            )
        from server import hsm_host  # noqa: PLC0415 - takes the HSM's library

        self._hsm = hsm_host.HsmHost.of_copies(
            config, secrets.files[HOST], secrets.files.get(EMULATOR)
        )
        self.rings = self._hsm.unwrap(DataKeys.decode(text))
        if self._file_key is not None:
            self.rings = Rings(*(ring.with_others(self._file_key) for ring in self.rings))

    async def vault(self, stack: AsyncExitStack) -> Vault:
        """Return a vault that opens the records; `stack` ends its sessions."""
        sealed = SealedVault(self.rings, opened=1)
        if self._hsm is None:
            return sealed
        from server.strict import open_strict  # noqa: PLC0415 - takes the HSM's library

        strict = self._hsm.strict(seals=False)
        return await open_strict(stack, sealed, self.rings, strict, self._hsm.devices.all)
