"""The host's side of the HSM: which devices there are, who logs in, what is asked of them.

One process has it: the control process, the only one, or a command while no service runs. The
embedded emulator is one process's by its nature; the host's secret need not be in any other.
Everything here waits for devices, so an event loop calls it in a thread.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from hsm import credentials, genuine, startup, wrapping
from hsm import manifest as manifests
from hsm.audit.source import AuditedDevice
from hsm.credentials import HsmSecret
from hsm.data_keys import DataKey, DataKeys, unwrapped
from hsm.device.address import device_at
from hsm.device.errors import DeviceUnavailableError
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.persistence import PersistentEmulator, revived
from hsm.genuine import Anchors
from hsm.logins import device_info, role_login
from hsm.manifest import Manifest
from hsm.provisioning.rewrap import DeviceRewrapper, has_otp_key, make_otp_key
from hsm.rings import Purpose, Rings
from hsm.startup import Report
from hsm.vault import VaultError
from server.datadir import DataDirectory
from server.handed_keys import Role, Strict
from server.settings.keeping import Hsm

_log = structlog.stdlib.get_logger(__name__)

_WRAP_KEY = "data-keys"
_OTP_KEY = "otp"
_Answer = TypeVar("_Answer")


class HsmConfigurationError(VaultError):
    """The HSM cannot be used as it is configured; the message says what to do."""


class Devices(NamedTuple):
    """The way to the devices. embedded: the emulator, when that is the one device.

    answer: passes another process's message to it; LostError when no answer comes.
    """

    all: tuple[Device, ...]
    embedded: PersistentEmulator | None = None
    answer: Callable[[bytes], bytes] | None = None

    def close(self) -> None:
        """Let go of the embedded device."""
        if self.embedded is not None:
            self.embedded.close()


def open_devices(config: Hsm, data: DataDirectory, secret: HsmSecret) -> Devices:
    """Return the configured devices; VaultError. Real ones are not connected yet."""
    if not config.is_embedded:
        return _at(config)
    return embedded(PersistentEmulator.open(data.emulator_file, secret.store_key()))


def _at(config: Hsm) -> Devices:
    try:
        return Devices(tuple(device_at(url, config.deadline_seconds) for url in config.connectors))
    except ValueError as error:
        raise HsmConfigurationError(f"hsm.connectors: {error}") from None


def embedded(emulator: PersistentEmulator) -> Devices:
    """Return the way to an emulator in this process."""
    backend = EmulatorBackend(emulator)
    # Every connection takes its turns with the others: the device does one thing at a time.
    device = Device("secrets/emulator", backend.another, waits=False)
    return Devices((device,), emulator, backend.another().answer)


def load_manifest(file: str | None) -> Manifest:
    """Return the manifest that devices are held to: a file's, or the one that is packaged."""
    return manifests.validation() if file is None else manifests.load(Path(file))


class HsmRefusedError(VaultError):
    """A device is not one to entrust anything to. The message says why and what to do."""


class Identified(NamedTuple):
    """A device that was checked.

    kind: "hardware", "emulator", "unknown"; doubts: why it is not proven to be the first.
    """

    where: str
    serial: int
    firmware: str
    part_number: str
    kind: str
    doubts: tuple[str, ...]

    def announce(self) -> None:
        """Say in the service's log what it is."""
        said = self._asdict() | {"doubts": list(self.doubts)}
        if self.kind == genuine.Kind.EMULATOR.value:
            _log.warning("hsm_is_an_emulator", **said, protects=EMULATED)
        elif self.kind != genuine.Kind.HARDWARE.value:
            _log.warning("hsm_not_proven", **said)
        else:
            _log.info("hsm", **said)


def _accepted(where: str, report: Report, *, production: bool) -> Identified:
    """Return what a device is; HsmRefusedError when nothing may be entrusted to it."""
    if report.grave:
        said = "\n".join(f"- {one}" for one in report.grave)
        raise HsmRefusedError(
            f"the HSM at {where} is not as its manifest says, and nothing is entrusted to it:"
            f"\n{said}\nCompare it with `keystead-ceremony plan`; nothing was changed"
        )
    for finding in report.findings:
        _log.warning("hsm_finding", hsm=where, found=str(finding))
    verdict = report.genuineness
    kind = genuine.Kind.UNKNOWN if verdict is None else verdict.kind
    doubts = ("it could not be asked",) if verdict is None else verdict.doubts
    if production and kind is not genuine.Kind.HARDWARE:
        raise HsmRefusedError(
            f'environment is "production", and the HSM at {where} is not proven to be a genuine'
            f" YubiHSM 2 ({kind.value}): {'; '.join(doubts)}. Name genuine devices in"
            ' hsm.connectors, or set environment = "development"'
        )
    found = report.inventory
    firmware = ".".join(map(str, found.firmware))
    return Identified(where, found.serial, firmware, found.part_number or "", kind.value, doubts)


EMULATED = (
    "an emulated HSM: it protects copies of the database, and not a stolen disk or a host that"
    " somebody is on"
)
"""What an emulator does and does not, for logs and the doctor."""


class HsmHost:
    """The devices with what the host knows to log in. Not for several threads at once."""

    def __init__(
        self,
        devices: Devices,
        manifest: Manifest,
        secret: HsmSecret,
        *,
        anchors: Anchors,
        addresses: tuple[str, ...],
        deadline_s: float,
    ) -> None:
        self.devices = devices
        self.manifest = manifest
        self._secret = secret
        self.otp_key = manifest.object(_OTP_KEY).id
        """The object that seals OTP keys in strict mode; rotations give it successors."""
        self.identified: tuple[Identified, ...] = ()
        """What `inspect` found."""
        self._anchors = anchors
        self._addresses = addresses
        self._deadline_s = deadline_s

    @classmethod
    def open(cls, config: Hsm, data: DataDirectory) -> "HsmHost":
        """Take the host's secret and the devices; VaultError says what is wrong with them."""
        secret = credentials.load(data.hsm_secret_file, "host")
        manifest = load_manifest(config.manifest)
        anchors = Anchors.yubico()
        if config.authorities is not None:
            anchors = anchors.with_file(Path(config.authorities))
        devices = open_devices(config, data, secret)
        # The embedded device is this process's; others reach it through a socket of ours.
        own = (f"http+unix://{data.hsm_socket.absolute()}",)
        addresses = own if config.is_embedded else config.connectors
        return cls(
            devices,
            manifest,
            secret,
            anchors=anchors,
            addresses=addresses,
            deadline_s=config.deadline_seconds,
        )

    @classmethod
    def of_copies(cls, config: Hsm, secret: bytes, emulator: bytes | None) -> "HsmHost":
        """Do the same with copies of the files' contents, which stay as they are. VaultError.

        emulator: None where there is none, then the devices are those of `config`.
        """
        try:
            host = HsmSecret.parse(secret.decode("ascii", "replace"))
        except ValueError as error:
            raise HsmConfigurationError(f"the host's secret is unusable: {error}") from None
        if emulator is None and config.is_embedded:
            raise HsmConfigurationError(
                "the emulator's file is not at hand, and no HSM is configured: put the copy of"
                " secrets/emulator beside hsm.key"
            )
        if emulator is None:
            devices = _at(config)
        else:
            device = revived(emulator, host.store_key(), "the copy of secrets/emulator")
            backend = EmulatorBackend(device)
            devices = Devices((Device("a copy of the emulator", backend.another, waits=False),))
        made = cls(
            devices,
            load_manifest(config.manifest),
            host,
            anchors=Anchors.yubico(),
            addresses=config.connectors,
            deadline_s=config.deadline_seconds,
        )
        if emulator is not None:
            made._empty_log()
        return made

    def _empty_log(self) -> None:
        """Let a copy forget its log, the original's to archive: with a full one it does nothing."""
        for device in self.devices.all:
            source = AuditedDevice(device, self.login("auditor"))
            serial, log = source.read()
            if log.entries:
                source.forget(serial, log.entries[-1].number)

    def __repr__(self) -> str:
        return f"HsmHost({', '.join(device.where for device in self.devices.all)})"

    @property
    def is_embedded(self) -> bool:
        """Whether the device is the emulator in this process."""
        return self.devices.embedded is not None

    def strict(self, *, seals: bool) -> Strict:
        """Return how another process opens OTPs inside these devices."""
        provisioner = Role(*self.login("provisioner")) if seals else None
        return Strict(
            self._addresses,
            self.otp_key,
            self._deadline_s,
            Role(*self.login("validator")),
            provisioner,
        )

    def next_otp_key(self, ceremony: HsmSecret) -> int:
        """Return the object that takes the place of `otp_key`: on every device, made if need be.

        ceremony: the rotator is its role. Raises VaultError.
        """
        model = self.manifest.object(_OTP_KEY)
        successor = self.otp_key + 1
        if successor > model.id + model.successors:
            raise HsmConfigurationError(
                f"the manifest keeps {model.successors} ids for successors of the key"
                f' "{model.name}", and all have been used: prepare devices anew'
            )
        lack = [device for device in self.devices.all if not self._has(device, ceremony, successor)]
        if lack and len(self.devices.all) > 1:
            raise HsmConfigurationError(
                f"the HSM at {lack[0].where} has no object 0x{successor:04x}. With several devices"
                " the new key is made on one of them and brought to the others by a ceremony; what"
                " each made by itself would open nothing of the others'"
            )
        for device in lack:
            with open_session(device, self._rotator(ceremony)) as session:
                make_otp_key(session, model, successor)
        return successor

    def rewrapper(self, ceremony: HsmSecret) -> DeviceRewrapper:
        """Return what rewraps AEADs; whoever asked closes it."""
        return DeviceRewrapper(self.devices.all[0], self._rotator(ceremony))

    def _rotator(self, ceremony: HsmSecret) -> Login:
        return role_login(ceremony, self.manifest.role("rotator"))

    def _has(self, device: Device, ceremony: HsmSecret, object_id: int) -> bool:
        with open_session(device, self._rotator(ceremony)) as session:
            return has_otp_key(session, object_id)

    def login(self, role: str) -> Login:
        """Return with what a role that the host holds logs in."""
        return role_login(self._secret, self.manifest.role(role))

    def inspect(self, *, production: bool) -> None:
        """Check every device that answers, and note what they are; VaultError refuses them.

        production: whether only genuine hardware will do. Unavailable when none answers.
        """
        absent: DeviceUnavailableError | None = None
        for device in self.devices.all:
            try:
                self.inspect_one(device.where, production=production)
            except DeviceUnavailableError as error:
                absent = absent or error
        if not self.identified and absent is not None:
            raise absent

    def inspect_one(self, where: str, *, production: bool) -> None:
        """Check one device, by its address, and note what it is; VaultError refuses it."""
        device = self._at(where)
        report = startup.check(device, self.manifest, self._secret, anchors=self._anchors)
        found = _accepted(where, report, production=production)
        others = [one for one in self.identified if one.where != where]
        self.identified = (*others, found)

    def greet(self, where: str) -> None:
        """Ask a device, by its address, what it is; DeviceError when it does not answer."""
        device_info(self._at(where))

    def _at(self, where: str) -> Device:
        return next(device for device in self.devices.all if device.where == where)

    def unwrap(self, keys: DataKeys) -> Rings:
        """Ask for all data keys that open something. VaultError, also when nobody answers."""

        def ask(device: Device) -> Rings:
            with open_session(device, self.login("unsealer")) as session:
                return unwrapped(keys, lambda key: wrapping.unwrap(session, key))

        return self._any_of(ask)

    def make_data_keys(self, purposes: Sequence[Purpose], ceremony: HsmSecret) -> list[DataKey]:
        """Make new data keys, prepared, one for each purpose. ceremony: the sealer is its role."""
        wrap_key = self.manifest.object(_WRAP_KEY).id
        sealer = role_login(ceremony, self.manifest.role("sealer"))

        def ask(device: Device) -> list[DataKey]:
            with open_session(device, sealer) as session:
                return [wrapping.make(session, wrap_key, purpose) for purpose in purposes]

        return self._any_of(ask)

    def random(self, octets: int) -> bytes:
        """Return octets of a device's generator, asked for as the provisioner. VaultError."""

        def ask(device: Device) -> bytes:
            with open_session(device, self.login("provisioner")) as session:
                return bytes(session.get_pseudo_random(octets))

        return self._any_of(ask)

    def _any_of(self, ask: Callable[[Device], _Answer]) -> _Answer:
        """Ask one device after the other until one is there; they all hold the same keys."""
        absent: DeviceUnavailableError | None = None
        for device in self.devices.all:
            try:
                return ask(device)
            except DeviceUnavailableError as error:
                absent = absent or error
        if absent is None:
            raise HsmConfigurationError("no HSM is configured")
        raise absent

    def close(self) -> None:
        """Let go of the devices."""
        self.devices.close()
