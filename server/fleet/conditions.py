"""When a key that an advisory affects is in danger: conditions, by name, on what is known of it.

Each answers True, False, or None when what is known does not say. A condition that nothing on a
key can show answers None always: such keys stay "unknown", never "not exposed".
"""

from collections.abc import Callable, Mapping

from server.fleet.key_facts import Algorithm, Application, HeldKey, KeyFacts, Slots

Condition = Callable[[KeyFacts], bool | None]


def _always(_key: KeyFacts) -> bool | None:
    return True


def _not_readable(_key: KeyFacts) -> bool | None:
    return None


def either(*answers: bool | None) -> bool | None:
    """Return whether one of them holds: one True is enough, and one None keeps from saying no."""
    if True in answers:
        return True
    return None if None in answers else False


def both(*answers: bool | None) -> bool | None:
    """Return whether all of them hold: one False is enough for no."""
    if False in answers:
        return False
    return None if None in answers else True


def _on(key: KeyFacts, *applications: Application) -> bool | None:
    """Tell whether one of these applications is switched on."""
    return None if key.enabled is None else any(one in key.enabled for one in applications)


def _holds(slots: Slots, algorithm: Algorithm, *, generated: bool = False) -> bool | None:
    """Tell whether a slot holds such a key; generated: and made it itself."""
    found = [_is(key, algorithm, generated=generated) for key in slots.keys]
    return either(*found, False if slots.complete else None)


def _is(key: HeldKey, algorithm: Algorithm, *, generated: bool) -> bool | None:
    kind = None if key.algorithm is Algorithm.UNKNOWN else key.algorithm is algorithm
    return both(kind, key.generated if generated else True)


def _openpgp_in_use(key: KeyFacts) -> bool | None:
    held = either(bool(key.openpgp.keys) or None, False if key.openpgp.complete else None)
    return both(_on(key, Application.OPENPGP), held)


def _rsa_generated_on_key(key: KeyFacts) -> bool | None:
    # A key in a slot stays weak when its application is switched off: it can be switched on.
    return either(
        _holds(key.piv, Algorithm.RSA, generated=True),
        _holds(key.openpgp, Algorithm.RSA, generated=True),
    )


def _ecdsa_key(key: KeyFacts) -> bool | None:
    # FIDO signs with ECDSA, always: with its attestation key if with nothing else.
    return either(
        _on(key, Application.FIDO2, Application.U2F),
        _holds(key.piv, Algorithm.EC),
        _holds(key.openpgp, Algorithm.EC),
    )


def _openpgp_reset_code(key: KeyFacts) -> bool | None:
    return None if key.openpgp_reset_tries is None else key.openpgp_reset_tries > 0


def _resident_credentials(key: KeyFacts) -> bool | None:
    held = None if key.resident_credentials is None else key.resident_credentials > 0
    return both(_on(key, Application.FIDO2), held)


def _otp_access_code(key: KeyFacts) -> bool | None:
    # An access code cannot be read; without the application there is none to get around.
    return False if _on(key, Application.OTP) is False else None


def _fido_pin_protocol(key: KeyFacts) -> bool | None:
    # Which protocol the host's software uses is the host's affair.
    return False if _on(key, Application.FIDO2) is False else None


CONDITIONS: Mapping[str, Condition] = {
    "always": _always,
    "not-readable": _not_readable,
    "openpgp-in-use": _openpgp_in_use,
    "rsa-generated-on-key": _rsa_generated_on_key,
    "oath-password": lambda key: key.oath_password,
    "otp-access-code": _otp_access_code,
    "openpgp-reset-code": _openpgp_reset_code,
    "fido-resident-credentials": _resident_credentials,
    "ecdsa-key": _ecdsa_key,
    "fido-pin-protocol-two": _fido_pin_protocol,
}
"""Every condition that an advisory may name."""
