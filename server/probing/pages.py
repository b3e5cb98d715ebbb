"""What the prober shows: the newest snapshot of the server, with what came since. Pure."""

from dataclasses import replace
from fractions import Fraction

from server.incidents.components import Component
from server.incidents.record import Incident
from server.probing.standing import Standing
from server.probing.vigil import Local
from server.status.compose import public_incident
from server.status.snapshot import ComponentView, Measured, PublicIncident, Snapshot

_US = 1_000_000
_SHOWN = 12


def probed(
    base: Snapshot | None,
    *,
    service: str,
    local: Local | None,
    standing: Standing,
    seen_us: int | None,
    now_us: int,
) -> Snapshot:
    """Return what everybody may know now. seen_us: when the newest round ended, None before any.

    base: None when the server was never read; then there is validation alone, as it was seen.
    """
    if base is None:
        alone = ComponentView(Component.VALIDATION, is_measured=True)
        base = Snapshot(service, now_us, (alone,))
    components = tuple(_seen(view, standing, seen_us) for view in base.components)
    incidents = base.incidents
    mine = None if local is None else _public(local)
    if mine is not None:
        # The server may know it by its number: here it is told with what came since.
        others = [one for one in incidents if one.reference != mine.reference]
        incidents = (mine, *others)
    return replace(base, components=components, incidents=incidents)


def _public(local: Local) -> PublicIncident | None:
    shown = public_incident(Incident(local.incident_id, local.history))
    if shown is None or local.incident_id:
        return shown
    return replace(shown, reference=local.reference[:_SHOWN])


def _seen(view: ComponentView, standing: Standing, seen_us: int | None) -> ComponentView:
    if view.component is not Component.VALIDATION or seen_us is None:
        return view
    until_s = seen_us // _US
    if view.measured is not None and view.measured.until_s > until_s:
        return view
    lost = Fraction(standing.bad > 0)
    return replace(view, is_measured=True, measured=Measured(until_s, lost))
