"""Word against word: what hosts say of a key that no key can change. Pure.

A laptop that somebody else controls can report any key, with any firmware. What another host said
stays beside it then, and the fact is disputed until they agree, or until one of them is forgotten;
or until the key itself proves it (`proving`): who says otherwise then is no party to a dispute, but
a host that alters what keys say.
"""

from datetime import date
from typing import NamedTuple

from agent.report import Value
from server.fleet.trust import Trust

FIXED = frozenset(
    {
        "device.firmware",
        "device.firmware_stage",
        "device.form_factor",
        "device.fips_series",
        "device.security_key_series",
        "device.nfc.supported",
        "device.part_number",
        "openpgp.version",
        "piv.version",
    }
)
"""Facts that are the same for all of a key's life, and decide of which line and version it is."""

NO_WORD = "unknown"
"""What an agent says that does not know what it read: no contradiction."""

DISPUTED = "keystead.disputed"
"""The names of the facts that are disputed, for who judges by reports."""

ALTERED = "keystead.altered"
"""The names of the facts that a key proved and a host contradicts, likewise."""

MAX_CLAIMS = 8
"""Of one fact, against what is known first: it is disputed with one."""


class Claim(NamedTuple):
    """What a host says, against what is known."""

    value: Value
    day: date
    host_id: str


class KnownFact(NamedTuple):
    """A fact: what was said, on which day the key was seen so, and by which host.

    others: what other hosts say against it; with any, the fact is disputed, or, when it is
    proved, their word was altered. trust: how far it can be believed.
    """

    value: Value
    day: date
    host_id: str
    others: tuple[Claim, ...] = ()
    trust: Trust = Trust.HOST_SIGNED

    @property
    def is_disputed(self) -> bool:
        """Whether it counts as not known, because word stands against word."""
        return bool(self.others) and not self.trust.is_proven

    @property
    def altered_by(self) -> frozenset[str]:
        """The hosts that say otherwise than what the key itself proved."""
        if not self.trust.is_proven:
            return frozenset()
        return frozenset(claim.host_id for claim in self.others)


def contend(known: KnownFact, said: KnownFact) -> KnownFact:
    """Return a fact of `FIXED` after a host said it again, or otherwise.

    Nobody takes back a word by saying another one: of two, one was not read from this key.
    """
    if said.value == NO_WORD:
        return known
    if known.trust.is_proven:
        return known if not contradict(known.value, said.value) else _beside(known, said)
    if known.value == NO_WORD or not known.host_id:
        left = (claim for claim in known.others if contradict(claim.value, said.value))
        return said._replace(others=tuple(left))
    if not contradict(known.value, said.value):
        own = known.host_id == said.host_id and said.day >= known.day
        stands = known.trust > said.trust and known.day == said.day
        return said._replace(others=known.others) if own and not stands else known
    return _beside(known, said)


def _beside(known: KnownFact, said: KnownFact) -> KnownFact:
    """Return a fact with a word against it, once of each host that says it."""
    claim = Claim(said.value, said.day, said.host_id)
    if any(_is_repeated(one, claim) for one in known.others):
        return known
    return known._replace(others=(*known.others, claim)[:MAX_CLAIMS])


def withdrawn(fact: KnownFact, host_id: str) -> KnownFact:
    """Return a fact without the word of a host; what it alone said stays, said by nobody."""
    others = tuple(claim for claim in fact.others if claim.host_id != host_id)
    if fact.host_id != host_id:
        return fact._replace(others=others)
    if not others or fact.trust.is_proven:
        return fact._replace(host_id="", others=others)
    value, day, other = others[0]
    left = tuple(claim for claim in others if contradict(claim.value, value))
    return KnownFact(value, day, other, left)


def _is_repeated(one: Claim, other: Claim) -> bool:
    return one.host_id == other.host_id and not contradict(one.value, other.value)


def contradict(one: Value, other: Value) -> bool:
    """Tell whether two words cannot both be of one key."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        # Newer agents know more words; whether there are any does not depend on that.
        return bool(one) is not bool(other)
    return type(one) is not type(other) or one != other  # 1 and True are two values
