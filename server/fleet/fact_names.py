"""The facts that agents report (docs/agent.md), and what kind of value each has.

For rules that people write: a name that no agent reports would be a rule that never finds anything,
and nobody would know.
"""

import enum
from collections.abc import Mapping, Sequence
from difflib import get_close_matches


class Kind(enum.StrEnum):
    """What a fact's value is, in the words of who writes a rule."""

    TRUTH = "true or false"
    NUMBER = "a whole number"
    TEXT = "a text"
    WORDS = "a list of words"
    DAY = "a day"
    VERSION = "a version"


_T, _N, _TEXT, _W, _D, _V = Kind
_SLOTS = "*"

FACTS: Mapping[str, Kind] = {
    "device.firmware": _V,
    "device.firmware_stage": _TEXT,
    "device.form_factor": _TEXT,
    "device.fips_series": _T,
    "device.security_key_series": _T,
    "device.config_locked": _T,
    "device.flags": _W,
    "device.usb.supported": _W,
    "device.usb.enabled": _W,
    "device.nfc.supported": _W,
    "device.nfc.enabled": _W,
    "device.nfc.restricted": _T,
    "device.part_number": _TEXT,
    "device.fips.capable": _W,
    "device.fips.approved": _W,
    "device.pin_complexity": _T,
    "device.reset_blocked": _W,
    "device.fps_version": _V,
    "device.stm_version": _V,
    "fido.aaguid": _TEXT,
    "fido.versions": _W,
    "fido.firmware": _N,
    "fido.pin_set": _T,
    "fido.uv_set": _T,
    "fido.always_uv": _T,
    "fido.min_pin_length": _N,
    "fido.force_pin_change": _T,
    "fido.pin_protocols": _W,
    "fido.remaining_credentials": _N,
    "fido.pin_complexity": _T,
    "fido.pin_tries": _N,
    "fido.uv_tries": _N,
    "fido.pin_soft_blocked": _T,
    "piv.version": _V,
    "piv.pin.default": _T,
    "piv.pin.tries": _N,
    "piv.pin.tries_total": _N,
    "piv.puk.default": _T,
    "piv.puk.tries": _N,
    "piv.puk.tries_total": _N,
    "piv.management_key.default": _T,
    "piv.management_key.algorithm": _TEXT,
    "piv.management_key.touch_policy": _TEXT,
    "piv.bio.configured": _T,
    "piv.bio.tries": _N,
    "piv.slot.*.algorithm": _TEXT,
    "piv.slot.*.origin": _TEXT,
    "piv.slot.*.pin_policy": _TEXT,
    "piv.slot.*.touch_policy": _TEXT,
    "piv.certificate.*.expires": _D,
    "piv.certificate.*.algorithm": _TEXT,
    "piv.certificate.*.roca": _T,
    "piv.certificate.*.subject": _TEXT,
    "piv.certificate.*.issuer": _TEXT,
    "piv.certificate.*.serial": _TEXT,
    "openpgp.version": _V,
    "openpgp.terminated": _T,
    "openpgp.pin.tries": _N,
    "openpgp.reset_code.tries": _N,
    "openpgp.admin_pin.tries": _N,
    "openpgp.key.*.origin": _TEXT,
    "openpgp.key.*.algorithm": _TEXT,
    "openpgp.key.*.fingerprint": _TEXT,
    "openpgp.touch.*": _TEXT,
    "oath.version": _V,
    "oath.password_set": _T,
    "otp.slot1.programmed": _T,
    "otp.slot1.touch": _T,
    "otp.slot2.programmed": _T,
    "otp.slot2.touch": _T,
    "scp.default_keys": _T,
    "scp.scp11b": _T,
    "scp.chain": _N,
}
"""By name; a * stands for a slot, or for what a key is used for."""

_NAMED = {
    "piv.slot": frozenset({"82", "83", "84", "85", "86", "87", "88", "89", "8a", "8b", "8c", "8d"})
    | {"8e", "8f", "90", "91", "92", "93", "94", "95", "9a", "9c", "9d", "9e", "f9"},
    "openpgp.key": frozenset({"signature", "decryption", "authentication", "attestation"}),
}
_NAMED["piv.certificate"] = _NAMED["piv.slot"]
_NAMED["openpgp.touch"] = _NAMED["openpgp.key"]


def kind_of(name: str) -> Kind | None:
    """Return the kind of a fact, or of all that a * in the name stands for. None: there is none."""
    exact = FACTS.get(name)
    if exact is not None:
        return exact
    for pattern, kind in FACTS.items():
        before, some, after = pattern.partition(_SLOTS)
        if not some or not (name.startswith(before) and name.endswith(after)):
            continue
        if name[len(before) : len(name) - len(after)] in _NAMED[before.rstrip(".")]:
            return kind
    return None


def resembling(name: str) -> Sequence[str]:
    """Return the facts that somebody may have meant, the likeliest first."""
    return get_close_matches(name, FACTS, n=3, cutoff=0.6)
