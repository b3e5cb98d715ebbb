"""What people may type into names and reasons: shown later in terminals, logs and pages."""

import re

MAX_NAME = 100
MAX_REASON = 200
MAX_EMAIL = 254
MAX_PHONE = 32
MAX_VERSION = 32

OPERATOR_NAME = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
"""The form of operators' names: each has one spelling, and none can be mistaken for another."""

# Deliberately coarse (RFC 5321 allows more, people mistype otherwise): one @, no blanks.
_EMAIL = re.compile(r"[^\s@<>,;:\"]{1,64}@[^\s@<>,;:\"]{1,189}", re.ASCII)
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{2,30}", re.ASCII)
_OPERATOR = re.compile(OPERATOR_NAME, re.ASCII)


class InputError(ValueError):
    """Something an operator entered is refused; the message says what to write instead."""


def checked_name(name: str) -> str:
    """Return a client's name, or raise InputError.

    Only printable characters: a line break forges a log line, an escape sequence drives a
    terminal, and a bidirectional control makes one name look like another.
    """
    return _checked("the name", name, smallest=1, largest=MAX_NAME)


def checked_reason(reason: str) -> str:
    """Return the reason of a change ("" = none given), or raise InputError."""
    return _checked("the reason", reason, smallest=0, largest=MAX_REASON)


def checked_version(version: str) -> str:
    """Return the version of a document, or raise InputError."""
    return _checked("the version", version, smallest=1, largest=MAX_VERSION)


def checked_operator_name(name: str) -> str:
    """Return an operator's name, or raise InputError."""
    if _OPERATOR.fullmatch(name) is None:
        raise InputError(
            "an operator's name has 1 to 64 letters a-z, digits, dots, dashes and underscores, and"
            " begins and ends with a letter or digit"
        )
    return name


def checked_email(email: str) -> str:
    """Return an e-mail address, or raise InputError."""
    email = email.strip(" ")
    if len(email) > MAX_EMAIL or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise InputError("the e-mail address must look like name@example.org")
    return email


def checked_phone(phone: str) -> str:
    """Return a telephone number ("" = none), or raise InputError."""
    phone = phone.strip(" ")
    if phone and (len(phone) > MAX_PHONE or _PHONE.fullmatch(phone) is None):
        raise InputError("the telephone number must look like +46 8 123 456 78")
    return phone


def _checked(what: str, text: str, *, smallest: int, largest: int) -> str:
    text = text.strip(" ")
    if not smallest <= len(text) <= largest:
        raise InputError(f"{what} must have {smallest} to {largest} characters, not {len(text)}")
    # str.isprintable refuses controls, bidi and other format characters, lone surrogates,
    # unassigned code points and every blank but the space.
    if not text.isprintable():
        raise InputError(
            f"{what} holds a character that cannot be shown (a control, a line break or a"
            " change of writing direction); use letters, digits, spaces and punctuation"
        )
    return text
