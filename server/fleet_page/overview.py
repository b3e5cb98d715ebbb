"""The whole fleet on one page: how many keys there are, how they are, and what hits them. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from server.fleet.advisory import Advisory
from server.fleet.census import Struck
from server.fleet.census_taker import Taken
from server.fleet.counting import Counts
from server.fleet.firmware import Version
from server.fleet.health import Level
from server.fleet.hosts import HostState
from server.fleet.lines import lines_in
from server.fleet.trouble import Trouble
from server.fleet.trust import Trust
from server.fleet.view import NamedRule, Numbers
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
    Trouble.SILENT: "silent for long",
    Trouble.NEVER: "never reported",
    Trouble.REPLACED: "replaced by another enrolment",
}


_VERSIONS = 40


class RuleRow(NamedTuple):
    """A rule that found something."""

    title: str
    tone: str
    keys: str
    href: str


class AdvisoryRow(NamedTuple):
    """An advisory and whom it hits, "" while that is being counted.

    is_critical: its author says so; is_decided: somebody here decided that it is.
    """

    name: str
    title: str
    is_critical: bool
    is_decided: bool
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
    """Everything on it. census: of when the counts by advisory are."""

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
    numbers: Numbers,
    rules: Mapping[str, NamedRule],
    taken: Taken | None,
    counting: int | None,
    advisories: Sequence[Advisory],
    *,
    decided: Collection[str],
) -> Overview:
    """Return the page. rules: by name; counting: how many keys a census under way has counted.

    decided: advisories that are critical, by decision.
    """
    counts = numbers.counts
    hosts = counts.hosts.get(HostState.ACTIVE, 0)
    return Overview(
        headline=_headline(counts),
        about=f"{counted(counts.keys, 'key')} on {counted(hosts, 'host')}",
        tone=_tone(counts),
        read_stamp=words.stamp(numbers.at_us),
        read_clock=words.clock(numbers.at_us),
        levels=_levels(counts),
        rules=_rules(counts, rules),
        firmware=_firmware(counts),
        lines=_lines(counts),
        trust=[] if taken is None else _trust(taken),
        census=census_note(taken, counting, counts.keys),
        advisories=[advisory_row(one, taken, decided) for one in reversed(advisories)],
        hosts=_hosts(numbers),
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


def advisory_row(advisory: Advisory, taken: Taken | None, decided: Collection[str]) -> AdvisoryRow:
    """Return an advisory with whom it hits. decided: those that are critical, by decision."""
    struck = None if taken is None else taken.census.struck.get(advisory.advisory_id)
    affected, exposed, unknown = ("", "", "") if struck is None else map(number, struck)
    return AdvisoryRow(
        advisory.advisory_id,
        plain(advisory.title, 400),
        advisory.critical,
        advisory.advisory_id in decided,
        f"{places.ADVISORIES}/{advisory.advisory_id}",
        affected,
        exposed,
        unknown,
        "" if struck is None else _struck_tone(struck),
    )


def hit_address(advisory_id: str, show: str) -> str:
    """Return where the keys are that an advisory hits in one way."""
    return places.address(f"{places.ADVISORIES}/{advisory_id}", HitFilter(show))


def _headline(counts: Counts) -> str:
    if not counts.keys:
        return "No key was reported yet"
    for level, what in ((Level.DANGER, "in danger"), (Level.WARNING, "to be looked after")):
        if count := counts.by_level.get(level, 0):
            return f"{counted(count, 'key')} {'is' if count == 1 else 'are'} {what}"
    return "Nothing bad was found"


def _tone(counts: Counts) -> str:
    if not counts.keys:
        return "unknown"
    return next((level.value for level in Level if counts.by_level.get(level, 0)), SOUND)


def _struck_tone(struck: Struck) -> str:
    if struck.exposed:
        return Level.DANGER.value
    if struck.affected:
        return Level.WARNING.value
    return "unknown" if struck.unknown else SOUND


def _levels(counts: Counts) -> Sequence[Bar]:
    amounts = [
        Amount(
            label,
            counts.by_level.get(level, 0),
            "" if level is None else places.address(places.KEYS, KeyFilter(level=level.value)),
            SOUND if level is None else level.value,
        )
        for level, label in LEVELS.items()
    ]
    return bars(amounts, counts.keys)


def _rules(counts: Counts, known: Mapping[str, NamedRule]) -> Sequence[RuleRow]:
    found = sorted(counts.by_rule.items(), key=lambda one: (-one[1], one[0]))
    rows = []
    for name, count in found:
        title, level = known.get(name, NamedRule(name, Level.NOTICE))
        href = places.address(places.KEYS, KeyFilter(rule=name))
        rows.append(RuleRow(title, level.value, number(count), href))
    return rows


def _firmware(counts: Counts) -> Sequence[Bar]:
    """Return the versions that most keys have, the newest first; a laptop can make up any."""
    told = {Version.parse(text): keys for text, keys in counts.by_firmware.items() if text}
    most = sorted(told, key=lambda version: (-told[version], version))[:_VERSIONS]
    amounts = [
        Amount(
            str(version),
            told[version],
            places.address(places.KEYS, KeyFilter(firmware=str(version))),
        )
        for version in sorted(most, reverse=True)
    ]
    others = sum(told.values()) - sum(told[version] for version in most)
    if others:
        amounts.append(Amount("other versions", others))
    if untold := counts.by_firmware.get("", 0):
        amounts.append(Amount(words.NOT_KNOWN, untold))
    return bars(amounts, counts.keys)


def line_text(lines: Sequence[str]) -> str:
    """Return what a key can be, in words; none: it is not known."""
    return " or ".join(lines) or words.NOT_KNOWN


def _lines(counts: Counts) -> Sequence[Bar]:
    found = sorted(counts.by_line.items(), key=lambda one: (-one[1], one[0]))
    return bars([Amount(line_text(lines_in(line)), keys) for line, keys in found], counts.keys)


def _trust(taken: Taken) -> Sequence[Bar]:
    found = sorted(taken.census.trust.items(), reverse=True)
    amounts = [Amount(TRUST[level], count) for level, count in found]
    return bars(amounts, taken.census.keys)


def _hosts(numbers: Numbers) -> Sequence[HostRow]:
    enrolled = numbers.counts.hosts.get(HostState.ACTIVE, 0)
    rows = [HostRow("enrolled", number(enrolled), places.HOSTS)]
    rows += [
        HostRow(
            label,
            number(numbers.troubles[trouble]),
            places.address(places.HOSTS, HostFilter(trouble=trouble.value)),
        )
        for trouble, label in TROUBLES.items()
    ]
    return rows
