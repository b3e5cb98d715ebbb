"""Who may do what, by the manifest: each entry is held against the role of its session.

A device refuses by itself what a role may not; what is found here is a role that can do more than
the manifest says, somebody who tries, and the ceremony's keys at work. The log names an object by
its id only, not its type.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from yubihsm.defs import CAPABILITY, COMMAND, ERROR

from hsm.audit.entry import NO_KEY, Entry
from hsm.audit.finding import Finding, Kind
from hsm.manifest import FACTORY_KEY, Manifest

TRANSPORT_KEY = 0x0F01
"""Id of the wrap key under which objects travel: made for one backup or restore, deleted after."""

_C, _P = COMMAND, CAPABILITY
_ANYBODY: frozenset[int] = frozenset(
    {
        _C.ECHO,
        _C.CREATE_SESSION,
        _C.AUTHENTICATE_SESSION,
        _C.SESSION_MESSAGE,
        _C.DEVICE_INFO,
        _C.GET_DEVICE_PUBLIC_KEY,
        _C.CLOSE_SESSION,
        _C.GET_STORAGE_INFO,
        _C.LIST_OBJECTS,
        _C.GET_OBJECT_INFO,
        _C.GET_PUBLIC_KEY,
        _C.BLINK_DEVICE,
    }
)
_DELETES = CAPABILITY(sum(one for one in CAPABILITY if "DELETE" in (one.name or "")))
# Where the capability is not called like the command.
_NEEDS: Mapping[int, CAPABILITY] = {
    _C.PUT_ASYMMETRIC_KEY: _P.PUT_ASYMMETRIC,
    _C.SIGN_PKCS1: _P.SIGN_PKCS,
    _C.DECRYPT_PKCS1: _P.DECRYPT_PKCS,
    _C.SET_LOG_INDEX: _P.GET_LOG_ENTRIES,
    _C.REWRAP_OTP_AEAD: _P.REWRAP_FROM_OTP_AEAD_KEY | _P.REWRAP_TO_OTP_AEAD_KEY,
    _C.PUT_PUBLIC_WRAP_KEY: _P.PUBLIC_WRAP_KEY_WRITE,
    _C.WRAP_KEY_RSA: _P.EXPORT_WRAPPED,
    _C.EXPORT_WRAPPED_RSA: _P.EXPORT_WRAPPED,
    _C.UNWRAP_KEY_RSA: _P.IMPORT_WRAPPED,
    _C.IMPORT_WRAPPED_RSA: _P.IMPORT_WRAPPED,
}
_PUTS: frozenset[int] = frozenset(
    one for one in COMMAND if one.name.startswith(("PUT_", "GENERATE_"))
)


class Rights(NamedTuple):
    """What a role may do. name: for the person who reads; host: whether the service holds it."""

    name: str
    capabilities: CAPABILITY
    host: bool


class Rules(NamedTuple):
    """A manifest as it is seen from the log. roles: by the id of the authentication key.

    known: ids of all that there may be. boots: whether a start of the device is nothing unusual,
    as with an emulator, which starts with the service.
    """

    roles: Mapping[int, Rights]
    known: frozenset[int]
    boots: bool

    @classmethod
    def of(cls, manifest: Manifest, *, boots: bool) -> Self:
        """Return the rules of a manifest."""
        roles = {
            one.id: Rights(one.name, one.capabilities, one.held == "host") for one in manifest.roles
        }
        known = {place.id for one in manifest.objects for place in one.places}
        return cls(roles, frozenset(known | roles.keys() | {TRANSPORT_KEY}), boots)


class Tally(NamedTuple):
    """What is remembered of all entries so far.

    factory: the factory's key may be at work: a reset was seen, and nobody has deleted it since.
    created: how many AEADs the service's roles made.
    """

    factory: bool = False
    created: int = 0


class Judged(NamedTuple):
    """What came of judging entries."""

    findings: tuple[Finding, ...]
    tally: Tally


def judge(rules: Rules, tally: Tally, entries: Iterable[Entry]) -> Judged:
    """Hold entries against the rules, in their order."""
    found: list[Finding] = []
    for entry in entries:
        if entry.is_reset:
            tally = tally._replace(factory=True)
            continue
        if entry.is_boot:
            kind = Kind.BOOT if rules.boots else Kind.UNEXPECTED_BOOT
            found.append(Finding(kind, entry.number, "the device started"))
            continue
        found += _judge_one(rules, tally, entry)
        tally = _counted(rules, tally, entry)
    return Judged(tuple(found), tally)


def _judge_one(rules: Rules, tally: Tally, entry: Entry) -> list[Finding]:
    """Judge what was done in a session, or outside of any."""
    role = rules.roles.get(entry.session_key)
    found = _judge_stranger(tally, entry) if role is None else _judge_role(rules, role, entry)
    return [] if found is None else [Finding(found[0], entry.number, found[1])]


def _judge_stranger(tally: Tally, entry: Entry) -> tuple[Kind, str] | None:
    did = _told(entry)
    if entry.session_key == NO_KEY:
        if entry.command in _ANYBODY:
            return None
        return Kind.UNKNOWN_KEY, f"{did}, and no session's key is named"
    if entry.session_key == FACTORY_KEY:
        if tally.factory:
            return Kind.CEREMONY, f"the factory's key {did}"
        told = f"the factory's key {did}; it should be gone, everybody knows its password"
        return Kind.FACTORY_KEY, told
    told = f"authentication key 0x{entry.session_key:04x}, which the manifest lacks, {did}"
    return Kind.UNKNOWN_KEY, told


def _judge_role(rules: Rules, role: Rights, entry: Entry) -> tuple[Kind, str] | None:
    told = f"role {role.name} (0x{entry.session_key:04x}) {_told(entry)}"
    if not _may(role.capabilities, entry.command):
        return Kind.OUTSIDE_ROLE, f"{told}; the manifest does not give it that"
    if entry.command in _PUTS and entry.succeeded and entry.target not in rules.known:
        return Kind.UNKNOWN_OBJECT, f"{told}; the manifest has nothing there"
    return None if role.host else (Kind.CEREMONY, told)


def _counted(rules: Rules, tally: Tally, entry: Entry) -> Tally:
    if not entry.succeeded:
        return tally
    if entry.command == COMMAND.DELETE_OBJECT and entry.target == FACTORY_KEY:
        return tally._replace(factory=False)
    role = rules.roles.get(entry.session_key)
    if entry.command == COMMAND.CREATE_OTP_AEAD and role is not None and role.host:
        return tally._replace(created=tally.created + 1)
    return tally


def _may(capabilities: CAPABILITY, command: int) -> bool:
    if command in _ANYBODY:
        return True
    if command == COMMAND.DELETE_OBJECT:
        return bool(capabilities & _DELETES)
    needed = _NEEDS.get(command)
    if needed is None and command in COMMAND._value2member_map_:
        needed = CAPABILITY.__members__.get(COMMAND(command).name)
    if needed is None:
        # Firmware newer than the library: only who may do everything may do that.
        return bool(capabilities == CAPABILITY.ALL)
    return capabilities & needed == needed


def _told(entry: Entry) -> str:
    """Say what was done, in the words of the log."""
    known = entry.command in COMMAND._value2member_map_
    name = COMMAND(entry.command).name if known else f"command 0x{entry.command:02x}"
    name = name.lower().replace("_", "-") if known else name
    ids = [f"0x{one:04x}" for one in (entry.target, entry.second) if one != NO_KEY]
    on = f" on {' and '.join(ids)}" if ids else ""
    if entry.succeeded:
        return f"did {name}{on}"
    errors = ERROR._value2member_map_
    why = ERROR(entry.result).name if entry.result in errors else f"0x{entry.result:02x}"
    return f"tried {name}{on} in vain ({why})"
