"""The whole fleet on one page: how many keys there are, how they are, and what hits them. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.fleet.advisory import Advisory
from server.fleet.census import Struck
from server.fleet.census_taker import Taken
from server.fleet.counts import SILENT_DAYS, FleetCounts, Trouble
from server.fleet.health import RULES, Level
from server.fleet.product_lines import ProductLine
from server.fleet.trust import Trust
from server.fleet.view import Numbers
from server.fleet_page import places
from server.fleet_page.chart import Amount, Bar, bars
from server.fleet_page.places import HitFilter, HostFilter, KeyFilter
from server.fleet_page.said import counted, number, plain
from server.pages import words

LEVELS: Mapping[Level | None, str] = {
    Level.DANGER: "In danger",
    Level.WARNING: "Warning",
    Level.NOTICE: "Notice",
    None: "Nothing found",
}
SOUND = "sound"
"""The class of a key in which nothing was found; the others have their level's word."""

TRUST: Mapping[Trust, str] = {
    Trust.REPORTED: "somebody says so",
    Trust.HOST_SIGNED: "an enrolled host says so, and nothing else does",
    Trust.UNPROVEN: "a channel into a key said so; nobody can tell that it is a YubiKey's",
    Trust.KEY_SIGNED: "the key signed for it, and its attestation says so",
    Trust.KEY_CHANNEL: "the key itself said so, past the host",
}
"""How far a fact can be believed, in words."""

TROUBLES: Mapping[Trouble, str] = {
    Trouble.CLASHES: "copied or put back (clashes)",
    Trouble.ALTERED: "contradicting what keys proved",
    Trouble.MISSING: "reports missing",
    Trouble.SILENT: f"silent for {SILENT_DAYS} days",
    Trouble.NEVER: "never reported",
    Trouble.REPLACED: "replaced by another enrolment",
}


class RuleRow(NamedTuple):
    """A rule that found something."""

    title: str
    tone: str
    keys: str
    href: str


class AdvisoryRow(NamedTuple):
    """An advisory and whom it hits, "" while that is being counted."""

    name: str
    title: str
    is_critical: bool
    href: str
    affected: str
    exposed: str
    unknown: str
    tone: str


class HostRow(NamedTuple):
    """Hosts of one kind."""

    label: str
    hosts: str
    href: str


class Overview(NamedTuple):
    """Everything on it. census: of when the counts by line and advisory are."""

    headline: str
    about: str
    tone: str
    read_stamp: str
    read_clock: str
    levels: Sequence[Bar]
    rules: Sequence[RuleRow]
    firmware: Sequence[Bar]
    lines: Sequence[Bar]
    trust: Sequence[Bar]
    census: str
    advisories: Sequence[AdvisoryRow]
    hosts: Sequence[HostRow]


def lay_out(
    numbers: Numbers, taken: Taken | None, counting: int | None, advisories: Sequence[Advisory]
) -> Overview:
    """Return the page. counting: how many keys a census under way has counted."""
    counts = numbers.counts
    return Overview(
        headline=_headline(counts),
        about=f"{counted(counts.keys, 'key')} on {counted(counts.hosts, 'host')}",
        tone=_tone(counts),
        read_stamp=words.stamp(numbers.at_us),
        read_clock=words.clock(numbers.at_us),
        levels=_levels(counts),
        rules=_rules(counts),
        firmware=_firmware(counts),
        lines=[] if taken is None else _lines(taken),
        trust=[] if taken is None else _trust(taken),
        census=census_note(taken, counting, counts.keys),
        advisories=[advisory_row(one, taken) for one in reversed(advisories)],
        hosts=_hosts(counts),
    )


def census_note(taken: Taken | None, counting: int | None, keys: int | None = None) -> str:
    """Say of when what is counted key by key is, and whether it is being counted anew."""
    said = (
        "It is being counted for the first time"
        if taken is None
        else f"Counted key by key, as of {words.clock(taken.at_us)}"
    )
    if counting is None:
        return f"{said}."
    of = "" if keys is None else f" of {number(keys)}"
    again = "" if taken is None else "; counting anew"
    return f"{said}{again}: {number(counting)}{of} so far. Load this page again to see it."


def advisory_row(advisory: Advisory, taken: Taken | None) -> AdvisoryRow:
    """Return an advisory with whom it hits."""
    struck = None if taken is None else taken.census.struck.get(advisory.advisory_id)
    affected, exposed, unknown = ("", "", "") if struck is None else map(number, struck)
    return AdvisoryRow(
        advisory.advisory_id,
        plain(advisory.title, 400),
        advisory.critical,
        f"{places.ADVISORIES}/{advisory.advisory_id}",
        affected,
        exposed,
        unknown,
        "" if struck is None else _struck_tone(struck),
    )


def rule_titles() -> Mapping[str, tuple[str, str]]:
    """Return the titles of rules and their levels' words, by name."""
    return {rule.name: (rule.title, rule.level.value) for rule in RULES}


def hit_address(advisory_id: str, show: str) -> str:
    """Return where the keys are that an advisory hits in one way."""
    return places.address(f"{places.ADVISORIES}/{advisory_id}", HitFilter(show))


def _headline(counts: FleetCounts) -> str:
    if not counts.keys:
        return "No key was reported yet"
    for level, what in ((Level.DANGER, "in danger"), (Level.WARNING, "to be looked after")):
        if count := counts.levels[level]:
            return f"{counted(count, 'key')} {'is' if count == 1 else 'are'} {what}"
    return "Nothing bad was found"


def _tone(counts: FleetCounts) -> str:
    if not counts.keys:
        return "unknown"
    return next((level.value for level in Level if counts.levels[level]), SOUND)


def _struck_tone(struck: Struck) -> str:
    if struck.exposed:
        return Level.DANGER.value
    if struck.affected:
        return Level.WARNING.value
    return "unknown" if struck.unknown else SOUND


def _levels(counts: FleetCounts) -> Sequence[Bar]:
    amounts = [
        Amount(
            label,
            counts.levels[level],
            "" if level is None else places.address(places.KEYS, KeyFilter(level=level.value)),
            SOUND if level is None else level.value,
        )
        for level, label in LEVELS.items()
    ]
    return bars(amounts, counts.keys)


def _rules(counts: FleetCounts) -> Sequence[RuleRow]:
    known = rule_titles()
    found = sorted(counts.rules.items(), key=lambda one: (-one[1], one[0]))
    rows = []
    for name, count in found:
        title, tone = known.get(name, (name, Level.NOTICE.value))
        href = places.address(places.KEYS, KeyFilter(rule=name))
        rows.append(RuleRow(title, tone, number(count), href))
    return rows


def _firmware(counts: FleetCounts) -> Sequence[Bar]:
    told = sorted((one for one in counts.firmware if one is not None), reverse=True)
    amounts = [
        Amount(
            str(version),
            counts.firmware[version],
            places.address(places.KEYS, KeyFilter(firmware=str(version))),
        )
        for version in told
    ]
    if counts.other:
        amounts.append(Amount("other versions", counts.other))
    if untold := counts.firmware.get(None, 0):
        amounts.append(Amount("not known", untold))
    return bars(amounts, counts.keys)


def line_text(lines: frozenset[ProductLine]) -> str:
    """Return what a key can be, in words; none: it is not known."""
    return " or ".join(sorted(line.value for line in lines)) or words.NOT_KNOWN


def _lines(taken: Taken) -> Sequence[Bar]:
    found = sorted(taken.census.lines.items(), key=lambda one: (-one[1], line_text(one[0])))
    amounts = [Amount(line_text(lines), count) for lines, count in found]
    return bars(amounts, taken.census.keys)


def _trust(taken: Taken) -> Sequence[Bar]:
    found = sorted(taken.census.trust.items(), reverse=True)
    amounts = [Amount(TRUST[level], count) for level, count in found]
    return bars(amounts, taken.census.keys)


def _hosts(counts: FleetCounts) -> Sequence[HostRow]:
    rows = [HostRow("enrolled", number(counts.hosts), places.HOSTS)]
    rows += [
        HostRow(
            label,
            number(counts.troubles[trouble]),
            places.address(places.HOSTS, HostFilter(trouble=trouble.value)),
        )
        for trouble, label in TROUBLES.items()
    ]
    return rows
