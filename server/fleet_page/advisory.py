"""One advisory: which keys it hits, which of them are exposed, and on whose laptops. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.advisory import Advisory
from server.fleet.census_taker import Taken
from server.fleet.criterion import Decision, in_force
from server.fleet.exposure import Affected, Exposed, Exposure
from server.fleet.health import Health
from server.fleet.paging import Place
from server.fleet.view import Hits
from server.fleet_page import places
from server.fleet_page.decisions import DecisionRow, decision_rows
from server.fleet_page.keys import KeyRow, Turning, row, verdict_of
from server.fleet_page.overview import AdvisoryRow, advisory_row
from server.fleet_page.places import HIT_WORDS, HitFilter
from server.fleet_page.said import number
from server.fleet_page.software import hosts_address


class HitRow(NamedTuple):
    """A key that an advisory hits. verdict: in words."""

    key: KeyRow
    tone: str
    verdict: str


class Tab(NamedTuple):
    """Some of the keys. number: how many, "" where that is not known."""

    label: str
    number: str
    href: str
    is_shown: bool


class AdvisoryPage(NamedTuple):
    """Everything on it. looked_at: keys that were judged for it, "" when none are left.

    software: where the hosts are whose programs it is about, "" when it is about none.
    """

    row: AdvisoryRow
    cve: str
    explained: str
    note: str
    source: str
    decisions: Sequence[DecisionRow]
    software: str
    tabs: Sequence[Tab]
    rows: Sequence[HitRow]
    looked_at: str
    turning: Turning


def wants(filters: HitFilter, exposure: Exposure) -> bool:
    """Tell whether a key that an advisory hits is to be shown."""
    return {
        "": True,
        "affected": exposure.affected is Affected.YES,
        "exposed": exposure.exposed is Exposed.YES,
        "unknown": exposure.affected is Affected.UNKNOWN,
    }[filters.show]


def lay_out(
    advisory: Advisory,
    hits: Hits,
    judged: Sequence[Health],
    taken: Taken | None,
    *,
    filters: HitFilter,
    place: Place,
    decisions: Sequence[Decision] = (),
    is_on_software: bool = False,
) -> AdvisoryPage:
    """Return the page. judged: the health of each key; place: where it lies in the list."""
    about = advisory_row(advisory, taken, in_force(decisions))
    here = places.address(about.href, filters, place)
    beyond = None if hits.beyond is None else Place(hits.beyond)
    return AdvisoryPage(
        row=about,
        cve=advisory.cve or "",
        explained=advisory.explained,
        note=advisory.note,
        source=advisory.source,
        decisions=decision_rows(decisions, advisory.advisory_id),
        software=hosts_address(advisory.advisory_id) if is_on_software else "",
        tabs=_tabs(about, filters),
        rows=[
            HitRow(row(hit.known, health, here), *verdict_of(hit.exposure))
            for hit, health in zip(hits.keys, judged, strict=True)
        ],
        looked_at="" if beyond is None else number(hits.looked_at),
        turning=Turning(
            first=places.address(about.href, filters) if place.entry else "",
            later="" if beyond is None else places.address(about.href, filters, beyond),
        ),
    )


def _tabs(about: AdvisoryRow, filters: HitFilter) -> Sequence[Tab]:
    numbers = {"affected": about.affected, "exposed": about.exposed, "unknown": about.unknown}
    every = Tab("All that it may hit", "", about.href, not filters.show)
    return [every] + [
        Tab(
            word.capitalize(),
            numbers[word],
            places.address(about.href, HitFilter(word)),
            filters.show == word,
        )
        for word in HIT_WORDS
    ]
