"""The list of hosts: how far their reports are, and what is wrong with them. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.hosts import Host, HostState
from server.fleet.paging import Page
from server.fleet_page import places
from server.fleet_page.keys import Turning, turning
from server.fleet_page.overview import SOUND
from server.fleet_page.places import HostFilter, KeyFilter
from server.fleet_page.said import counted, host_name, number, plain
from server.pages import words

_DAY_US = 86_400_000_000


class HostRow(NamedTuple):
    """A host. notes: what is wrong with it, each with its class; facts: names and what they are."""

    name: str
    keys: str
    tone: str
    state: str
    notes: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]


class HostList(NamedTuple):
    """A page of hosts."""

    filters: HostFilter
    rows: Sequence[HostRow]
    turning: Turning


def lay_out(page: Page[Host], filters: HostFilter, now_us: int) -> HostList:
    """Return a page of hosts at a time (microseconds since the epoch)."""
    rows = [_row(host, now_us) for host in page.entries]
    ids = [host.host_id for host in page.entries]
    return HostList(filters, rows, turning(places.HOSTS, filters, page, ids))


def _row(host: Host, now_us: int) -> HostRow:
    notes = _notes(host, now_us)
    reported = "never" if host.reported_us is None else words.moment(host.reported_us)
    return HostRow(
        name=host_name(host.name, host.host_id),
        keys=places.address(places.KEYS, KeyFilter(host=host.name)),
        tone=notes[0][0] if notes else SOUND,
        state="Replaced" if host.state is HostState.REPLACED else "Active",
        notes=notes,
        facts=(
            ("Whose", plain(host.person) or "nobody said"),
            ("Last report", reported),
            ("Enrolled", words.moment(host.enrolled_us)),
            ("System", plain(f"{host.system} {host.release}".strip(), 80)),
            ("Agent", plain(host.agent, 40)),
            ("Reports", number(host.sequence)),
            ("Given up by the agent", number(host.dropped)),
            ("Id", host.host_id),
        ),
    )


def _notes(host: Host, now_us: int) -> list[tuple[str, str]]:
    """Return what is wrong with a host, the worst first."""
    notes: list[tuple[str, str]] = []
    if host.clashes:
        times = "once" if host.clashes == 1 else f"{number(host.clashes)} times"
        notes.append(
            ("danger", f"Another report came under a used number {times}: copied, or put back")
        )
    if host.altered:
        times = "once" if host.altered == 1 else f"{number(host.altered)} times"
        notes.append(("danger", f"It said otherwise than what a key proved of itself, {times}"))
    if host.missing:
        notes.append(("warning", f"{number(host.missing)} reports never came"))
    if host.state is HostState.REPLACED:
        notes.append(("notice", "Another enrolment has its place"))
        return notes
    if host.is_silent:
        days = (now_us - host.heard_us) // _DAY_US
        notes.append(("warning", f"Silent: nothing was heard of it for {counted(days, 'day')}"))
    if host.reported_us is None:
        notes.append(("notice", "No report ever came"))
    return notes
