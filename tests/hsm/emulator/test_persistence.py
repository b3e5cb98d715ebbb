"""The device's file: nothing acknowledged is lost, and nothing in it can be read."""

import os
from pathlib import Path

import pytest
from cryptography import x509
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND
from yubihsm.exceptions import YubiHsmConnectionError
from yubihsm.objects import AsymmetricKey, HmacKey

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.persistence import PersistentEmulator, StateFileError
from hsm.privatefile import PrivateFileError

_KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hsm"


def _session(device: PersistentEmulator) -> AuthSession:
    return YubiHsm(EmulatorBackend(device)).create_session_derived(1, "password")


def test_all_but_sessions_survives_a_restart(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator(fips_model=True))
    session = _session(device)
    session.set_command_audit({COMMAND.SIGN_HMAC: AUDIT.ON})
    session.set_enabled_algorithms({ALGORITHM.EC_K256: False})
    HmacKey.generate(session, 9, "deleted", 1, CAPABILITY.NONE).delete()
    mac = HmacKey.generate(session, 9, "mac", 1, CAPABILITY.SIGN_HMAC)
    made, info = mac.sign_hmac(b"data"), mac.get_info()
    key = AsymmetricKey.generate(session, 0, "key", 1, CAPABILITY.NONE, ALGORITHM.EC_P256)
    attested = key.attest()
    last = session.get_log_entries().entries[-1]
    session.set_log_index(last.number)
    device.close()
    reopened = PersistentEmulator.open(path, _KEY)
    session = _session(reopened)
    mac = HmacKey(session, 9)
    assert (mac.sign_hmac(b"data"), mac.get_info()) == (made, info)
    assert info.sequence == 1
    assert not session.get_enabled_algorithms()[ALGORITHM.EC_K256]
    assert session.get_command_audit()[COMMAND.SIGN_HMAC] == AUDIT.ON
    boot, signed = session.get_log_entries(last).entries
    assert (boot.command, signed.command) == (0, COMMAND.SIGN_HMAC)
    device_certificate = x509.load_der_x509_certificate(
        reopened.emulator.device.identity.certificate
    )
    attested.verify_directly_issued_by(device_certificate)
    reopened.close()


def test_no_secret_is_readable_in_the_file(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    HmacKey.put(_session(device), 0, "a label", 1, CAPABILITY.NONE, b"a canary that must not sing")
    written = path.read_bytes()
    for secret in (b"canary", b"canary".hex().encode(), b"a label"):
        assert secret not in written
    assert path.stat().st_mode & 0o777 == 0o600
    device.close()


def test_what_was_answered_is_on_disk(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    HmacKey.generate(_session(device), 9, "mac", 1, CAPABILITY.NONE)
    os.close(device._lock)  # as when the process is killed: nothing else is done
    reopened = PersistentEmulator.open(path, _KEY)
    assert HmacKey(_session(reopened), 9).get_info().label == "mac"
    reopened.close()


def test_a_file_that_cannot_be_written_is_never_acknowledged(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    session = _session(device)
    blocked = path.with_name("hsm.new")
    blocked.mkdir()
    with pytest.raises(YubiHsmConnectionError):
        HmacKey.generate(session, 9, "mac", 1, CAPABILITY.NONE)
    with pytest.raises(YubiHsmConnectionError):
        session.get_pseudo_random(8)
    device.close()
    blocked.rmdir()
    reopened = PersistentEmulator.open(path, _KEY)
    assert [one.id for one in _session(reopened).list_objects()] == [1]
    reopened.close()


def test_when_the_file_can_be_written_again_the_device_goes_on_from_it(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    blocked = path.with_name("hsm.new")
    blocked.mkdir()
    with pytest.raises(YubiHsmConnectionError):
        HmacKey.generate(_session(device), 9, "mac", 1, CAPABILITY.NONE)
    blocked.rmdir()
    assert [one.id for one in _session(device).list_objects()] == [1]
    HmacKey.generate(_session(device), 9, "mac", 1, CAPABILITY.NONE)
    device.close()
    device.close()
    reopened = PersistentEmulator.open(path, _KEY)
    assert {one.id for one in _session(reopened).list_objects()} == {1, 9}
    reopened.close()


def test_what_changes_nothing_writes_nothing(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    before = path.stat().st_ino
    _session(device).get_pseudo_random(8)
    assert path.stat().st_ino == before
    device.close()


def test_only_one_process_has_a_device(path: Path) -> None:
    device = PersistentEmulator.create(path, _KEY, Emulator())
    with pytest.raises(StateFileError, match="in use"):
        PersistentEmulator.open(path, _KEY)
    device.close()
    with pytest.raises(StateFileError, match="not replaced"):
        PersistentEmulator.create(path, _KEY, Emulator())
    PersistentEmulator.open(path, _KEY).close()


def test_a_damaged_file_or_a_foreign_key_is_refused(path: Path) -> None:
    PersistentEmulator.create(path, _KEY, Emulator()).close()
    with pytest.raises(StateFileError, match="does not open"):
        PersistentEmulator.open(path, bytes(32))
    content = path.read_bytes()
    for damaged, why in (
        (content[:-1] + bytes([content[-1] ^ 1]), "does not open"),
        (content[:40], "does not open"),
        (b"something else", "holds no emulated device"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(StateFileError, match=why):
            PersistentEmulator.open(path, _KEY)
    path.write_bytes(content)
    PersistentEmulator.open(path, _KEY).close()


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    PersistentEmulator.create(path, _KEY, Emulator()).close()
    path.chmod(0o644)
    with pytest.raises(PrivateFileError, match="open to others"):
        PersistentEmulator.open(path, _KEY)
