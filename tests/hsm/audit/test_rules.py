"""Entries held against the manifest: who did what, and whether it was theirs to do."""

import pytest
from yubihsm.defs import CAPABILITY, COMMAND, ERROR

from hsm import manifest
from hsm.audit.entry import NO_KEY, Entry
from hsm.audit.finding import Kind
from hsm.audit.rules import TRANSPORT_KEY, Judged, Rules, Tally, judge

RULES = Rules.of(manifest.validation(), boots=True)
RESET = Entry.parse(b"\0\x01" + b"\xff" * 14 + bytes(16))
PROVISIONER, AUDITOR, UNSEALER, ADMIN, BACKUP = 0x12, 0x15, 0x13, 0x19, 0x18


def done(
    command: int, key: int, target: int = NO_KEY, *, second: int = NO_KEY, error: int | None = None
) -> Entry:
    result = command | 0x80 if error is None else error
    return Entry(7, command, 25, key, target, second, result, 0, bytes(16))


def judged(*entries: Entry, tally: Tally | None = None, rules: Rules = RULES) -> Judged:
    return judge(rules, tally or Tally(), entries)


def kinds(*entries: Entry, tally: Tally | None = None) -> list[Kind]:
    return [found.kind for found in judged(*entries, tally=tally).findings]


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (COMMAND.CREATE_OTP_AEAD, PROVISIONER),
        (COMMAND.GET_PSEUDO_RANDOM, PROVISIONER),
        (COMMAND.UNWRAP_DATA, UNSEALER),
        (COMMAND.GET_LOG_ENTRIES, AUDITOR),
        (COMMAND.SET_LOG_INDEX, AUDITOR),
        (COMMAND.GET_OPTION, AUDITOR),
        (COMMAND.CLOSE_SESSION, AUDITOR),
        (COMMAND.GET_OBJECT_INFO, UNSEALER),
        (COMMAND.AUTHENTICATE_SESSION, NO_KEY),
    ],
)
def test_what_a_role_is_for_is_nothing_to_speak_of(command: int, key: int) -> None:
    assert kinds(done(command, key, 0x0101)) == []


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (COMMAND.UNWRAP_DATA, PROVISIONER),
        (COMMAND.REWRAP_OTP_AEAD, PROVISIONER),
        (COMMAND.DELETE_OBJECT, UNSEALER),
        (COMMAND.EXPORT_WRAPPED, AUDITOR),
        (COMMAND.EXPORT_WRAPPED_RSA, UNSEALER),
        (COMMAND.RESET_DEVICE, BACKUP),
        (0x7E, BACKUP),
    ],
)
@pytest.mark.parametrize("error", [None, ERROR.INSUFFICIENT_PERMISSIONS])
def test_a_command_outside_a_role_is_an_alarm_done_or_tried(
    command: int, key: int, error: int | None
) -> None:
    (found,) = judged(done(command, key, 0x0201, error=error)).findings
    assert found.kind is Kind.OUTSIDE_ROLE
    assert found.is_alarm
    assert ("in vain" in found.what) == (error is not None)


def test_every_command_belongs_to_somebody_and_the_admin_may_do_them_all() -> None:
    for command in COMMAND:
        if command is not COMMAND.ERROR:
            assert kinds(done(command, ADMIN, 0x0101)) == [Kind.CEREMONY], command
    stranger = RULES._replace(
        roles={7: RULES.roles[ADMIN]._replace(capabilities=CAPABILITY.NONE, host=True)}
    )
    harmless = [one for one in COMMAND if not judged(done(one, 7), rules=stranger).findings]
    assert not [one for one in harmless if "WRAP" in one.name or "PUT" in one.name], harmless


def test_a_key_that_the_manifest_lacks_is_an_alarm() -> None:
    (found,) = judged(done(COMMAND.DECRYPT_OTP, 0x0666, 0x0101)).findings
    assert (found.kind, found.number) == (Kind.UNKNOWN_KEY, 7)
    assert "0x0666" in found.what
    assert "decrypt-otp on 0x0101" in found.what
    assert kinds(done(COMMAND.PUT_OPAQUE, NO_KEY, 0x0101)) == [Kind.UNKNOWN_KEY]


def test_an_object_that_the_manifest_lacks_is_an_alarm_unless_it_is_for_transport() -> None:
    assert kinds(done(COMMAND.PUT_AUTHENTICATION_KEY, ADMIN, 0x0666)) == [Kind.UNKNOWN_OBJECT]
    assert kinds(done(COMMAND.GENERATE_WRAP_KEY, ADMIN, TRANSPORT_KEY)) == [Kind.CEREMONY]
    assert kinds(done(COMMAND.GENERATE_OTP_AEAD_KEY, ADMIN, 0x0102)) == [Kind.CEREMONY]
    tried = done(COMMAND.PUT_AUTHENTICATION_KEY, ADMIN, 0x0666, error=ERROR.INVALID_DATA)
    assert kinds(tried) == [Kind.CEREMONY]


def test_the_factorys_key_works_from_the_reset_until_it_is_deleted() -> None:
    put = done(COMMAND.PUT_AUTHENTICATION_KEY, 1, ADMIN)
    gone = done(COMMAND.DELETE_OBJECT, ADMIN, 1)
    assert kinds(RESET, put, gone) == [Kind.CEREMONY, Kind.CEREMONY]
    assert kinds(RESET, put, gone, put) == [Kind.CEREMONY, Kind.CEREMONY, Kind.FACTORY_KEY]
    assert kinds(put) == [Kind.FACTORY_KEY], "no reset was seen: it should be gone"
    tried = done(COMMAND.DELETE_OBJECT, ADMIN, 1, error=ERROR.OBJECT_NOT_FOUND)
    assert judged(RESET, tried).tally.factory


def test_a_start_is_an_alarm_where_the_device_does_not_start_with_the_service() -> None:
    boot = Entry(8, 0, 0, NO_KEY, 0, 0, 0, 0, bytes(16))
    assert kinds(boot) == [Kind.BOOT]
    hardware = Rules.of(manifest.validation(), boots=False)
    assert [one.kind for one in judged(boot, rules=hardware).findings] == [Kind.UNEXPECTED_BOOT]


def test_the_aeads_that_the_service_made_are_counted() -> None:
    made = done(COMMAND.CREATE_OTP_AEAD, PROVISIONER, 0x0101)
    refused = done(COMMAND.CREATE_OTP_AEAD, PROVISIONER, 0x0101, error=ERROR.OBJECT_NOT_FOUND)
    by_ceremony = done(COMMAND.CREATE_OTP_AEAD, ADMIN, 0x0101)
    assert judged(made, refused, made, by_ceremony, tally=Tally(created=3)).tally.created == 5
