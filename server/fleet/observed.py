"""What a report's facts (docs/agent.md) say to advisories: names and words become `KeyFacts`."""

from collections.abc import Mapping, Sequence

from agent.report import KeyReport, Value
from server.fleet.firmware import Version, VersionError
from server.fleet.key_facts import Algorithm, Application, HeldKey, KeyFacts, Slots

_TELLS_SLOTS = Version(5, 3, 0)
"""From here PIV tells of every slot; before, only certificates show which have keys."""

_GENERATED = {"generated": True, "imported": False}


def key_facts(key: KeyReport, *, cspn: bool = False) -> KeyFacts:
    """Return what is known. A fact of another kind than it should be counts as not known."""
    facts = key.facts
    form = _text(facts, "device.form_factor")
    enabled = _enabled(facts)
    return KeyFacts(
        firmware=None if "device.firmware_stage" in facts else _version(facts, "device.firmware"),
        bio=None if form in {None, "unknown"} else str(form).endswith("-bio"),
        fips=_flag(facts, "device.fips_series"),
        security_key=_flag(facts, "device.security_key_series"),
        cspn=cspn,
        nfc=_has_antenna(facts),
        enabled=enabled,
        piv=_piv(key),
        openpgp=_openpgp(key),
        openpgp_applet=_version(facts, "openpgp.version"),
        openpgp_reset_tries=_number(facts, "openpgp.reset_code.tries"),
        oath_password=_flag(facts, "oath.password_set"),
        resident_credentials=None,  # nothing tells it without a PIN
    )


def _enabled(facts: Mapping[str, Value]) -> frozenset[Application] | None:
    # An antenna whose applications nobody read may lead to any of them.
    none = () if _has_antenna(facts) is False else None
    usb, nfc = facts.get("device.usb.enabled"), facts.get("device.nfc.enabled", none)
    if not isinstance(usb, tuple) or not isinstance(nfc, tuple):
        return None
    return frozenset(one for one in Application if one.value in {*usb, *nfc})


def _has_antenna(facts: Mapping[str, Value]) -> bool | None:
    supported = facts.get("device.nfc.supported")
    if isinstance(supported, tuple):
        return bool(supported)
    # A configuration that was read says what it has; the NEO has none, and an antenna.
    return False if "device.usb.supported" in facts else None


def _piv(key: KeyReport) -> Slots:
    if key.why_unreadable("piv.slot") == "absent":
        return Slots(complete=True)
    held = {name: _held(key.facts, "piv.slot", name) for name in _slots(key.facts, "piv.slot")}
    for name in _slots(key.facts, "piv.certificate"):
        if name not in held:
            held[name] = _certified(key.facts, name)
    version = _version(key.facts, "device.firmware")
    all_told = version is not None and version >= _TELLS_SLOTS and "piv.version" in key.facts
    missed = any(name == "piv" or name.startswith("piv.slot") for name in key.unreadable)
    return Slots(tuple(held.values()), complete=all_told and not missed)


def _certified(facts: Mapping[str, Value], slot: str) -> HeldKey:
    """Return what a certificate tells: a weak RSA key was made by this kind of hardware."""
    weak = _flag(facts, f"piv.certificate.{slot}.roca")
    algorithm = _algorithm(_text(facts, f"piv.certificate.{slot}.algorithm"))
    return HeldKey(slot, algorithm, generated=weak)


def _openpgp(key: KeyReport) -> Slots:
    if key.why_unreadable("openpgp.key") == "absent":
        return Slots(complete=True)
    slots = _slots(key.facts, "openpgp.key")
    names = [name for name in slots if key.facts.get(f"openpgp.key.{name}.origin") != "none"]
    told = {"signature", "decryption", "authentication"} <= set(slots)
    return Slots(tuple(_held(key.facts, "openpgp.key", name) for name in names), complete=told)


def _held(facts: Mapping[str, Value], group: str, slot: str) -> HeldKey:
    origin = _text(facts, f"{group}.{slot}.origin")
    algorithm = _algorithm(_text(facts, f"{group}.{slot}.algorithm"))
    return HeldKey(slot, algorithm, _GENERATED.get(origin or ""))


def _slots(facts: Mapping[str, Value], group: str) -> Sequence[str]:
    """Return the names below a group, each once, in order."""
    below = f"{group}."
    length = len(below)
    return sorted({name[length:].partition(".")[0] for name in facts if name.startswith(below)})


def _algorithm(word: str | None) -> Algorithm:
    if word is None:
        return Algorithm.UNKNOWN
    if word.startswith("rsa"):
        return Algorithm.RSA
    if word.startswith("ec-") or word == "ecdsa":
        return Algorithm.EC
    # "ecdh" is of either kind: which curve is not told.
    edwards = word in {"ed25519", "x25519", "eddsa"}
    return Algorithm.EDWARDS if edwards else Algorithm.UNKNOWN


def _text(facts: Mapping[str, Value], name: str) -> str | None:
    found = facts.get(name)
    return found if isinstance(found, str) else None


def _flag(facts: Mapping[str, Value], name: str) -> bool | None:
    found = facts.get(name)
    return found if isinstance(found, bool) else None


def _number(facts: Mapping[str, Value], name: str) -> int | None:
    found = facts.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _version(facts: Mapping[str, Value], name: str) -> Version | None:
    try:
        return Version.parse(_text(facts, name) or "")
    except VersionError:
        return None
