"""Checking a device, or a transcript, and saying what came of it."""

from dataclasses import dataclass
from pathlib import Path

from hsm import credentials, drift, journalkey, startup
from hsm.ceremony.transcript import MAX_OCTETS, Transcript, TranscriptError
from hsm.ceremony.verify import verify
from hsm.device.line import Device
from hsm.genuine import Anchors, Genuineness, Kind
from hsm.manifest import Manifest
from server.programs.exits import CommandError, Exit


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a check. details: what is so; faults: what is wrong; exit: how it ends."""

    summary: str
    details: tuple[str, ...]
    faults: tuple[str, ...]
    exit: Exit

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "summary": self.summary,
            "good": self.exit is Exit.OK,
            "details": list(self.details),
            "faults": list(self.faults),
        }


def of_device(device: Device, manifest: Manifest, secret_file: Path, believed: Anchors) -> Check:
    """Check a device as the service does; DeviceError, PrivateFileError."""
    host = credentials.load(secret_file, "host")
    report = startup.check(device, manifest, host, anchors=believed)
    found = report.inventory
    details = [
        f"serial {found.serial}, firmware {drift.version(found.firmware)}",
        *_told(report.genuineness),
    ]
    details += [str(one) for one in report.findings if not one.grave]
    faults = tuple(map(str, report.grave))
    good = not faults
    summary = (
        f'{device.where} is what the manifest "{manifest.name}" says'
        if good
        else f'{device.where} is not what the manifest "{manifest.name}" says'
    )
    return Check(summary, tuple(details), faults, Exit.OK if good else Exit.REFUSED)


def of_transcript(
    file: Path, manifest: Manifest, operator_file: Path | None, believed: Anchors
) -> Check:
    """Check a transcript; CommandError when a file cannot be read."""
    operator = None if operator_file is None else _operator(operator_file)
    try:
        transcript = Transcript.parse(_text(file))
    except TranscriptError as error:
        return Check(f"{file} is no transcript", (), (str(error),), Exit.DAMAGED)
    verified = verify(transcript, manifest, operator=operator, anchors=believed)
    signers = ", ".join(sorted(transcript.signatures)) or "nobody"
    details = [f"signed by: {signers}", *_told(verified.genuineness)]
    if operator is None:
        details.append(
            "who the operator is was NOT checked, anybody can make such a file with an emulator:"
            " name the operator's key with --operator-public-key"
        )
    if verified.faults:
        return Check(f"{file} is not to be believed", tuple(details), verified.faults, Exit.DAMAGED)
    return Check(f"{file} is whole", tuple(details), (), Exit.OK)


def _told(verdict: Genuineness | None) -> list[str]:
    if verdict is None:
        return ["which device it is could not be proven"]
    if verdict.kind is Kind.HARDWARE:
        return [f"genuine hardware, serial {verdict.serial}, attested by Yubico's YubiHSM root"]
    if verdict.kind is Kind.EMULATOR:
        return ["an EMULATOR, no hardware"]
    return [f"not proven to be hardware: {doubt}" for doubt in verdict.doubts]


def _operator(file: Path) -> bytes:
    try:
        keys = journalkey.parse_public(_text(file))
    except ValueError as error:
        raise CommandError(f"{file} is no public key: {error}") from None
    if len(keys) != 1:
        raise CommandError(f"{file} has to hold one public key")
    return keys[0]


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_OCTETS + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    return octets.decode("utf-8", "replace")
