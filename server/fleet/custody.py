"""In whose hands keys are, by what hosts saw: keys that two persons use, and lost ones seen again.

Pure. Alarms last as long as their reason: a host that belongs to somebody else now, or was
forgotten, a key that was handed over or found again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.report import Value
from server.facts import NewFact
from server.fleet.holders import LOST_SEEN, SHARED, Holder, HolderClaim, HolderKind, folded

SHARED_RULE = "shared"
LOST_RULE = "lost-key-seen"
"""Rules of `server.fleet.health`, by name."""

_HOSTS_TOLD = 8


class Witness(NamedTuple):
    """A host that saw a key. person: whose it is, "" = nobody said; last_day: ISO.

    after: what it saw up to this day, an earlier user's days, tells nothing of this person.
    """

    host_id: str
    person: str
    after: str
    last_day: str


class Alarm(NamedTuple):
    """A reason for an alarm at a key. party: a person's folded name, or a host's id."""

    rule: str
    party: str


class Custody(NamedTuple):
    """What is known of who has a key. shared: persons; lost_seen: hosts."""

    holder: Holder | None = None
    claims: tuple[HolderClaim, ...] = ()
    shared: tuple[str, ...] = ()
    lost_seen: tuple[str, ...] = ()

    def facts(self) -> Mapping[str, Value]:
        """Return it as facts, for rules of health."""
        found: dict[str, Value] = {}
        if self.shared:
            found[SHARED] = self.shared
        if self.lost_seen:
            found[LOST_SEEN] = self.lost_seen
        return found


def alarm_facts(alarms: Iterable[Alarm]) -> Mapping[str, Value]:
    """Return alarms as facts, for rules of health: parties stand for persons and hosts."""
    found: dict[str, tuple[str, ...]] = {}
    for one in sorted(alarms):
        fact = SHARED if one.rule == SHARED_RULE else LOST_SEEN
        found[fact] = (*found.get(fact, ()), one.party)
    return found


def sharers(holder: Holder | None, witnesses: Iterable[Witness]) -> Mapping[str, Witness]:
    """Return the persons who share a key, by folded name, each with the newest sighting.

    Empty while fewer than two have it. In order of the days on which they were seen with it.
    """
    since = "" if holder is None else holder.after
    newest: dict[str, Witness] = {}
    for one in sorted(witnesses, key=lambda one: (one.last_day, one.host_id)):
        if one.person and one.last_day > max(since, one.after):
            newest[folded(one.person)] = one
    if len(newest) < 2:  # noqa: PLR2004 - one person shares nothing
        return {}
    return dict(sorted(newest.items(), key=lambda item: (item[1].last_day, item[1].host_id)))


def lost_seen(
    holder: Holder | None,
    witnesses: Iterable[Witness],
    *,
    fresh: frozenset[str] = frozenset(),
    before: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Return the hosts that saw a key after it was called lost.

    fresh: hosts that told of it for the first time just now; before: those of which it is known.
    On the very day only a host that is fresh counts: the others may have seen it earlier that day.
    """
    if holder is None or holder.kind is not HolderKind.LOST:
        return frozenset()
    return frozenset(
        one.host_id
        for one in witnesses
        if one.last_day > holder.lost
        or one.host_id in before
        or (one.host_id in fresh and one.last_day >= holder.lost)
    )


def begins(holder: Holder | None, witness: Witness, day: str) -> bool:
    """Tell whether an alarm may begin when a sighting moves from its last day to this one.

    Another day of the same tells nothing new: from the first on that counts, all count.
    """
    since = "" if holder is None else holder.after
    counts = bool(witness.person) and witness.last_day <= max(since, witness.after) < day
    lost = holder is not None and holder.kind is HolderKind.LOST
    return counts or (lost and holder is not None and witness.last_day <= holder.lost < day)


def alarms(
    holder: Holder | None,
    witnesses: Sequence[Witness],
    *,
    fresh: frozenset[str] = frozenset(),
    before: frozenset[Alarm] = frozenset(),
) -> frozenset[Alarm]:
    """Return the reasons for alarms that stand at a key. before: those that stood."""
    known = frozenset(one.party for one in before if one.rule == LOST_RULE)
    hosts = lost_seen(holder, witnesses, fresh=fresh, before=known)
    persons = sharers(holder, witnesses)
    return frozenset(
        {Alarm(SHARED_RULE, person) for person in persons}
        | {Alarm(LOST_RULE, host_id) for host_id in hosts}
    )


def told(
    key_id: str,
    holder: Holder | None,
    witnesses: Sequence[Witness],
    *,
    before: frozenset[Alarm],
    now: frozenset[Alarm],
) -> list[NewFact]:
    """Return the facts that tell of alarms that begin: one for each pair, one for each host.

    Whoever comes to a key that others have makes one pair with them. Facts name hosts, no persons:
    they are kept longer than a person's name may be.
    """
    facts = [
        NewFact("fleet.lost-key-seen", key_id, {"host": alarm.party})
        for alarm in sorted(now - before)
        if alarm.rule == LOST_RULE
    ]
    persons = sharers(holder, witnesses)
    with_it = [host for person, host in persons.items() if Alarm(SHARED_RULE, person) in before]
    for person, host in persons.items():
        if Alarm(SHARED_RULE, person) in before:
            continue
        if with_it:
            hosts = [one.host_id for one in with_it[-_HOSTS_TOLD:]]
            facts.append(NewFact("fleet.key-shared", key_id, {"host": host.host_id, "with": hosts}))
        with_it.append(host)
    return facts
