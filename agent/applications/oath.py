"""OATH: whether a password is set, as SELECT tells it. Names of accounts are never listed."""

from agent.apdu import OATH, Answer
from agent.applications.script import Application, Script, dotted, version_of
from agent.findings import Findings
from agent.tlv import parse_mapping

_VERSION, _CHALLENGE = 0x79, 0x74


def script(selected: Answer, findings: Findings) -> Script:
    """Read the answer to SELECT: a challenge is there when a password is wanted."""
    yield from ()
    values = parse_mapping(selected.data)
    findings.know("oath.version", dotted(version_of(values.get(_VERSION, b""))))
    findings.know("oath.password_set", _CHALLENGE in values)


APPLICATION = Application("oath", OATH, "oath", script)
