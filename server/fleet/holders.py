"""Who holds which key: what an operator or a sheet says, and what a host's user claims beside it.

Pure. A key has one holder. What is said of that is nobody's proof, so that it is never taken for
more than a word: `reported`. A claim is signed by a host, which its user controls: it stands
beside the registry, and changes nothing in it until an operator accepts it.
"""

import enum
import unicodedata
from typing import NamedTuple

from agent.report import Identity, serial_hash
from server.accounts.text import checked_name

SHARED = "keystead.shared"
"""The persons at whose hosts one key was seen, for who judges by facts."""

LOST_SEEN = "keystead.lost_seen"
"""The hosts that saw a key which was called lost before."""


class HolderKind(enum.StrEnum):
    """What a key is to who holds it."""

    PRIMARY = "primary"
    SPARE = "spare"
    LOST = "lost"
    """It was this person's, and nobody knows where it is."""


class Holder(NamedTuple):
    """Who holds a key. Days are ISO dates, "" = none.

    after: what hosts saw up to this day tells nothing of who has the key: it changed hands then;
    lost: the day on which it was called lost.
    """

    key_id: str
    person: str
    kind: HolderKind
    after: str = ""
    lost: str = ""


class HolderClaim(NamedTuple):
    """What a host's user says. claim_id: random; number: counts a host's claims; day: ISO."""

    key_id: str
    host_id: str
    claim_id: str
    number: int
    day: str
    person: str
    kind: HolderKind


class KeyName(NamedTuple):
    """How somebody names a key: by the id that it has here, or by its serial number.

    A number has two ids: `preferred`, as the organisation names keys now, and `other`, as it may
    have named this one before. other: "" for a key that was named by its id.
    """

    preferred: str
    other: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that it may have."""
        return (self.preferred, self.other) if self.other else (self.preferred,)

    def among(self, known: frozenset[str] | set[str]) -> str:
        """Return which id it is, given those that are known here."""
        other = self.other and self.other in known and self.preferred not in known
        return self.other if other else self.preferred


def name_of_serial(serial: int, serial_key: bytes, *, plain: bool) -> KeyName:
    """Return what a key with this number is called. plain: how the organisation names keys."""
    number = f"serial:{serial}"
    hashed = f"hash:{Identity(serial_hash=serial_hash(serial_key, serial)).serial_hash}"
    return KeyName(number, hashed) if plain else KeyName(hashed, number)


def checked_person(text: str) -> str:
    """Return a person's name as it is kept. InputError."""
    return checked_name(unicodedata.normalize("NFC", text))


def folded(person: str) -> str:
    """Return what is the same for two spellings of one name: case, blanks, width of letters."""
    once = unicodedata.normalize("NFKC", person).casefold()
    # Anew: letters in lower case are taken apart by it which those in upper case never were.
    return " ".join(unicodedata.normalize("NFKC", once).split())


def entrusted(
    known: Holder | None,
    key_id: str,
    person: str,
    kind: HolderKind,
    today: str,
    *,
    handed_over: bool = False,
) -> Holder:
    """Return who holds a key, after somebody said so. known: who held it before.

    handed_over: it was somebody else's until today, although nobody had said whose.
    """
    same = known is not None and folded(known.person) == folded(person)
    moved = handed_over or (known is not None and not same)
    after = today if moved else "" if known is None else known.after
    still = known is not None and same and known.kind is HolderKind.LOST
    lost = "" if kind is not HolderKind.LOST else known.lost if known and still else today
    return Holder(key_id, person, kind, after, lost)
