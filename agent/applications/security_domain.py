"""Security domain: whether the keys of the secure channel are the default ones (from 5.3)."""

from agent.apdu import SECURITY_DOMAIN, Answer
from agent.applications.script import Application, Script, reason_of
from agent.findings import Findings, GarbageError
from agent.tlv import parse_tlvs
from agent.whitelist import SCP11B_KEY, VERSIONS_OF_KEYS, domain_chain, domain_keys

_TEMPLATE, _KEY = 0xE0, 0xC0
_SCP03, _DEFAULT_VERSION = 0x01, 0xFF


def script(_selected: Answer, findings: Findings) -> Script:
    """Ask which keys there are, and how long the chain of the SCP11b key is."""
    answer = yield domain_keys()
    if not answer.ok:
        findings.miss("scp", reason_of(answer))
        return
    keys = _keys(answer.data)
    findings.know("scp.default_keys", (_SCP03, _DEFAULT_VERSION) in keys)
    versions = [version for number, version in keys if number == SCP11B_KEY]
    findings.know("scp.scp11b", bool(versions))
    version = versions[0] if versions else 0
    if version in VERSIONS_OF_KEYS:
        answer = yield domain_chain(version)
        if answer.ok:
            findings.know("scp.chain", len(parse_tlvs(answer.data)))
        else:
            findings.miss("scp.chain", reason_of(answer))


def _keys(data: bytes) -> list[tuple[int, int]]:
    found = parse_tlvs(data)
    if len(found) == 1 and found[0][0] == _TEMPLATE:
        found = parse_tlvs(found[0][1])
    keys = []
    for tag, value in found:
        if tag != _KEY or len(value) < 2:  # noqa: PLR2004 - number and version
            raise GarbageError("something that is no key's number")
        keys.append((value[0], value[1]))
    return keys


APPLICATION = Application("scp", SECURITY_DOMAIN, None, script)
