"""What of maintenance counts: windows as they were announced, and the phase of a moment. Pure.

Whether a window counts is `server.incidents.availability.Window`'s to say; here its history is
only put into that form. Seconds that were announced before keep the time of their announcement
when a plan changes; seconds that a change adds are a window of their own, announced then.
"""

import enum
from collections.abc import Iterable, Sequence

from server.incidents.availability import Window
from server.incidents.intervals import Span, union, without
from server.maintenance.plan import Component, Maintenance, Step

_US = 1_000_000


class Phase(enum.StrEnum):
    """What the service owes at a moment: the promise, or what was announced instead."""

    SERVICE = "service"
    MAINTENANCE = "maintenance"


def windows(maintenance: Maintenance) -> list[Window]:
    """Return everything that was announced, what was taken back included, in order of starts."""
    standing: list[Window] = []
    ended: list[Window] = []
    for record in maintenance.public:
        if record.step is Step.CANCEL:
            ended += [_ended(window, record.at_us) for window in standing]
            standing = []
        elif record.step in {Step.ANNOUNCE, Step.CHANGE}:
            new = record.plan.span
            kept = [
                window._replace(span=window.span.clipped(new))
                for window in standing
                if window.span.clipped(new).seconds
            ]
            ended += [
                _ended(window._replace(span=left), record.at_us)
                for window in standing
                for left in without([window.span], [new])
            ]
            added = without([new], union(window.span for window in kept))
            # Whole seconds: within the second before a start is before it.
            told = record.at_us // _US
            standing = sorted([*kept, *(Window(span, told, None) for span in added)])
    return sorted([*standing, *ended], key=lambda window: window.span)


def _ended(window: Window, at_us: int) -> Window:
    # Rounded up: what is taken back within the second after its start had begun.
    return window._replace(cancelled_at=-(-at_us // _US))


def counting_spans(
    maintenances: Iterable[Maintenance], component: Component, notice_s: int
) -> list[Span]:
    """Return the seconds that are left out of a component's availability, apart and in order."""
    return union(
        window.span
        for maintenance in maintenances
        if maintenance.plan.component is component
        for window in windows(maintenance)
        if window.counts(notice_s)
    )


def phase_at(spans: Sequence[Span], now_s: int) -> Phase:
    """Return the phase of a second, given the spans that count."""
    within = any(span.start <= now_s < span.end for span in spans)
    return Phase.MAINTENANCE if within else Phase.SERVICE


def next_edge(spans: Sequence[Span], now_s: int) -> int | None:
    """Return the next second after this one at which the phase may be another."""
    return min((edge for span in spans for edge in span if edge > now_s), default=None)
