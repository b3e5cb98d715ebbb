"""What of a device survives a restart, as one piece of data: everything but its sessions."""

import json
from typing import Any

from hsm.emulator.core import Emulator
from hsm.emulator.objects.auditlog import Entry
from hsm.emulator.objects.identity import Identity
from hsm.emulator.objects.options import Audit, Fips
from hsm.emulator.objects.record import Record
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.firmware import Firmware
from hsm.emulator.wire.kind import Kind, Origin


def take(emulator: Emulator) -> bytes:
    """Write the state down. All its secrets are in it, in the clear."""
    device = emulator.device
    entries, last = device.log.saved()
    who, options = device.identity, device.options
    return json.dumps(
        {
            "firmware": str(device.firmware),
            "fips_model": device.fips_model,
            "identity": {
                "serial": who.serial,
                "static_key": who.static_key.hex(),
                "attestation_key": who.attestation_key.hex(),
                "certificate": who.certificate.hex(),
                "root": who.root.hex(),
            },
            "objects": [_record(record) for record in device.store],
            "written": [[*key, count] for key, count in device.store.written().items()],
            "log": {
                "entries": [_entry(entry) for entry in entries],
                "last": _entry(last),
                "unlogged": [device.log.unlogged_boots, device.log.unlogged_sessions],
            },
            "options": {
                "force_audit": options.force_audit,
                "audit": [[*pair] for pair in options.audit.items()],
                "enabled": [[*pair] for pair in options.enabled.items()],
                "fips": options.fips,
            },
        }
    ).encode()


def revive(written: bytes) -> Emulator:
    """Make the device anew and start it.

    ValueError, KeyError or TypeError for what `take` never wrote.
    """
    saved: dict[str, Any] = json.loads(written)
    who = saved["identity"]
    identity = Identity(
        who["serial"],
        bytes.fromhex(who["static_key"]),
        bytes.fromhex(who["attestation_key"]),
        bytes.fromhex(who["certificate"]),
        bytes.fromhex(who["root"]),
    )
    firmware = Firmware.parse(saved["firmware"])
    emulator = Emulator(firmware, identity=identity, fips_model=saved["fips_model"])
    device = emulator.device
    device.store.restore(
        [_read_record(one) for one in saved["objects"]],
        {(Kind(kind), number): count for kind, number, count in saved["written"]},
    )
    log, options = saved["log"], saved["options"]
    entries = [_read_entry(one) for one in log["entries"]]
    device.log.restore(entries, _read_entry(log["last"]), *log["unlogged"])
    device.options.force_audit = Audit(options["force_audit"])
    device.options.audit = {Command(one): Audit(setting) for one, setting in options["audit"]}
    device.options.enabled = {Algorithm(one): on for one, on in options["enabled"]}
    device.options.fips = Fips(options["fips"])
    device.boot()
    return emulator


def _record(record: Record) -> list[Any]:
    return [
        record.kind,
        record.object_id,
        record.label.hex(),
        record.domains,
        record.capabilities,
        record.algorithm,
        record.origin,
        record.material.hex(),
        record.delegated,
        record.sequence,
    ]


def _read_record(saved: list[Any]) -> Record:
    kind, number, label, domains, capabilities, algorithm, origin, material, *rest = saved
    delegated, sequence = rest
    return Record(
        Kind(kind),
        number,
        bytes.fromhex(label),
        domains,
        capabilities,
        Algorithm(algorithm),
        Origin(origin),
        bytes.fromhex(material),
        delegated,
        sequence,
    )


def _entry(entry: Entry) -> list[Any]:
    return [entry.number, entry.data.hex(), entry.digest.hex()]


def _read_entry(saved: list[Any]) -> Entry:
    number, data, digest = saved
    return Entry(number, bytes.fromhex(data), bytes.fromhex(digest))
