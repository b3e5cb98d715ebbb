"""Logs as the emulated device keeps them, for tests of who reads them."""

import secrets

from yubihsm.defs import COMMAND

from hsm.audit.entry import LogRead
from hsm.emulator.objects.auditlog import AuditLog, Happened

CREATED = Happened(
    COMMAND.CREATE_OTP_AEAD, 25, 0x12, 0x0101, 0xFFFF, COMMAND.CREATE_OTP_AEAD | 0x80
)


def a_log(entries: int = 0) -> AuditLog:
    """Return the log of a device that was reset, started, and did so much."""
    log = AuditLog(secrets.token_bytes)
    log.boot(forced=True)
    for tick in range(entries):
        log.note(CREATED, tick)
    return log


def read(log: AuditLog) -> LogRead:
    """Read a log as it comes over the wire."""
    return LogRead.parse(log.encode())


def emptied(log: AuditLog) -> LogRead:
    """Read a log, and let the device forget it."""
    found = read(log)
    log.forget(found.entries[-1].number)
    return found
