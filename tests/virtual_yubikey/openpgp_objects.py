"""The data objects of OpenPGP: what anybody can read, as versions 2.1 and 3.4 lay it out."""

from collections.abc import Iterable

from tests.virtual_yubikey.identity import Firmware, Identity
from tests.virtual_yubikey.openpgp_keys import PgpKey, supported
from tests.virtual_yubikey.openpgp_state import OpenPgpState
from tests.virtual_yubikey.tlv import number, tlv

POLICIES = {0xD6: 0, 0xD7: 1, 0xD8: 2, 0xD9: 3}
ATTRIBUTES = {0xC1: 0, 0xC2: 1, 0xC3: 2, 0xDA: 3}
WRITABLE = (0x5B, 0x5E, 0x5F2D, 0x5F35, 0x5F50, 0x0101, 0x0102, 0x0103, 0x0104)
_NEW = (5, 2)  # OpenPGP 3.4: attestation, and policies told together
_LONGEST = 127
_BUTTON = 0x20
_REFERENCES = (1, 2, 3, 0x81)


def slots(firmware: Firmware) -> range:
    """Return the keys that there are; the last, for attestation, came with 3.4."""
    return range(4 if firmware >= _NEW else 3)


def application_identifier(identity: Identity) -> bytes:
    """Return the AID, which has the specification's version in it, and the serial in decimal."""
    serial = f"{(identity.serial or 0) % 10**8:08}"
    version = "0304" if identity.firmware >= _NEW else "0201"
    return bytes.fromhex(f"D27600012401{version}0006{serial}0000")


def readable(state: OpenPgpState, identity: Identity) -> dict[int, bytes]:
    """Return every data object that can be read, by its tag."""
    new = identity.firmware >= _NEW
    keys = [state.keys[slot] for slot in slots(identity.firmware)]
    told = {
        0x4F: application_identifier(identity),
        0x5F52: bytes.fromhex("00730000E0059000" if new else "0073000080059000"),
        0xC0: bytes.fromhex("7D000BFE080000FF0000"),
        0xC4: _tries(state),
        0xC5: b"".join(_fingerprint(key) for key in keys),
        0xC6: bytes(20 * len(keys)),
        0xCD: b"".join(number(key.made if key else 0, 4) for key in keys),
        0x7A: tlv(0x7A, tlv(0x93, number(state.signatures, 3))),
        0x7F66: tlv(0x02, number(3070, 2)) + tlv(0x02, number(3070, 2)),
        0x7F74: tlv(0x81, b"\x20"),
        0xF9: state.objects.get(0xF9, tlv(0x81, b"\0")),
    }
    told |= {tag: state.objects.get(tag, b"") for tag in WRITABLE}
    for slot in slots(identity.firmware):
        told[_tag(ATTRIBUTES, slot)] = state.attributes[slot]
        told[_tag(POLICIES, slot)] = bytes((state.touch[slot], _BUTTON))
    if new:
        told[0xFA] = supported(identity.firmware)
        told[0xDE] = b"".join(
            bytes((reference, 0 if key is None else 1))
            for reference, key in zip(_REFERENCES, state.keys, strict=True)
        )
    told[0x65] = tlv(0x65, _together(told, (0x5B, 0x5F2D, 0x5F35)))
    told[0x6E] = tlv(0x6E, _related(told, new=new))
    return told


def _related(told: dict[int, bytes], *, new: bool) -> bytes:
    """Return what most clients read first: identifier, lengths, and most of the rest."""
    inner = [0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCD]
    outer = [0x4F, 0x5F52]
    if new:
        inner += [0xDA, 0xDE, 0xD6, 0xD7, 0xD8, 0xD9]
        outer += [0x7F66, 0x7F74]
    return _together(told, outer) + tlv(0x73, _together(told, inner))


def _together(told: dict[int, bytes], tags: Iterable[int]) -> bytes:
    return b"".join(tlv(tag, told[tag]) for tag in tags)


def _tries(state: OpenPgpState) -> bytes:
    """Return the policy of signatures, the longest PINs, and the tries that are left."""
    pins = (state.user, state.reset_code, state.admin)
    left = bytes(pin.left if pin else 0 for pin in pins)
    return bytes((not state.each_time, _LONGEST, _LONGEST, _LONGEST)) + left


def _fingerprint(key: PgpKey | None) -> bytes:
    return key.fingerprint if key else bytes(20)


def _tag(tags: dict[int, int], slot: int) -> int:
    return next(tag for tag, of in tags.items() if of == slot)
