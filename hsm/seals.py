"""What a record says it is sealed under: the octets it begins with, without opening anything.

Format 1 (`hsm.sealed_vault`): 0x01 | id of the data key (4). Format 2 (an AEAD of the HSM's):
0x02 | id of the key that binds it (4) | object id of the AEAD key (2). A seal is compared, never
trusted: whether a record is what it says shows when it is opened.
"""

SEALED = b"\x01"
STRICT = b"\x02"
SEALED_OCTETS = 5
STRICT_OCTETS = 7


def seal_of(record: bytes) -> bytes:
    """Return what a record is sealed under."""
    return record[: STRICT_OCTETS if record.startswith(STRICT) else SEALED_OCTETS]


def describe(seal: bytes) -> str:
    """Name a seal to a person."""
    if seal.startswith(SEALED) and len(seal) == SEALED_OCTETS:
        return f"data key {seal[1:].hex()}"
    if seal.startswith(STRICT) and len(seal) == STRICT_OCTETS:
        return f"AEAD key 0x{seal[5:].hex()} of the HSM, bound by {seal[1:5].hex()}"
    return f"something unknown ({seal.hex() or 'empty'})"
