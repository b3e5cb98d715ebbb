"""Doing a ceremony: steps, proofs, transcript. It may be cut off at any command and begun again.

Each step is one command that the device does wholly or not at all; the next ceremony reads what is
there and goes on from it. The order makes that safe: the administrator's role comes first, every
role has logged in before the factory's key goes, and that key goes last.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yubihsm.core import AuthSession, LogEntry
from yubihsm.defs import OBJECT
from yubihsm.objects import AsymmetricKey, Opaque

from hsm import drift, genuine, startup
from hsm.ceremony import transcript
from hsm.ceremony.plan import Act, Plan, Step, left_for_restore, plan
from hsm.ceremony.reach import CeremonyError, Secrets, reach
from hsm.ceremony.steps import Doer
from hsm.ceremony.transcript import Transcript
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.genuine import Anchors, Genuineness, Proof
from hsm.inventory import Inventory
from hsm.journalkey import JournalKey
from hsm.logins import FACTORY_PASSWORD, admits, device_info, factory_login
from hsm.manifest import Manifest, Role

_ROOM = 12
"""Log entries that must be free before a step: none of them writes as many."""

Archive = Callable[[Sequence[bytes]], None]


class CeremonyRefusedError(CeremonyError):
    """Nothing was done. refused: the plan that says why."""

    def __init__(self, where: str, refused: Plan) -> None:
        reasons = "\n".join(f"- {one}" for one in refused.refusals)
        super().__init__(f"nothing was done to the HSM at {where}:\n{reasons}")
        self.refused = refused


@dataclass(slots=True)
class _Record:
    """What has happened so far."""

    started: dt.datetime
    steps: list[dict[str, object]] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)


class Performance:
    """One ceremony on one device.

    operator: signs the transcript. archive: keeps log entries (32 octets each) before they are
    cleared, which happens only when the log has no room for the ceremony.
    """

    def __init__(
        self,
        device: Device,
        manifest: Manifest,
        secrets: Secrets,
        *,
        operator: JournalKey | None = None,
        archive: Archive | None = None,
        anchors: Anchors | None = None,
        clock: Callable[[], dt.datetime] | None = None,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._device = device
        self._manifest = manifest
        self._secrets = secrets
        self._operator = operator
        self._archive = archive
        self._anchors = anchors or Anchors.yubico()
        self._clock = clock or utc_now
        self._randomness = randomness

    def perform(
        self, factory_password: str = FACTORY_PASSWORD, *, clone: bool = False
    ) -> Transcript:
        """Make the device what the manifest says; an already made one is proven once more.

        Raises CeremonyRefusedError (nothing was done), CeremonyError, DeviceError.
        """
        record = _Record(self._clock())
        reached = reach(self._device, self._manifest, self._secrets.ceremony, factory_password)
        there = reached.inventory
        todo = plan(self._manifest, there, clone=clone)
        if todo.refusals:
            raise CeremonyRefusedError(self._device.where, todo)
        # Those that are there first: with a wrong secret nothing is to be made, not even half.
        self._prove_roles(one for one in self._manifest.roles if one.place in there.objects)
        doer = Doer(self._manifest, self._secrets, there)
        rights, making, deleting = _phases(todo.steps)
        # The first steps with whoever got in; from then on as administrator, whose rights are so
        # proven to be enough before the factory's key is gone.
        self._do(reached.login, rights, doer, record)
        self._prove_roles(self._manifest.roles)
        admin = self._secrets.login(self._manifest.role("admin"))
        self._do(admin, making, doer, record)
        self._prove_identity_certificate(admin)
        self._prove_no_impostor(there.serial)
        self._do(admin, deleting, doer, record)
        self._prove_factory_key_gone(factory_password)
        inventory = startup.read(self._device, self._manifest, self._secrets.host)
        self._prove_as_planned(inventory, clone=clone)
        return self._signed(record, inventory, todo, clone=clone)

    def _do(self, login: Login, steps: Sequence[Step], doer: Doer, record: _Record) -> None:
        if not steps:
            return
        with open_session(self._device, login) as session:
            for step in steps:
                self._make_room(session, record)
                command = doer.do(session, step)
                record.steps.append(
                    {"at": _moment(self._clock()), "command": command.name, "what": step.text}
                )

    def _make_room(self, session: AuthSession, record: _Record) -> None:
        info = device_info(self._device)
        if info.log_size - info.log_used > _ROOM:
            return
        entries = session.get_log_entries().entries
        octets = [_entry(one) for one in entries]
        if self._archive is not None:
            self._archive(octets)
        record.log += octets
        session.set_log_index(entries[-1].number)

    def _prove_roles(self, roles: Iterable[Role]) -> None:
        for role in roles:
            if not admits(self._device, self._secrets.login(role)):
                raise CeremonyError(
                    f'the role "{role.name}" ({role.place}) does not accept its credential: it was'
                    f" made from another secret. Name the {role.held}'s secret that this device was"
                    " set up with. The factory's key, if it was there, still is"
                )

    def _prove_identity_certificate(self, admin: Login) -> None:
        key, certificate = (
            self._manifest.object(name) for name in ("identity", "identity-certificate")
        )
        with open_session(self._device, admin) as session:
            public: Any = AsymmetricKey(session, key.id).get_public_key()  # type: ignore[no-untyped-call]
            stored = Opaque(session, certificate.id).get_certificate().public_key()
        if _spki(public) != _spki(stored):
            raise CeremonyError(
                f"{certificate.place} certifies another key than {key.place}: delete the"
                " certificate, and perform the ceremony again"
            )

    def _prove_no_impostor(self, serial: int) -> None:
        """While the factory's key is there, whoever takes the device back can still reset it."""
        with open_session(
            self._device, self._secrets.login(self._manifest.role("identity"))
        ) as session:
            proof = self._asked(session)
        verdict = genuine.judge(proof, self._manifest, serial, self._anchors, self._clock())
        if verdict.kind is genuine.Kind.IMPOSTOR:
            raise CeremonyError(
                "this is not the device it claims to be; do not use it:"
                f" {'; '.join(verdict.doubts)}. The factory's key, if it was there, still is"
            )

    def _asked(self, session: AuthSession) -> Proof:
        return genuine.ask(session, self._manifest, self._randomness(genuine.NONCE_OCTETS))

    def _prove_factory_key_gone(self, factory_password: str) -> None:
        for password in {factory_password, FACTORY_PASSWORD}:
            if admits(self._device, factory_login(password)):
                raise CeremonyError(
                    "the factory's authentication key 1 still opens the device after it was"
                    " deleted: this is no device to entrust keys to"
                )

    def _prove_as_planned(self, inventory: Inventory, *, clone: bool) -> None:
        left = {one.name for one in left_for_restore(self._manifest)} if clone else set()
        wrong = [
            one
            for one in drift.differences(self._manifest, inventory)
            if one.grave and not (one.kind is drift.Kind.MISSING and one.subject in left)
        ]
        if wrong:
            said = "\n".join(f"- {one}" for one in wrong)
            raise CeremonyError(
                f"the device is not what it was made: does somebody else work on it?\n{said}"
            )

    def _signed(
        self, record: _Record, inventory: Inventory, todo: Plan, *, clone: bool
    ) -> Transcript:
        identity = self._secrets.login(self._manifest.role("identity"))
        auditor = self._secrets.login(self._manifest.role("auditor"))
        with open_session(self._device, auditor) as session:
            log = session.get_log_entries()
        record.log += [_entry(one) for one in log.entries]
        with open_session(self._device, identity) as session:
            proof = self._asked(session)
            ended = self._clock()
            verdict = genuine.judge(proof, self._manifest, inventory.serial, self._anchors, ended)
            body = self._body(record, inventory, proof, verdict)
            body["ended"] = _moment(ended)
            body["clone"] = clone
            body["remarks"] = list(todo.remarks)
            body["unlogged"] = [log.n_boot, log.n_auth]
            octets = transcript.signed_octets(body)
            public: Any = AsymmetricKey(
                session, self._manifest.object("identity").id
            ).get_public_key()  # type: ignore[no-untyped-call]
            signatures = {"device": (_spki(public), genuine.sign(session, self._manifest, octets))}
        if self._operator is not None:
            signatures["operator"] = (self._operator.public_key, self._operator.sign(octets))
        return Transcript(body, signatures)

    def _body(
        self, record: _Record, inventory: Inventory, proof: Proof, verdict: Genuineness
    ) -> dict[str, Any]:
        last = record.log[-1] if record.log else b""
        return {
            "manifest": {"name": self._manifest.name, "sha256": self._manifest.digest},
            "device": {
                "serial": inventory.serial,
                "firmware": drift.version(inventory.firmware),
                "part_number": inventory.part_number,
                "kind": verdict.kind.value,
                "doubts": list(verdict.doubts),
            },
            "secrets": {"host": self._secrets.host.id, "ceremony": self._secrets.ceremony.id},
            "started": _moment(record.started),
            "steps": record.steps,
            "objects": [
                {"what": str(place), "label": found.label, "sequence": found.sequence}
                for place, found in sorted(inventory.objects.items())
                if place.type is not OBJECT.TEMPLATE
            ],
            "identity": {
                "device_certificate": transcript.encoded(proof.device_certificate),
                "identity_certificate": transcript.encoded(proof.identity_certificate),
                "nonce": proof.nonce.hex(),
                "signature": proof.signature.hex(),
            },
            "log": [one.hex() for one in record.log],
            "log_digest": last[16:].hex(),
        }


def perform(
    device: Device, manifest: Manifest, secrets: Secrets, *, operator: JournalKey | None = None
) -> Transcript:
    """Perform a ceremony on a device as from the factory; for `init` with the embedded emulator."""
    return Performance(device, manifest, secrets, operator=operator).perform()


def utc_now() -> dt.datetime:
    """Return the time, with its zone."""
    return dt.datetime.now(dt.UTC)


def _phases(steps: Sequence[Step]) -> tuple[list[Step], list[Step], list[Step]]:
    rights = [one for one in steps if one.act in {Act.AUDIT, Act.PUT_ROLE}]
    deleting = [one for one in steps if one.act is Act.DELETE_FACTORY_KEY]
    return rights, [one for one in steps if one not in rights and one not in deleting], deleting


def _moment(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(one: LogEntry) -> bytes:
    return one.data + one.digest


def _spki(public: Any) -> bytes:  # noqa: ANN401 - whichever key it is
    octets: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return octets
