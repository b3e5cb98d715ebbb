"""Cases of availability as JSON, and their figures: what `keystead availability compute` speaks.

Whoever is handed a report can put its intervals into this form and compute it again.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from server.incidents.availability import Availability, Case, Incident, Window
from server.incidents.figures import floored, fraction, rational
from server.incidents.instants import InstantError, parse_instant
from server.incidents.intervals import Span
from server.incidents.minutes import Minute, MinutesSummary, Rule

_PART = re.compile(r"[0-9]{1,18}(/0{0,17}[1-9][0-9]{0,17}|\.[0-9]{1,18})?", re.ASCII)


class CaseError(ValueError):
    """The case cannot be computed; the message names the place and what is wrong there."""


def read_case(value: object) -> Case:
    """Read `period, as_of, incidents, maintenance, unknown`; CaseError."""
    case = _mapping(value, "the case")
    period = _span(case.get("period"), "period")
    return Case(
        period=period,
        as_of=_instant(case.get("as_of"), "as_of"),
        incidents=[
            _incident(_mapping(one, place), place) for place, one in _listed(case, "incidents")
        ],
        maintenance=[
            _window(_mapping(one, place), place) for place, one in _listed(case, "maintenance")
        ],
        unknown=[_span_of(one, place) for place, one in _listed(case, "unknown")],
    )


def read_minutes(value: object) -> tuple[list[Minute], Rule]:
    """Read `slices, min_requests, bad_slice_ratio`; CaseError."""
    case = _mapping(value, "the case")
    ratio = case.get("bad_slice_ratio")
    rule = Rule(
        min_requests=_count(case.get("min_requests", 1), "min_requests"),
        bad_ratio=None if ratio is None else _part(ratio, "bad_slice_ratio"),
    )
    if not rule.min_requests:
        raise CaseError("min_requests: at least 1, for no request says nothing")
    minutes = [
        Minute(*(_count(_mapping(one, place).get(name, 0), place) for name in Minute._fields))
        for place, one in _listed(case, "slices")
    ]
    return minutes, rule


def write_availability(result: Availability) -> dict[str, object]:
    """Return the figures under the names that reports use; decimals are cut off, never rounded."""
    return {
        "period_s": result.period_s,
        "maintenance_s": result.maintenance_s,
        "unknown_s": result.unknown_s,
        "known_s": result.known_s,
        "eligible_s": result.eligible_s,
        "downtime_s": rational(result.downtime_s),
        "availability": floored(result.availability),
        "availability_exact": fraction(result.availability),
        "availability_low": floored(result.low),
        "availability_high": floored(result.high),
        "coverage": floored(result.coverage),
        "budget_allowed_s": rational(result.budget_allowed_s),
        "budget_remaining_s": rational(result.budget_remaining_s),
        "verdict": result.verdict.value,
        "budget_full_period_s": rational(result.budget_full_period_s),
    }


def write_minutes(result: MinutesSummary) -> dict[str, object]:
    """Return what minutes come to, under the names that reports use."""
    return {
        "known_slices": result.known,
        "unknown_slices": result.unknown,
        "bad_slices_weight": rational(result.weight),
        "availability": floored(result.availability),
        "request_ratio": floored(result.request_ratio),
    }


def _incident(one: Mapping[str, Any], place: str) -> Incident:
    start, end = _instant(one.get("start"), f"{place}.start"), one.get("end")
    if end is not None:
        end = _instant(end, f"{place}.end")
        _forwards(start, end, place)
    return Incident(start, end, _part(one.get("impact"), f"{place}.impact"))


def _window(one: Mapping[str, Any], place: str) -> Window:
    return Window(
        _span_of(one, place),
        _instant_or_none(one, "announced_at", place),
        _instant_or_none(one, "cancelled_at", place),
    )


def _span_of(value: object, place: str) -> Span:
    """Read `{"start": ..., "end": ...}` or `[start, end]`."""
    if isinstance(value, Mapping):
        return _span([value.get("start"), value.get("end")], place)
    return _span(value, place)


def _span(value: object, place: str) -> Span:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - a start and an end
        raise CaseError(f"{place}: a start and an end are wanted, [start, end)")
    start, end = (_instant(edge, place) for edge in value)
    _forwards(start, end, place)
    return Span(start, end)


def _forwards(start: int, end: int, place: str) -> None:
    if end < start:
        raise CaseError(f"{place}: it ends before it starts. Are the two exchanged?")


def _instant_or_none(one: Mapping[str, Any], name: str, place: str) -> int | None:
    value = one.get(name)
    return None if value is None else _instant(value, f"{place}.{name}")


def _instant(value: object, place: str) -> int:
    try:
        return parse_instant(value)
    except InstantError as error:
        raise CaseError(f"{place}: {error}") from error


def _part(value: object, place: str) -> Fraction:
    """Read a share: more than 0, at most 1, as `1/2`, `0.5` or a whole number."""
    text = "" if isinstance(value, bool) else str(value)
    # No exponents: 1e-999999999 is short to write and has a denominator that fills the memory.
    if not _PART.fullmatch(text):
        raise CaseError(f'{place}: {text[:40]!r} is no fraction such as "1" or "1/2"')
    part = Fraction(text)
    if not 0 < part <= 1:
        raise CaseError(f"{place}: {value} is not more than 0 and at most 1")
    return part


def _count(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CaseError(f"{place}: {value!r} is no number of requests")
    return value


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CaseError(f"{place}: an object with named fields is wanted")
    return value


def _listed(case: Mapping[str, Any], name: str) -> list[tuple[str, object]]:
    """Return the entries of a list with the place that an error names."""
    entries = case.get(name, [])
    if not isinstance(entries, list):
        raise CaseError(f"{name}: a list is wanted")
    return [(f"{name}[{at}]", one) for at, one in enumerate(entries)]
