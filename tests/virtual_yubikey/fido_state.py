"""What a FIDO authenticator keeps, and what getInfo tells of it (CTAP 2.1, section 6.4)."""

from dataclasses import dataclass, field
from typing import Any

from tests.virtual_yubikey.identity import Firmware, FormFactor, Identity

TRIES = 8
_BIO = (FormFactor.USB_A_BIO, FormFactor.USB_C_BIO)
_NEW = (5, 7)
# Of the YubiKey 5 NFC: one for each generation of its firmware.
_AAGUID = bytes.fromhex("2FC0579F811347EAB116BB5A8DB9202A")
_NEW_AAGUID = bytes.fromhex("A25342C03CDC44148E46F4807FCA511C")


@dataclass
class FidoState:
    """What it keeps. pin_hash: the first 16 bytes of SHA-256, None when no PIN is set.

    remaining: how many resident credentials still fit. aaguid: of the model, 16 bytes.
    """

    aaguid: bytes
    pin_hash: bytes | None = field(default=None, repr=False)
    tries: int = TRIES
    uv_tries: int = 3
    fingerprints: bool = False
    minimum: int = 4
    must_change: bool = False
    always_uv: bool = False
    remaining: int = 100


def new_state(firmware: Firmware) -> FidoState:
    """Return what a key of a firmware keeps when it is new."""
    return FidoState(_NEW_AAGUID if firmware >= _NEW else _AAGUID)


def reads_fingers(identity: Identity) -> bool:
    """Return whether a key has a sensor for fingerprints."""
    return identity.form_factor in _BIO


def info(identity: Identity, state: FidoState) -> dict[int, Any]:
    """Return what getInfo tells; firmware 5.7 tells more, and 2.1 is more than its preview."""
    new = identity.firmware >= _NEW
    options = {"rk": True, "up": True, "plat": False, "clientPin": state.pin_hash is not None}
    options["credMgmt" if new else "credentialMgmtPreview"] = True
    told: dict[int, Any] = {
        1: ["U2F_V2", "FIDO_2_0", "FIDO_2_1" if new else "FIDO_2_1_PRE"],
        2: ["credProtect", "hmac-secret"] + (["minPinLength"] if new else []),
        3: state.aaguid,
        4: options,
        5: 1200,
        6: [2, 1],
        7: 8,
        8: 128,
        9: ["nfc", "usb"],
        10: [{"alg": -7, "type": "public-key"}, {"alg": -8, "type": "public-key"}],
    }
    if reads_fingers(identity):
        options["uv"] = options["bioEnroll"] = state.fingerprints
    if new:
        options |= {"alwaysUv": state.always_uv, "authnrCfg": True, "pinUvAuthToken": True}
        options |= {"makeCredUvNotRqd": not state.always_uv, "setMinPINLength": True}
        told |= {12: state.must_change, 13: state.minimum}
        told |= {14: int.from_bytes(bytes(identity.firmware), "big"), 20: state.remaining}
    return told
