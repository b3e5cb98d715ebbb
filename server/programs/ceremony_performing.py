"""Surveying a device, and performing a ceremony on it: files, words, and the call that does it."""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hsm import credentials, drift, privatefile
from hsm.ceremony.perform import Performance
from hsm.ceremony.plan import Plan
from hsm.ceremony.plan import plan as planned
from hsm.ceremony.reach import Reached, Secrets
from hsm.ceremony.transcript import Transcript
from hsm.credentials import Holder, HsmSecret
from hsm.device.line import Device
from hsm.genuine import Anchors
from hsm.journalkey import JournalKey
from hsm.manifest import Manifest
from hsm.privatefile import PrivateFileError
from server.programs.ceremony_options import Password, secret_in
from server.programs.exits import CommandError
from server.programs.terminal import say

_KEY_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Survey:
    """A device, and what a ceremony would do on it."""

    manifest: Manifest
    reached: Reached
    plan: Plan

    def show(self) -> None:
        """Print it for people."""
        device = self.reached.inventory
        say(
            f"Device {device.serial}, firmware {drift.version(device.firmware)}"
            f"{f', {device.part_number}' if device.part_number else ''};"
            f' manifest "{self.manifest.name}" {self.manifest.digest}'
        )
        if self.plan.refusals:
            say("Nothing can be done to it:")
            for one in self.plan.refusals:
                say(f"  - {one}")
        elif self.plan.steps:
            say("To be done, in this order:")
            for number, step in enumerate(self.plan.steps, 1):
                say(f"  {number:2}. {step}")
        else:
            say("Nothing is to be done: it is what the manifest says.")
        for remark in self.plan.remarks:
            say(f"  note: {remark}")

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "serial": self.reached.inventory.serial,
            "firmware": drift.version(self.reached.inventory.firmware),
            "manifest": {"name": self.manifest.name, "sha256": self.manifest.digest},
            "steps": [
                {"act": one.act.name, "name": one.name, "text": one.text} for one in self.plan.steps
            ],
            "refusals": [
                {"kind": one.kind.value, "subject": one.subject, "message": one.message}
                for one in self.plan.refusals
            ],
            "remarks": list(self.plan.remarks),
        }


def survey(
    device: Device,
    manifest: Manifest,
    ceremony: HsmSecret | None,
    password: Password,
    *,
    clone: bool,
) -> Survey:
    """Read a device and plan; CeremonyError, DeviceError."""
    reached = password.reach(device, manifest, ceremony)
    return Survey(manifest, reached, planned(manifest, reached.inventory, clone=clone))


@dataclass(frozen=True, slots=True)
class Files:
    """Where the secrets, the operator's key and the transcript are, or will be."""

    host: Path
    ceremony: Path
    operator: Path
    out: Path | None

    def transcript(self, serial: int, now: dt.datetime) -> Path:
        """Return where the transcript goes."""
        return self.out or Path(f"ceremony-{serial}-{now:%Y%m%dT%H%M%SZ}.json")


def perform_on(
    device: Device,
    manifest: Manifest,
    files: Files,
    password: Password,
    *,
    anchors: Anchors,
    clone: bool,
    dry_run: bool,
) -> None:
    """Survey, say, do, and write the transcript. CommandError, CeremonyError, DeviceError."""
    host, ceremony = secret_in(files.host, "host"), secret_in(files.ceremony, "ceremony")
    surveyed = survey(device, manifest, ceremony, password, clone=clone)
    surveyed.show()
    if surveyed.plan.refusals:
        raise CommandError("nothing was done")
    _refuse_lost_secrets(surveyed, files, host, ceremony)
    if dry_run:
        say("This was a dry run: nothing was changed.")
        return
    secrets = Secrets(
        host or _made(files.host, "host"), ceremony or _made(files.ceremony, "ceremony")
    )
    out = files.transcript(surveyed.reached.inventory.serial, dt.datetime.now(dt.UTC))
    performance = Performance(
        device,
        manifest,
        secrets,
        operator=operator_key(files.operator),
        anchors=anchors,
        archive=lambda entries: archived(out.with_name(f"{out.name}.log"), entries),
    )
    transcript = performance.perform(password.reveal(), clone=clone)
    _written(out, transcript)
    kind = transcript.body["device"]["kind"]
    say(f"Done. The factory's key is gone. Transcript: {out}")
    say(f"The device is {_KINDS[kind]}.")
    say(f"Put {files.ceremony} into a safe now, apart from the host: it opens the device wholly.")


_KINDS = {
    "hardware": "genuine hardware: its attestation leads to Yubico's YubiHSM root",
    "emulator": "an EMULATOR, no hardware",
    "unknown": "not proven to be hardware; the transcript says why",
    "impostor": "NOT the device it claims to be; the transcript says why. Do not use it",
}


def _refuse_lost_secrets(
    surveyed: Survey, files: Files, host: HsmSecret | None, ceremony: HsmSecret | None
) -> None:
    """Refuse to make a new secret when the device's roles were made from another one."""
    for secret, file, holder in (
        (host, files.host, "host"),
        (ceremony, files.ceremony, "ceremony"),
    ):
        there = [
            role.name
            for role in surveyed.manifest.roles
            if role.held == holder and role.place in surveyed.reached.inventory.objects
        ]
        if secret is None and there:
            raise CommandError(
                f"{file} is absent, and the device has roles that were made from the {holder}'s"
                f" secret ({', '.join(there)}): name the file they were made from. Nothing was"
                " changed"
            )


def _made(file: Path, holder: Holder) -> HsmSecret:
    made = credentials.create(file, holder)
    say(f"Made {file}, the {holder}'s secret {made.id}.")
    return made


def operator_key(file: Path) -> JournalKey:
    """Return the operator's key, made when there is none; PrivateFileError."""
    if not file.exists() and not file.is_symlink():
        made = JournalKey.generate()
        privatefile.create(file, made.format(), unless_lost="it may have signed transcripts")
        say(f"Made {file}, the operator's key; its public key is {made.public_key.hex()}.")
        return made
    content = privatefile.read(
        file,
        _KEY_OCTETS,
        when_absent="Name another one.",
        when_open="if strangers could read it, take a new one",
    )
    try:
        return JournalKey.parse(content)
    except ValueError as error:
        raise PrivateFileError(f"{file} is not a usable operator's key: {error}.") from None


def archived(file: Path, entries: Sequence[bytes]) -> None:
    """Append log entries to a file, durably: the device forgets them afterwards."""
    with file.open("a", encoding="ascii") as stream:
        stream.writelines(f"{entry.hex()}\n" for entry in entries)
        stream.flush()
        os.fsync(stream.fileno())


def _written(file: Path, transcript: Transcript) -> None:
    try:
        with file.open("x", encoding="ascii") as stream:
            stream.write(transcript.format())
    except OSError as error:
        raise CommandError(
            f"the ceremony is done, but its transcript could not be written to {file}:"
            f" {error.strerror}. Perform it again with another --out: it only proves then"
        ) from error
