"""The kinds of objects and where objects come from."""

import enum


class Kind(enum.IntEnum):
    """An object's kind. Objects of different kinds may share an id."""

    OPAQUE = 1
    AUTHENTICATION_KEY = 2
    ASYMMETRIC_KEY = 3
    WRAP_KEY = 4
    HMAC_KEY = 5
    TEMPLATE = 6
    OTP_AEAD_KEY = 7
    SYMMETRIC_KEY = 8
    PUBLIC_WRAP_KEY = 9


DELEGATING = frozenset({Kind.AUTHENTICATION_KEY, Kind.WRAP_KEY, Kind.PUBLIC_WRAP_KEY})
"""Kinds with delegated capabilities, the upper limit of what they create or move."""


class Origin(enum.IntFlag):
    """Where an object's content was made."""

    GENERATED = 0x01
    IMPORTED = 0x02
    IMPORTED_WRAPPED = 0x10
