"""Names of hosts: which are one name, and which could be mistaken for another. Pure."""

import unicodedata

MAX_NAME = 253
"""Of a name in the domain name system."""

_ALIKE = frozenset({"ARMENIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "GREEK", "LATIN"})
"""Alphabets with letters that look the same."""


class HostNameError(ValueError):
    """No name for a host; the message says what one looks like."""


def folded(name: str) -> str:
    """Return what is the same for names that are of one host.

    Hosts do not care for the case of letters, and nobody sees in which of several ways a letter
    with an accent is written. Migration 0018 does the same.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def checked(name: str) -> str:
    """Return a name as it is kept. HostNameError.

    One that mixes alphabets is refused: with one Cyrillic letter a name looks like another's.
    """
    name = unicodedata.normalize("NFC", name.strip(" "))
    if not name or len(name) > MAX_NAME or not name.isprintable() or " " in name:
        raise HostNameError(
            f"a host's name has 1 to {MAX_NAME} characters that can be shown, and no blanks"
        )
    mixed = sorted({_alphabet(letter) for letter in folded(name)} & _ALIKE)
    if len(mixed) > 1:
        words = " and ".join(one.capitalize() for one in mixed)
        raise HostNameError(
            f"a host's name has letters of one alphabet, and this one has {words}: it would look"
            " like another name"
        )
    return name


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""
