"""Lists of keys, and how one key is told of in them. Pure."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from server.fleet.absorbing import as_report
from server.fleet.exposure import Affected, Exposed, Exposure
from server.fleet.health import Health, Level
from server.fleet.lines import line_word, lines_in
from server.fleet.paging import Page, Place
from server.fleet.ports import FleetKey
from server.fleet_page import places
from server.fleet_page.overview import LEVELS, SOUND, line_text
from server.fleet_page.places import KeyFilter
from server.fleet_page.said import Named, day, host_name, name_of, plain, value

T = TypeVar("T")

_HOSTS_SHOWN = 3
_FAULTS_SHOWN = 4


class KeyRow(NamedTuple):
    """A key in a list. more_hosts: how many are not named; faults: what was found, in words.

    holder: a person, "" for nobody who is known.
    """

    name: Named
    href: str
    firmware: str
    line: str
    tone: str
    state: str
    faults: Sequence[str]
    more_faults: int
    hosts: Sequence[str]
    more_hosts: int
    last_seen: str
    holder: str


class Turning(NamedTuple):
    """Links to the pages beside one, "" where there is none."""

    first: str = ""
    earlier: str = ""
    later: str = ""


class KeyList(NamedTuple):
    """A page of keys."""

    filters: KeyFilter
    rows: Sequence[KeyRow]
    turning: Turning


def lay_out(
    page: Page[FleetKey], judged: Sequence[Health], filters: KeyFilter, place: Place
) -> KeyList:
    """Return a page of keys. judged: the health of each; place: where it lies in the list."""
    here = places.address(places.KEYS, filters, place)
    rows = [row(known, health, here) for known, health in zip(page.entries, judged, strict=True)]
    ids = [known.key.key_id for known in page.entries]
    return KeyList(filters, rows, turning(places.KEYS, filters, page, ids))


def turning(path: str, filters: tuple[str, ...], page: Page[T], ids: Sequence[str]) -> Turning:
    """Return the links to the pages beside one. ids: of its entries."""
    if not ids:
        return Turning(first=places.address(path, filters) if page.earlier or page.later else "")
    before, after = Place(ids[0], is_before=True), Place(ids[-1])
    return Turning(
        places.address(path, filters) if page.earlier else "",
        places.address(path, filters, before) if page.earlier else "",
        places.address(path, filters, after) if page.later else "",
    )


def row(known: FleetKey, health: Health, back: str) -> KeyRow:
    """Return a key as lists show it. back: the list's address."""
    key = known.key
    worst = health.worst
    titles = list(dict.fromkeys(fault.rule.title for fault in health.faults))
    hosts = [host_name(seen.host_name, seen.host_id) for seen in known.sightings]
    return KeyRow(
        name=name_of(key),
        href=places.key_address(key.key_id, back),
        firmware=firmware_text(known),
        line=line_of(known),
        tone=SOUND if worst is None else worst.value,
        state=LEVELS[worst],
        faults=titles[:_FAULTS_SHOWN],
        more_faults=max(0, len(titles) - _FAULTS_SHOWN),
        hosts=hosts[:_HOSTS_SHOWN],
        more_hosts=max(0, len(hosts) - _HOSTS_SHOWN),
        last_seen=day(key.last_seen),
        holder="" if known.custody.holder is None else plain(known.custody.holder.person),
    )


def firmware_text(known: FleetKey) -> str:
    """Return the firmware of a key as it is known, and whether hosts dispute it."""
    fact = known.key.facts.get("device.firmware")
    if fact is None:
        return "not known"
    return f"{value(fact.value)}, disputed" if fact.is_disputed else value(fact.value)


def line_of(known: FleetKey) -> str:
    """Return which products a key can be."""
    return line_text(lines_in(line_word(as_report(known.key))))


def verdict_of(exposure: Exposure) -> tuple[str, str]:
    """Return how an advisory hits a key: a class, and words."""
    if exposure.affected is Affected.UNKNOWN:
        return "unknown", "Nobody can say whether it is affected"
    if exposure.affected is Affected.NO:
        return SOUND, "Not affected"
    return {
        Exposed.YES: (Level.DANGER.value, "Affected, and exposed"),
        Exposed.UNKNOWN: (Level.WARNING.value, "Affected; whether it is exposed is not known"),
        Exposed.NO: (Level.NOTICE.value, "Affected, not exposed"),
    }[exposure.exposed]
