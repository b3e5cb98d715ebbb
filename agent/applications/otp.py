"""OTP: which slots are programmed, as SELECT tells it. An access code is not readable."""

from agent.apdu import OTP, Answer
from agent.applications.script import Application, Script, dotted, version_of
from agent.findings import Findings, GarbageError, Reason

_STATUS_OCTETS = 6
_PROGRAMMED = (0x01, 0x02)
_TOUCH = (0x04, 0x08)
_TELLS_PROGRAMMED = (2, 1, 0)
_TELLS_TOUCH = (3, 0, 0)


def script(selected: Answer, findings: Findings) -> Script:
    """Read the status: version, programming sequence, touch level (little-endian)."""
    yield from ()
    status = selected.data
    if len(status) < _STATUS_OCTETS:
        raise GarbageError("a status that is cut short")
    version = version_of(status)
    if "device.firmware" not in findings.facts:
        findings.know("device.firmware", dotted(version))
    if version < _TELLS_PROGRAMMED:
        findings.miss("otp", Reason.UNSUPPORTED)
        return
    for slot in (0, 1):
        programmed = bool(status[4] & _PROGRAMMED[slot])
        findings.know(f"otp.slot{slot + 1}.programmed", programmed)
        if version < _TELLS_TOUCH:
            findings.miss(f"otp.slot{slot + 1}.touch", Reason.UNSUPPORTED)
        elif programmed:
            findings.know(f"otp.slot{slot + 1}.touch", bool(status[4] & _TOUCH[slot]))


APPLICATION = Application("otp", OTP, "otp", script)
