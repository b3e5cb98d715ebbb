"""Backups and restores on devices: files, shares, and the calls that do it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hsm import credentials, privatefile
from hsm.ceremony import shares as sharing
from hsm.ceremony.backup import Source
from hsm.ceremony.backup_file import Backup
from hsm.ceremony.document import MAX_OCTETS, DocumentError
from hsm.ceremony.reach import Secrets
from hsm.ceremony.restore import Target
from hsm.ceremony.shares import Kind, Share
from hsm.ceremony.transport import Offer
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.genuine import Anchors
from hsm.genuine import Kind as DeviceKind
from hsm.manifest import Manifest
from server.programs.ceremony_options import Password
from server.programs.ceremony_performing import Files, archived, operator_key
from server.programs.exits import CommandError
from server.programs.journal_files import new_file
from server.programs.share_papers import gathered, require_place, show, write_sheets
from server.programs.terminal import say

_HARDWARE = frozenset({DeviceKind.HARDWARE})


class Sealing(NamedTuple):
    """For whom a backup is. target: the file of a transport key, None for shares."""

    target: Path | None
    accept_emulator: bool
    shares: int
    threshold: int
    shares_to: Path | None


def back_up(
    device: Device, manifest: Manifest, ceremony_file: Path, file: Path, sealing: Sealing
) -> None:
    """Take a backup and write it. CommandError, CeremonyError, DeviceError."""
    _refuse_existing(file)
    if sealing.target is None:
        require_place(sealing.shares_to)
    ceremony = credentials.load(ceremony_file, "ceremony")
    keep = partial(archived, file.with_name(f"{file.name}.log"))
    source = Source(device, manifest, ceremony, keep)
    if sealing.target is not None:
        offer = Offer.parse(_text(sealing.target))
        say(f"For device {offer.serial}. The fingerprint of its transport key:")
        say(f"  {offer.fingerprint}")
        say("Compare it with what `restore --prepare` showed there.")
        accepted = frozenset(DeviceKind) if sealing.accept_emulator else _HARDWARE
        made = source.for_target(offer, accepted, Anchors.yubico())
        _write(file, made.format())
    else:
        made, shares = source.by_shares(threshold=sealing.threshold, count=sealing.shares)
        _write(file, made.format())
        _give_out(shares, sealing.shares_to)
    say(f"Backup of device {made.serial}: {file}")
    for one in made.objects:
        say(f"  {one.place} {one.label!r}")


def prepared(
    device: Device, manifest: Manifest, files: Files, password: Password, file: Path
) -> None:
    """Make a target ready and write its transport key."""
    _refuse_existing(file)
    secrets = _secrets(files)
    password.reach(device, manifest, secrets.ceremony)
    offer = _target(device, manifest, secrets, files, file).prepare(password.reveal())
    _write(file, offer.format())
    say(f"Device {offer.serial} is ready. Its transport key: {file}, with the fingerprint")
    say(f"  {offer.fingerprint}")
    say(f"Next, where the first device is: keystead-ceremony backup BACKUP --for {file}")


def restored(
    device: Device,
    manifest: Manifest,
    files: Files,
    password: Password,
    *,
    file: Path,
    share_files: Sequence[Path],
) -> None:
    """Restore a backup and write the report and the transcript."""
    backup = Backup.parse(_text(file))
    secrets = _secrets(files)
    backup.refuse(manifest, secrets.ceremony)
    folder = files.out or Path()
    target = _target(device, manifest, secrets, files, folder / file.name)
    if backup.by == "shares":
        key = gathered(share_files, Kind.WRAP_KEY)
        password.reach(device, manifest, secrets.ceremony)
        done = target.restore_by_key(backup, key, password.reveal())
    else:
        done = target.restore_sent(backup)
    body = done.report.body
    name = f"{body['device']['serial']}-{str(body['ended']).replace(':', '').replace('-', '')}"
    for kind, document in (("restore", done.report), ("ceremony", done.ceremony)):
        path = folder / f"{kind}-{name}.json"
        _write(path, document.format())
        say(f"Written: {path}")
    say(
        f"Device {body['device']['serial']} holds {len(backup.objects)} keys of device"
        f" {backup.serial}, each proven; the factory's key is gone. {body['milliseconds']} ms."
    )


def split_secret(file: Path, *, shares: int, threshold: int, folder: Path | None) -> None:
    """Give out the ceremony's secret in shares."""
    require_place(folder)
    secret = credentials.load(file, "ceremony").reveal()
    made = sharing.split(Kind.CEREMONY_SECRET, secret, threshold=threshold, count=shares)
    _give_out(made, folder)
    say(f"Try them first (`keystead-ceremony join --ceremony-file OTHER`), then remove {file}.")


def join_secret(file: Path, share_files: Sequence[Path]) -> None:
    """Write the ceremony's secret of its shares into a new file."""
    secret = HsmSecret("ceremony", gathered(share_files, Kind.CEREMONY_SECRET))
    privatefile.create(file, secret.format().encode("ascii"), unless_lost="it may be in use")
    say(f"Made {file}, the ceremony's secret {secret.id}. Remove it when the ceremony is over.")


def _give_out(shares: Sequence[Share], folder: Path | None) -> None:
    if folder is None:
        show(shares)
        return
    for path in write_sheets(folder, shares):
        say(f"Share: {path}")


def _secrets(files: Files) -> Secrets:
    return Secrets(
        credentials.load(files.host, "host"), credentials.load(files.ceremony, "ceremony")
    )


def _target(
    device: Device, manifest: Manifest, secrets: Secrets, files: Files, beside: Path
) -> Target:
    return Target(
        device,
        manifest,
        secrets,
        operator=operator_key(files.operator),
        archive=partial(archived, beside.with_name(f"{beside.name}.log")),
    )


def _refuse_existing(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise CommandError(f"{file} exists already and is not replaced. Nothing was done")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_OCTETS + 1).decode("ascii")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise DocumentError(f"{file} is damaged, or no file of a ceremony") from None


def _write(file: Path, text: str) -> None:
    with new_file(str(file)) as stream:
        stream.write(text.encode("ascii"))
