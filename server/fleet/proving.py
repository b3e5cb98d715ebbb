"""What a proof changes in what is known of a key: pure.

A proof outweighs every laptop's word. It settles a dispute about what no key can change, for good,
unless a stronger proof says otherwise; of what changes it is the word of its day. Whoever said, or
says later, that the key is what it proved not to be, alters what keys say: it is named.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agent.report import Value
from server.fleet.absorbing import MAX_FACTS_KEPT, OWN, Change, KnownKey
from server.fleet.claims import FIXED, MAX_CLAIMS, Claim, KnownFact, contradict
from server.fleet.proof import Proof


class Proven(NamedTuple):
    """What to keep, and what of it is new.

    altered: hosts whose word contradicts the proof, with the facts; those known before are left
    out.
    """

    key: KnownKey
    changes: tuple[Change, ...]
    altered: Mapping[str, tuple[str, ...]]


def prove(known: KnownKey, proof: Proof) -> Proven:
    """Return what is known of a key after a proof of it."""
    facts = dict(known.facts)
    for name, value in sorted(proof.facts.items()):
        said = KnownFact(value, proof.day, proof.host_id, trust=proof.trust)
        if name.startswith(OWN) or (name not in facts and len(facts) >= MAX_FACTS_KEPT):
            continue
        settled = _settled if name in FIXED else _latest
        facts[name] = settled(facts.get(name), said)
    changes = [
        Change(name, was, facts[name].value)
        for name in sorted(facts)
        if (was := _value(known, name)) != facts[name].value
        or type(was) is not type(facts[name].value)
    ]
    altered: dict[str, tuple[str, ...]] = {}
    for host_id, name in _newly_altered(known.facts, facts):
        altered[host_id] = (*altered.get(host_id, ()), name)
    unreadable = {name: why for name, why in known.unreadable.items() if name not in proof.facts}
    seen = max(known.last_seen, proof.day)
    # What the key itself said is not of the newest word any more.
    own = frozenset(name for name in known.repeats if facts[name] == known.facts[name])
    key = known._replace(facts=facts, unreadable=unreadable, last_seen=seen, repeats=own)
    return Proven(key, tuple(changes), altered)


def _settled(known: KnownFact | None, said: KnownFact) -> KnownFact:
    """Return a fact of `FIXED` after a proof of it."""
    if known is None:
        return said
    if known.trust > said.trust:
        return known
    if not said.trust.is_proven:
        # Its chain is documented for no such key: it settles nothing, and is no party either. Nor
        # does it take another laptop's word away: that of who sent it is all that stands behind it.
        own = known.host_id in {said.host_id, ""}
        stands = known.others or not own or contradict(known.value, said.value)
        return known if stands else said
    words = [*known.others]
    if not known.trust.is_proven:
        words.insert(0, Claim(known.value, known.day, known.host_id))
    others = tuple(one for one in words if one.host_id and contradict(one.value, said.value))
    return said._replace(others=others[:MAX_CLAIMS])


def _latest(known: KnownFact | None, said: KnownFact) -> KnownFact:
    """Return a fact that can change after a proof of it."""
    stands = known is not None and (
        known.day > said.day or (known.day == said.day and known.trust > said.trust)
    )
    return known if stands and known is not None else said


def _newly_altered(
    before: Mapping[str, KnownFact], after: Mapping[str, KnownFact]
) -> Iterator[tuple[str, str]]:
    for name, fact in after.items():
        known = before.get(name)
        named = frozenset[str]() if known is None else known.altered_by
        for host_id in sorted(fact.altered_by - named):
            yield host_id, name


def _value(known: KnownKey, name: str) -> Value | None:
    fact = known.facts.get(name)
    return None if fact is None else fact.value
