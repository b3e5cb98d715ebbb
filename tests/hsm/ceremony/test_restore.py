"""The restore drill: what one device sealed, another one opens afterwards; all of it is told."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import OtpAeadKey, WrapKey

from hsm import genuine, manifest
from hsm.audit.rules import TRANSPORT_KEY
from hsm.ceremony import shares
from hsm.ceremony.backup_file import Backup
from hsm.ceremony.document import DocumentError
from hsm.ceremony.reach import CeremonyError, Secrets
from hsm.ceremony.restore import Restored, faults
from hsm.ceremony.transcript import Transcript
from hsm.ceremony.transport import Offer
from hsm.ceremony.verify import verify
from hsm.credentials import HsmSecret
from hsm.device.errors import DeviceError
from hsm.device.opening import open_session
from hsm.emulator.wire.firmware import Firmware
from hsm.genuine import Anchors
from hsm.journalkey import JournalKey
from hsm.logins import admits, factory_login, role_login
from tests.hsm.ceremony.drills import OPERATOR, Drill, in_process, over_http

ANY = frozenset(genuine.Kind)
HARDWARE = frozenset({genuine.Kind.HARDWARE})
OLD = Firmware(2, 2, 0)


def by_rsa(drill: Drill) -> Restored:
    offer = Offer.parse(drill.target.prepare().format())
    backup = drill.source.for_target(offer, ANY, Anchors.yubico())
    return drill.target.restore_sent(Backup.parse(backup.format()))


def by_shares(drill: Drill) -> Restored:
    backup, made = drill.source.by_shares(threshold=2, count=3)
    typed = [shares.Share.parse(share.groups()) for share in made[1:]]
    key = shares.combine(typed)
    return drill.target.restore_by_key(Backup.parse(backup.format()), key)


Way = Callable[[Drill], Restored]
WAYS = pytest.mark.parametrize("way", [by_rsa, by_shares])


@contextmanager
def _as_drilled(where: str) -> Iterator[Drill]:
    with over_http() if where == "http" else nullcontext(in_process()) as drill:
        yield drill


@WAYS
@pytest.mark.parametrize("where", ["in process", "http"])
def test_what_one_device_sealed_another_one_opens_after_the_drill(where: str, way: Way) -> None:
    with _as_drilled(where) as drill:
        drill.set_up()
        sealed = drill.seal()
        began = time.monotonic()
        restored = way(drill)
        took = time.monotonic() - began
        print(f"restore drill, {way.__name__}, {where}: {took:.2f} s")  # noqa: T201 - the drill's time
        assert drill.opens(*sealed)
        assert not admits(drill.devices[1], factory_login())
        assert faults(restored, OPERATOR.public_key) == []
        verified = verify(restored.ceremony, drill.manifest, operator=OPERATOR.public_key)
        assert verified.faults == ()
        assert verified.genuineness is not None
        assert verified.genuineness.kind is genuine.Kind.EMULATOR


@WAYS
def test_neither_device_keeps_the_transport_key(way: Way) -> None:
    drill = in_process().set_up()
    way(drill)
    for device in drill.devices:
        login = role_login(drill.secrets.ceremony, drill.manifest.role("admin"))
        with open_session(device, login) as session:
            assert TRANSPORT_KEY not in {one.id for one in session.list_objects()}


@WAYS
def test_the_target_has_an_identity_of_its_own(way: Way) -> None:
    drill = in_process().set_up()
    restored = way(drill)
    body = restored.report.body
    assert body["device"]["serial"] != body["backup"]["serial"]
    assert [one["what"] for one in body["objects"]] == ["otp-aead-key 0x0101", "wrap-key 0x0201"]
    assert all(one["proven"] for one in body["objects"])
    assert body["milliseconds"] > 0


def test_data_under_wrap_comes_out_of_the_other_device() -> None:
    drill = in_process().set_up()
    key = drill.manifest.object("data-keys").id
    sealer = role_login(drill.secrets.ceremony, drill.manifest.role("sealer"))
    with open_session(drill.devices[0], sealer) as session:
        wrapped = WrapKey(session, key).wrap_data(b"a data key")
    by_shares(drill)
    unsealer = role_login(drill.secrets.host, drill.manifest.role("unsealer"))
    with open_session(drill.devices[1], unsealer) as session:
        assert WrapKey(session, key).unwrap_data(wrapped) == b"a data key"


def test_a_devices_successors_travel_too() -> None:
    drill = in_process().set_up()
    otp = drill.manifest.object("otp")
    admin = role_login(drill.secrets.ceremony, drill.manifest.role("admin"))
    with open_session(drill.devices[0], admin) as session:
        OtpAeadKey.generate(
            session, otp.id + 1, "otp-2", otp.domains, otp.capabilities, otp.algorithm, 7
        )
    restored = by_shares(drill)
    assert "otp-aead-key 0x0102" in [one["what"] for one in restored.report.body["objects"]]


def test_old_firmware_is_restored_by_shares_and_not_by_rsa() -> None:
    drill = in_process(OLD).set_up()
    sealed = drill.seal()
    with pytest.raises(CeremonyError, match=r"2\.4\.0"):
        drill.target.prepare()
    by_shares(drill)
    assert drill.opens(*sealed)


def test_a_ca_is_restored_with_its_key() -> None:
    made = in_process()
    drill = Drill(*made.devices, manifest.issuing()).set_up()
    restored = by_rsa(drill)
    assert [one["what"] for one in restored.report.body["objects"]] == ["asymmetric-key 0x0401"]
    assert faults(restored) == []


def test_keys_do_not_go_to_a_device_that_is_not_accepted() -> None:
    drill = in_process().set_up()
    offer = drill.target.prepare()
    with pytest.raises(CeremonyError, match="not proven to be hardware"):
        drill.source.for_target(offer, HARDWARE, Anchors.yubico())
    forged = dataclasses.replace(offer, serial=offer.serial ^ 1)
    other = in_process().target.prepare()
    swapped = dataclasses.replace(offer, public_key=other.public_key)
    for one in (forged, swapped):
        with pytest.raises(CeremonyError, match="was replaced"):
            drill.source.for_target(one, ANY, Anchors.yubico())
    resigned = Offer(offer.serial, other.public_key, other.proof)
    with pytest.raises(CeremonyError, match="was replaced"):
        drill.source.for_target(resigned, ANY, Anchors.yubico())
    assert len(offer.fingerprint.split()) == 16
    assert offer.fingerprint != other.fingerprint


def test_a_backup_that_was_altered_or_is_anothers_is_refused() -> None:
    drill = in_process().set_up()
    backup, made = drill.source.by_shares(threshold=2, count=2)
    key = shares.combine(made)
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda file: file.update(serial=file["serial"] + 1),
        lambda file: file.update(made="2020-01-01T00:00:00Z"),
        lambda file: file["objects"].pop(),
        lambda file: file["objects"][0].update(wrapped=file["objects"][1]["wrapped"]),
        lambda file: file["objects"][0]["proof"].update(otp="00" * 16),
        lambda file: file.update(mac="00" * 32),
    ]
    for change in changes:
        document = json.loads(backup.format())
        change(document)
        with pytest.raises(DocumentError, match="was altered"):
            drill.target.restore_by_key(Backup.parse(json.dumps(document)), key)
    stranger = dataclasses.replace(
        drill.target,
        secrets=Secrets(drill.secrets.host, HsmSecret.generate("ceremony")),
    )
    with pytest.raises(DocumentError, match="belongs to the ceremony's secret"):
        stranger.restore_by_key(backup, key)
    issuing = dataclasses.replace(drill.target, manifest=manifest.issuing())
    with pytest.raises(DocumentError, match="--manifest"):
        issuing.restore_by_key(backup, key)
    assert admits(drill.devices[1], factory_login()), "nothing was done to the device"


def test_shares_of_another_backup_do_not_open_it() -> None:
    drill = in_process().set_up()
    backup, _ = drill.source.by_shares(threshold=2, count=2)
    _, others = drill.source.by_shares(threshold=2, count=2)
    with pytest.raises(CeremonyError, match="another one"):
        drill.target.restore_by_key(backup, shares.combine(others))


def test_a_key_that_fails_its_proof_is_no_restored_key() -> None:
    drill = in_process().set_up()
    backup, made = drill.source.by_shares(threshold=2, count=2)
    second, _ = drill.source.by_shares(threshold=2, count=2)
    proof = {"data": "00" * 32, "wrapped": second.objects[1].proof["wrapped"]}
    wrong = dataclasses.replace(backup.objects[1], proof=proof)
    forged = dataclasses.replace(backup, objects=(backup.objects[0], wrong))
    with pytest.raises(CeremonyError, match="fails its proof"):
        drill.target.restore_by_key(
            forged.authenticated(drill.secrets.ceremony), shares.combine(made)
        )


def test_each_backup_is_restored_in_its_own_way() -> None:
    drill = in_process().set_up()
    backup, _ = drill.source.by_shares(threshold=2, count=2)
    with pytest.raises(CeremonyError, match="by its shares"):
        drill.target.restore_sent(backup)
    sent = drill.source.for_target(drill.target.prepare(), ANY, Anchors.yubico())
    with pytest.raises(CeremonyError, match="device it was wrapped for"):
        drill.target.restore_by_key(sent, bytes(32))
    drill.target.restore_sent(sent)
    with pytest.raises(CeremonyError, match="no transport key"):
        drill.target.restore_sent(sent)


def test_what_was_cut_off_can_be_done_again() -> None:
    drill = in_process().set_up()
    sealed = drill.seal()
    admin = role_login(drill.secrets.ceremony, drill.manifest.role("admin"))
    for device in drill.devices[:1]:
        with open_session(device, admin) as session:
            WrapKey.put(
                session,
                TRANSPORT_KEY,
                "left over",
                1,
                CAPABILITY.NONE,
                ALGORITHM.AES256_CCM_WRAP,
                CAPABILITY.NONE,
                bytes(32),
            )
    drill.target.prepare()
    drill.target.prepare()
    by_rsa(drill)
    again = by_shares(drill)
    assert drill.opens(*sealed), "keys that are there are left, and proven once more"
    assert faults(again) == []


def test_a_backup_that_fails_takes_its_transport_key_away(monkeypatch: pytest.MonkeyPatch) -> None:
    drill = in_process().set_up()

    def fail(*_: object) -> bytes:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(WrapKey, "export_wrapped", fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            drill.source.by_shares(threshold=2, count=2)
    admin = role_login(drill.secrets.ceremony, drill.manifest.role("admin"))
    with open_session(drill.devices[0], admin) as session:
        assert TRANSPORT_KEY not in {one.id for one in session.list_objects()}


def test_a_source_without_its_keys_has_no_backup() -> None:
    drill = in_process()
    with pytest.raises(DeviceError):
        drill.source.by_shares(threshold=2, count=2)
    drill.set_up()
    admin = role_login(drill.secrets.ceremony, drill.manifest.role("admin"))
    with open_session(drill.devices[0], admin) as session:
        WrapKey(session, drill.manifest.object("data-keys").id).delete()
    with pytest.raises(CeremonyError, match="data-keys"):
        drill.source.by_shares(threshold=2, count=2)


def test_a_report_that_was_altered_is_not_believed() -> None:
    drill = in_process().set_up()
    restored = by_shares(drill)
    ceremony, report = restored
    assert faults(restored, JournalKey.generate().public_key) == ["the operator did not sign it"]
    body = {**report.body, "milliseconds": 1}
    assert len(faults(Restored(ceremony, Transcript(body, report.signatures)))) == 2
    assert faults(Restored(ceremony, ceremony)) == ["it is no report of a restore"]
    other = in_process().set_up()
    elsewhere = by_shares(other)
    assert "it belongs to another transcript" in faults(Restored(elsewhere.ceremony, report))
    again = Transcript.parse(report.format())
    assert faults(Restored(ceremony, again)) == []


def test_no_secret_is_in_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Canaries: secrets and shares that were made stand in no file, no `repr` and no message."""
    drill = in_process().set_up()
    backup, made = drill.source.by_shares(threshold=2, count=3)
    key = shares.combine(made)
    restored = drill.target.restore_by_key(backup, key)
    texts = [
        backup.format(),
        restored.ceremony.format(),
        restored.report.format(),
        repr((drill.source, drill.target, made, backup, restored)),
        "".join(capsys.readouterr()),
    ]
    canaries = [
        key,
        *(share.value for share in made),
        *(one.reveal() for one in (drill.secrets.host, drill.secrets.ceremony)),
        *(drill.secrets.login(role).encryption for role in drill.manifest.roles),
        *(drill.secrets.login(role).mac for role in drill.manifest.roles),
        drill.secrets.ceremony.backup_key(),
    ]
    for text in texts:
        for canary in canaries:
            assert canary.hex() not in text
            assert repr(canary)[2:-1] not in text
