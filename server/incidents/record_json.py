"""Records of incidents as JSON, and back: for the store, the ledger, the prober's spool, hand-ins.

`{"step": "assigned", "at_us": 1, "author": {"kind": "operator", "name": "eve"}, "text": "...",
"detail": {"severity": 2, "proposed": 1}}`. Impacts are fractions as text, "1/3".
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from server.incidents.record import (
    Affected,
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Component,
    Confirmation,
    Detail,
    Loss,
    Opening,
    Origin,
    Record,
    Severity,
    Step,
    Update,
)
from server.journal.acts import Json, State
from server.journal.canonical import MalformedError, exactly, member

MAX_TEXT = 4000
MAX_TITLE = 120
MAX_LOSSES = 100
MAX_CLIENTS = 1000

_FRACTION = re.compile(r"\d{1,20}(?:/[1-9]\d{0,19})?", re.ASCII)
_MAX_NUMBER = 2**53
_MAX_NAME = 200

_DETAILS: Mapping[Step, type] = {
    Step.OPENED: Opening,
    Step.UPDATE: Update,
    Step.ASSIGNED: Assignment,
    Step.CONFIRMED: Confirmation,
    Step.AFFECTED: Affected,
    Step.AMENDED: Amendment,
}
"""What detail a step has; the others have none."""


def write_record(record: Record) -> State:
    """Return a record as JSON; `read_record` is its inverse."""
    return {
        "step": record.step.value,
        "at_us": record.at_us,
        "author": {"kind": record.author.kind.value, "name": record.author.name},
        "text": record.text,
        "detail": write_detail(record.detail),
    }


def read_record(value: dict[str, Any]) -> Record:
    """Return the record that JSON holds; MalformedError."""
    exactly(value, frozenset(Record._fields))
    author: dict[str, Any] = member(value, "author", dict)
    exactly(author, frozenset(Author._fields))
    step = _one_of(Step, value, "step")
    return Record(
        step,
        _number(value, "at_us"),
        Author(_one_of(AuthorKind, author, "kind"), _text(author, "name", _MAX_NAME)),
        _text(value, "text", MAX_TEXT),
        read_detail(step, value["detail"]),
    )


def write_detail(detail: Detail) -> Json:
    """Return a detail as JSON, None for none."""
    match detail:
        case None:
            return None
        case Opening():
            names = ("component", "origin", "severity")
            return {**detail._asdict(), **{name: getattr(detail, name).value for name in names}}
        case Assignment():
            return {name: severity.value for name, severity in detail._asdict().items()}
        case Confirmation(losses):
            return {"losses": [{**loss._asdict(), "impact": str(loss.impact)} for loss in losses]}
        case Affected(clients):
            return {"clients": list(clients)}
        case Update() | Amendment():
            given = detail._asdict()
            return {name: given[name] if name != "impact" else str(given[name]) for name in given}


def read_detail(step: Step, value: object) -> Detail:
    """Return the detail of a step that JSON holds; MalformedError."""
    kind = _DETAILS.get(step)
    if kind is None:
        if value is not None:
            raise MalformedError(f"a record of the step {step.value!r} has no detail")
        return None
    if not isinstance(value, dict):
        raise MalformedError(f"a record of the step {step.value!r} needs a detail")
    exactly(value, frozenset(kind._fields))  # type: ignore[attr-defined] # all are named tuples
    read: Detail = _read[step](value)
    return read


def _opening(value: dict[str, Any]) -> Opening:
    customer = value["customer"]
    return Opening(
        _one_of(Component, value, "component"),
        _text(value, "title", MAX_TITLE),
        _one_of(Origin, value, "origin"),
        _severity(value, "severity"),
        _text(value, "sentence", MAX_TEXT),
        _number(value, "reported_us"),
        None if customer is None else _number(value, "customer"),
        member(value, "public", bool),
    )


def _assignment(value: dict[str, Any]) -> Assignment:
    return Assignment(_severity(value, "severity"), _severity(value, "proposed"))


def _confirmation(value: dict[str, Any]) -> Confirmation:
    losses: list[Any] = member(value, "losses", list)
    if len(losses) > MAX_LOSSES:
        raise MalformedError(f"more than {MAX_LOSSES} losses")
    return Confirmation(tuple(map(_loss, losses)))


def _loss(value: object) -> Loss:
    if not isinstance(value, dict):
        raise MalformedError("a loss is not a JSON object")
    exactly(value, frozenset(Loss._fields))
    end = None if value["end"] is None else _number(value, "end")
    loss = Loss(_number(value, "start"), end, _impact(value))
    if loss.impact == 0 or (end is not None and end <= loss.start):
        raise MalformedError("a loss of nothing, or one that ends before it begins")
    return loss


def _affected(value: dict[str, Any]) -> Affected:
    clients: list[Any] = member(value, "clients", list)
    if len(clients) > MAX_CLIENTS or any(
        type(one) is not int or not 0 < one <= _MAX_NUMBER for one in clients
    ):
        raise MalformedError(f'"clients" is not a list of at most {MAX_CLIENTS} Client IDs')
    return Affected(tuple(sorted(set(clients))))


def _update(value: dict[str, Any]) -> Update:
    return Update(member(value, "public", bool))


def _amendment(value: dict[str, Any]) -> Amendment:
    amendment = Amendment(_number(value, "start"), _number(value, "end"), _impact(value))
    if amendment.end <= amendment.start:
        raise MalformedError("an amendment that ends before it begins")
    return amendment


_read: Mapping[Step, Any] = {
    Step.OPENED: _opening,
    Step.UPDATE: _update,
    Step.ASSIGNED: _assignment,
    Step.CONFIRMED: _confirmation,
    Step.AFFECTED: _affected,
    Step.AMENDED: _amendment,
}


def read_impact(text: str) -> Fraction | None:
    """Return an impact of 0 to 1 written like `1/3` or `1`; None when it is none."""
    if _FRACTION.fullmatch(text) is None:
        return None
    impact = Fraction(text)
    return impact if impact <= 1 else None


def _impact(value: dict[str, Any]) -> Fraction:
    impact = read_impact(member(value, "impact", str))
    if impact is None:
        raise MalformedError('"impact" is not a fraction from 0 to 1, like 1/3')
    return impact


def _severity(value: dict[str, Any], name: str) -> Severity:
    try:
        return Severity(member(value, name, int))
    except ValueError:
        raise MalformedError(f'"{name}" is no severity from 1 to 4') from None


def _number(value: dict[str, Any], name: str) -> int:
    number: int = member(value, name, int)
    if not 0 <= number <= _MAX_NUMBER:
        raise MalformedError(f'"{name}" is not a number from 0 to 2^53')
    return number


def _text(value: dict[str, Any], name: str, largest: int) -> str:
    text: str = member(value, name, str)
    if len(text) > largest:
        raise MalformedError(f'"{name}" has more than {largest} characters')
    return text


def _one_of(kind: Any, value: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - one of that kind
    try:
        return kind(member(value, name, str))
    except ValueError:
        raise MalformedError(f'"{name}" is none of those that are known') from None
