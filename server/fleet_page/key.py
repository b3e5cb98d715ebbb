"""One key with all that is known of it: who said what, when, and how far to believe it. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.report import Value
from server.fleet.advisory import Advisory
from server.fleet.claims import Claim, KnownFact
from server.fleet.exposure import Affected, Exposure
from server.fleet.health import Fault, Health
from server.fleet.holders import Holder
from server.fleet.ports import FleetKey, NotedChange
from server.fleet.rulebook import LifeFact, Reached
from server.fleet.trust import Trust
from server.fleet_page import places
from server.fleet_page.holders import KINDS, ClaimRow, claim_row
from server.fleet_page.keys import firmware_text, line_of, verdict_of
from server.fleet_page.overview import LEVELS, SOUND, TRUST
from server.fleet_page.places import KeyFilter, Way
from server.fleet_page.said import Named, day, host_name, name_of, plain, reason, value
from server.pages import words

_SIGHTINGS_SHOWN = 50
_GROUPS: Mapping[str, str] = {
    "device": "Device",
    "fido": "FIDO",
    "piv": "PIV",
    "openpgp": "OpenPGP",
    "oath": "OATH",
    "otp": "OTP",
    "scp": "Secure channel",
}
"""Beginnings of facts' names, in the order in which they are shown; others come after them."""


_REACHED: Mapping[Reached, str] = {
    Reached.YES: "since",
    Reached.COMING: "from",
    Reached.UNKNOWN: "nobody can say whether it is of that kind; of those it is so from",
}


class WordRow(NamedTuple):
    """What one host says."""

    value: str
    trust: str
    day: str
    host: str


class FactRow(NamedTuple):
    """A fact. note: what others make of it; unread: why it could not be read since.

    others: who says otherwise.
    """

    name: str
    note: str
    word: WordRow
    unread: str
    others: Sequence[WordRow]


class Group(NamedTuple):
    """Facts of one application."""

    title: str
    rows: Sequence[FactRow]


class FaultRow(NamedTuple):
    """What was found."""

    tone: str
    level: str
    title: str
    fact: str
    value: str


class HitRow(NamedTuple):
    """An advisory that hits the key, or may."""

    name: str
    title: str
    href: str
    tone: str
    verdict: str


class LifeRow(NamedTuple):
    """A stage of the product's life. state: whether its day has come."""

    text: str
    state: str
    day: str
    source: str


class SightingRow(NamedTuple):
    """A host that saw the key. keys: where the host's other keys are."""

    host: str
    keys: str
    first: str
    last: str
    attached: str
    person: str


class ChangeRow(NamedTuple):
    """What became another thing."""

    stamp: str
    at: str
    fact: str
    before: str
    after: str
    host: str


class HolderPart(NamedTuple):
    """Who holds a key. person: "" for nobody who is known; persons: who share it, if any."""

    person: str
    kind: str
    since: str
    persons: Sequence[str]
    claims: Sequence[ClaimRow]
    trust: str = Trust.REPORTED.word


class KeyPage(NamedTuple):
    """Everything on it. disputes: word against word; altered: a host's word against the key's.

    older, newest: addresses of changes, "" where there are none.
    """

    name: Named
    back: Way
    tone: str
    state: str
    about: Sequence[tuple[str, str]]
    faults: Sequence[FaultRow]
    unknown: Sequence[str]
    disputes: Sequence[FactRow]
    altered: Sequence[FactRow]
    advisories: Sequence[HitRow]
    life: Sequence[LifeRow]
    groups: Sequence[Group]
    unreadable: Sequence[tuple[str, str]]
    trust: Sequence[tuple[str, str]]
    sightings: Sequence[SightingRow]
    more_sightings: int
    holder: HolderPart
    changes: Sequence[ChangeRow]
    older: str
    newest: str


class Judged(NamedTuple):
    """What is thought of a key today. life: stages of its product's life that concern it."""

    health: Health
    exposures: Sequence[tuple[Advisory, Exposure]]
    life: Sequence[LifeFact] = ()


class Changes(NamedTuple):
    """A page of changes, newest first. is_first: nothing is newer; more: there are older ones."""

    rows: Sequence[NotedChange]
    is_first: bool
    more: bool


def lay_out(known: FleetKey, judged: Judged, changes: Changes, back: Way) -> KeyPage:
    """Return the page of a key. back: the list that somebody comes from."""
    key, worst = known.key, judged.health.worst
    hosts = {seen.host_id: seen.host_name for seen in known.sightings}
    rows = {name: _fact(name, fact, known, hosts) for name, fact in sorted(key.facts.items())}
    levels = sorted({fact.trust for fact in key.facts.values()}, reverse=True)
    here = places.key_address(key.key_id, back.address)
    return KeyPage(
        name=name_of(key),
        back=back,
        tone=SOUND if worst is None else worst.value,
        state=LEVELS[worst],
        about=(
            ("Product", line_of(known)),
            ("Firmware", firmware_text(known)),
            ("First seen", day(key.first_seen)),
            ("Last seen", day(key.last_seen)),
            ("Id", key.key_id),
        ),
        faults=[_fault(fault) for fault in judged.health.faults],
        unknown=[rule.title for rule in judged.health.unreadable],
        disputes=[rows[name] for name in key.disputed],
        altered=[rows[name] for name in key.altered],
        advisories=[_hit(*one) for one in judged.exposures if one[1].affected is not Affected.NO],
        life=[_life(one) for one in judged.life],
        groups=_groups(rows),
        unreadable=[(plain(name), reason(why)) for name, why in sorted(key.unreadable.items())],
        trust=[(level.word, TRUST[level]) for level in levels],
        sightings=[
            SightingRow(
                host_name(seen.host_name, seen.host_id),
                places.address(places.KEYS, KeyFilter(host=seen.host_name)),
                day(seen.first_day),
                day(seen.last_day),
                {None: "", True: "attached now", False: "not attached now"}[seen.attached],
                plain(seen.person),
            )
            for seen in known.sightings[:_SIGHTINGS_SHOWN]
        ],
        more_sightings=max(0, len(known.sightings) - _SIGHTINGS_SHOWN),
        holder=_holder(known, hosts),
        changes=[_change(one, hosts) for one in changes.rows],
        older=_with(here, changes.rows[-1].number) if changes.more else "",
        newest="" if changes.is_first else here,
    )


def _fact(name: str, fact: KnownFact, known: FleetKey, hosts: Mapping[str, str]) -> FactRow:
    why = _unread(name, known.key.unreadable)
    return FactRow(
        plain(name),
        "disputed" if fact.is_disputed else "contradicted" if fact.others else "",
        _word(fact, hosts),
        reason(why) if why and why != "absent" else "",
        [_word(claim, hosts) for claim in fact.others],
    )


def _word(said: KnownFact | Claim, hosts: Mapping[str, str]) -> WordRow:
    name = host_name(hosts.get(said.host_id, ""), said.host_id)
    trust = said.trust if isinstance(said, KnownFact) else Trust.HOST_SIGNED
    return WordRow(value(said.value), trust.word, day(said.day), name)


def _unread(name: str, unreadable: Mapping[str, str]) -> str | None:
    """Return why a fact could not be read, by its own name or a group's."""
    parts = name.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((unreadable[one] for one in names if one in unreadable), None)


def _groups(rows: Mapping[str, FactRow]) -> Sequence[Group]:
    by_title: dict[str, list[FactRow]] = {title: [] for title in _GROUPS.values()}
    for name, row in rows.items():
        title = _GROUPS.get(name.partition(".")[0], "Other")
        by_title.setdefault(title, []).append(row)
    return [Group(title, found) for title, found in by_title.items() if found]


def _holder(known: FleetKey, hosts: Mapping[str, str]) -> HolderPart:
    custody = known.custody
    holder = custody.holder
    return HolderPart(
        person="" if holder is None else plain(holder.person),
        kind="" if holder is None else KINDS[holder.kind],
        since=_since(holder),
        persons=[plain(person) for person in custody.shared],
        claims=[claim_row(claim, hosts) for claim in custody.claims],
    )


def _since(holder: Holder | None) -> str:
    if holder is None:
        return ""
    if holder.lost:
        return f"called lost on {day(holder.lost)}"
    return f"handed over on {day(holder.after)}" if holder.after else ""


def _fault(fault: Fault) -> FaultRow:
    rule = fault.rule
    level = rule.level
    return FaultRow(level.value, LEVELS[level], rule.title, plain(fault.fact), value(fault.value))


def _hit(advisory: Advisory, exposure: Exposure) -> HitRow:
    tone, verdict = verdict_of(exposure)
    href = f"{places.ADVISORIES}/{advisory.advisory_id}"
    return HitRow(advisory.advisory_id, plain(advisory.title, 400), href, tone, verdict)


def _life(one: LifeFact) -> LifeRow:
    entry = one.entry
    return LifeRow(
        plain(entry.text, 400), _REACHED[one.reached], day(entry.day), plain(entry.source, 400)
    )


def _change(one: NotedChange, hosts: Mapping[str, str]) -> ChangeRow:
    return ChangeRow(
        words.stamp(one.at_us),
        words.moment(one.at_us),
        plain(one.fact),
        _changed(one.before),
        _changed(one.after),
        host_name(hosts.get(one.host_id, ""), one.host_id),
    )


def _changed(found: Value | None) -> str:
    return value(found)


def _with(here: str, number: int) -> str:
    return f"{here}{'&' if '?' in here else '?'}changes={number}#history"
