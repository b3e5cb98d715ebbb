"""How far a fact can be believed: who stands behind it. Levels compare.

Source: spec of the endpoint agent, "How much a report can be believed"; docs/fleet.md in words.
"""

from enum import IntEnum


class Trust(IntEnum):
    """Levels, the least first. Words are stored and shown, numbers never: more may come between."""

    REPORTED = 0
    """Somebody says so, and nobody signed it: a CSV file, a person's word."""
    HOST_SIGNED = 1
    """An enrolled laptop says so: whoever controls it can make it say anything."""
    UNPROVEN = 2
    """A channel that ends in a key, whose chain of certificates is documented for no such key."""
    KEY_SIGNED = 3
    """A key's attested slot 9E signed the server's nonce: the chain's certificate says so."""
    KEY_CHANNEL = 4
    """The key itself said so to the server, encrypted and authenticated past the laptop."""

    @property
    def word(self) -> str:
        """How it is written, in JSON, on pages and in the store."""
        return _WORD_OF[self]

    @property
    def is_proven(self) -> bool:
        """Whether a key stands behind it, and not a laptop's word."""
        return self >= Trust.KEY_SIGNED


_WORD_OF = {trust: trust.name.lower().replace("_", "-") for trust in Trust}
_BY_WORD = {word: trust for trust, word in _WORD_OF.items()}
WORDS = tuple(_BY_WORD)


def trust_of(word: str) -> Trust:
    """Return the level of a word; ValueError when there is none."""
    try:
        return _BY_WORD[word]
    except KeyError:
        raise ValueError(f"{word[:40]!r} is no level of trust: {', '.join(WORDS)}") from None
