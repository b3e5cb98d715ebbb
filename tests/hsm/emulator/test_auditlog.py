"""The log: its chain, its end, and what happens when it is full."""

import itertools
import secrets

import pytest
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import AUDIT, COMMAND, ERROR, OPTION
from yubihsm.exceptions import YubiHsmDeviceError

from hsm.emulator.core import Emulator
from hsm.emulator.objects.auditlog import AuditLog
from hsm.emulator.wire.firmware import KNOWN
from tests.hsm.emulator.refused import refused


def _audit(session: AuthSession, *commands: COMMAND) -> None:
    session.set_command_audit(dict.fromkeys(commands, AUDIT.ON))


def _fill(session: AuthSession) -> None:
    with refused(ERROR.LOG_FULL):
        for _ in range(70):
            session.get_pseudo_random(1)


def test_a_device_begins_with_its_reset_and_its_boot(admin: AuthSession) -> None:
    reset, boot = admin.get_log_entries().entries
    assert reset.data == b"\0\1" + b"\xff" * 14
    assert boot.data == b"\0\2\0\0\0\xff\xff" + bytes(9)
    assert boot.validate(reset)


def test_two_devices_share_no_chain() -> None:
    first, second = (AuditLog(secrets.token_bytes) for _ in range(2))
    assert first.encode() != second.encode()


def test_an_entry_says_who_did_what_with_which_keys(admin: AuthSession) -> None:
    _audit(admin, COMMAND.GET_OBJECT_INFO, COMMAND.GET_OPAQUE)
    admin.list_objects()[0].get_info()
    with pytest.raises(YubiHsmDeviceError):
        admin.send_secure_cmd(COMMAND.GET_OPAQUE, b"\x00\x09")
    known, failed = admin.get_log_entries().entries[-2:]
    assert (known.command, known.session_key, known.target_key) == (COMMAND.GET_OBJECT_INFO, 1, 1)
    assert (known.length, known.second_key, known.result) == (3, 0xFFFF, 0xCE)
    assert (failed.command, failed.target_key) == (COMMAND.GET_OPAQUE, 9)
    assert failed.result == ERROR.OBJECT_NOT_FOUND


def test_a_full_log_overwrites_its_oldest_and_its_chain_holds(admin: AuthSession) -> None:
    _audit(admin, COMMAND.GET_PSEUDO_RANDOM)
    before = admin.get_log_entries().entries[-1]
    for _ in range(61):
        admin.get_pseudo_random(1)
    entries = admin.get_log_entries().entries
    assert len(entries) == 62
    assert entries[0].number == 2
    assert before in entries
    for previous, entry in itertools.pairwise(entries):
        assert entry.validate(previous)


def test_a_forced_log_stops_what_is_audited_and_nothing_else(
    hsm: YubiHsm, admin: AuthSession
) -> None:
    _audit(admin, COMMAND.GET_PSEUDO_RANDOM, COMMAND.AUTHENTICATE_SESSION)
    admin.set_force_audit(AUDIT.ON)
    _fill(admin)
    admin.list_objects()
    session = hsm.create_session_derived(1, "password")
    log = session.get_log_entries()
    assert (len(log.entries), log.n_auth) == (62, 1)
    session.set_log_index(log.entries[-1].number)
    session.get_pseudo_random(1)
    after = session.get_log_entries(log.entries[-1])
    assert after.n_auth == 0
    assert [entry.command for entry in after.entries] == [COMMAND.GET_PSEUDO_RANDOM]


def test_a_boot_that_a_forced_log_cannot_hold_is_counted(
    hsm: YubiHsm, admin: AuthSession, emulator: Emulator
) -> None:
    _audit(admin, COMMAND.GET_PSEUDO_RANDOM)
    admin.set_force_audit(AUDIT.ON)
    _fill(admin)
    emulator.reboot()
    log = hsm.create_session_derived(1, "password").get_log_entries()
    assert (log.n_boot, len(log.entries)) == (1, 62)


def test_a_fixed_setting_stays_until_the_reset(hsm: YubiHsm, admin: AuthSession) -> None:
    admin.set_command_audit({COMMAND.SIGN_ECDSA: AUDIT.FIXED})
    admin.set_force_audit(AUDIT.FIXED)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        admin.set_force_audit(AUDIT.OFF)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        admin.set_command_audit({COMMAND.SIGN_ECDSA: AUDIT.ON})
    admin.send_secure_cmd(COMMAND.RESET_DEVICE)
    session = hsm.create_session_derived(1, "password")
    assert session.get_force_audit() == AUDIT.OFF
    assert session.get_command_audit()[COMMAND.SIGN_ECDSA] == AUDIT.OFF


def test_an_option_changes_as_a_whole_or_not_at_all(admin: AuthSession) -> None:
    before = admin.get_command_audit()
    with refused(ERROR.INVALID_DATA):
        admin.put_option(OPTION.COMMAND_AUDIT, bytes([COMMAND.SIGN_ECDSA, 1, 0xEE, 1]))
    assert admin.get_command_audit() == before


def test_a_number_that_is_not_in_the_log_clears_nothing(admin: AuthSession) -> None:
    with refused(ERROR.INVALID_DATA):
        admin.set_log_index(99)
    assert len(admin.get_log_entries().entries) == 2


@pytest.mark.parametrize("firmware", KNOWN, ids=str, indirect=True)
def test_old_firmware_logs_all_and_new_firmware_nothing_by_itself(
    hsm: YubiHsm, emulator: Emulator
) -> None:
    entries = hsm.create_session_derived(1, "password").get_log_entries().entries
    began = [entry.command for entry in entries[2:]]
    old = emulator.device.firmware < (2, 3, 1)
    assert began == ([COMMAND.CREATE_SESSION, COMMAND.AUTHENTICATE_SESSION] if old else [])
