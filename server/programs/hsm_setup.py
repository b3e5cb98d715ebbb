"""Setting up the HSM of a new installation: the two secrets, the emulator, its ceremony.

Each step is left out when it was done before, so that whatever interrupts it, the same command
completes it. Nothing is ever overwritten.
"""

from pathlib import Path

from hsm import credentials, durable_file
from hsm.ceremony.perform import perform
from hsm.ceremony.reach import Secrets
from hsm.credentials import HsmSecret
from hsm.emulator.core import Emulator
from hsm.emulator.persistence import PersistentEmulator
from server.datadir import DataDirectory
from server.hsm_host import embedded, load_manifest
from server.programs.exits import CommandError
from server.settings.keeping import Hsm


def set_up_hsm(data: DataDirectory, config: Hsm, host_secret: Path | None) -> None:
    """Make or take over the host's secret, and make the emulator where there is no hardware.

    host_secret: the file of a ceremony that hardware has had. VaultError, CommandError.
    """
    if config.is_embedded:
        _make_emulator(data, config, _own_secret(data, host_secret))
    elif not data.has_hsm:
        if host_secret is None:
            raise CommandError(
                "--hsm takes devices that `keystead-ceremony perform` has prepared, and the host's"
                " secret of that ceremony: name its file with --host-secret. Nothing was changed"
            )
        _take_over(data, host_secret)


def _own_secret(data: DataDirectory, host_secret: Path | None) -> HsmSecret:
    if data.has_hsm:
        return credentials.load(data.hsm_secret_file, "host")
    if host_secret is not None:
        _take_over(data, host_secret)
        return credentials.load(data.hsm_secret_file, "host")
    return credentials.create(data.hsm_secret_file, "host")


def _take_over(data: DataDirectory, host_secret: Path) -> None:
    secret = credentials.load(host_secret, "host")
    durable_file.create(data.hsm_secret_file, secret.format().encode("ascii"))


def _make_emulator(data: DataDirectory, config: Hsm, host: HsmSecret) -> None:
    if data.transcript_file.exists():
        return  # its ceremony has been
    if data.ceremony_secret_file.exists():
        ceremony = credentials.load(data.ceremony_secret_file, "ceremony")
    elif data.emulator_file.exists():
        raise CommandError(
            f"the ceremony of {data.emulator_file} did not come to its end, and the secret it was"
            f" begun with is not at {data.ceremony_secret_file} any more: put it back there, or"
            f" move {data.emulator_file} away if nothing is sealed with it"
        )
    else:
        ceremony = credentials.create(data.ceremony_secret_file, "ceremony")
    emulator = _emulator(data, host)
    try:
        (device,) = embedded(emulator).all
        transcript = perform(device, load_manifest(config.manifest), Secrets(host, ceremony))
    finally:
        emulator.close()
    durable_file.create(data.transcript_file, transcript.format().encode())


def _emulator(data: DataDirectory, host: HsmSecret) -> PersistentEmulator:
    if data.emulator_file.exists():
        return PersistentEmulator.open(data.emulator_file, host.store_key())
    return PersistentEmulator.create(data.emulator_file, host.store_key(), Emulator())
