"""What follows from a history, and how records travel."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.record import (
    Affected,
    Assignment,
    Author,
    AuthorKind,
    Confirmation,
    Loss,
    Record,
    Severity,
    State,
    Step,
    Update,
)
from server.incidents.record_json import read_record, write_record
from server.incidents.states import TABLE, StepRefusedError
from server.journal.canonical import MalformedError, canonical, parse_object
from tests.server.incidents.histories import (
    EVE,
    OPENED_US,
    SYSTEM,
    any_records,
    incident,
    opening,
)

_SECOND = 1_000_000


def _assigned(severity: Severity, at_s: int = 1) -> Record:
    detail = Assignment(severity, Severity.SEV_1)
    return Record(Step.ASSIGNED, OPENED_US + at_s * _SECOND, EVE, "why", detail)


@given(any_records)
def test_a_record_comes_back_from_json_as_it_was(record: Record) -> None:
    assert read_record(json.loads(json.dumps(write_record(record)))) == record


@given(any_records, st.data())
def test_a_record_with_a_member_too_few_or_of_another_kind_is_refused(
    record: Record, data: st.DataObject
) -> None:
    value: dict[str, Any] = json.loads(json.dumps(write_record(record)))
    name = data.draw(st.sampled_from(sorted(value)))
    fewer = {key: one for key, one in value.items() if key != name}
    odd = value | {name: 1.5}
    for bad in (fewer, odd, value | {"more": 1}):
        with pytest.raises(MalformedError):
            read_record(bad)


@pytest.mark.parametrize("impact", ["1.5", "1/0", "-1/2", "3/2", "0.5", "1e3", "0"])
def test_a_loss_of_no_real_part_is_refused(impact: str) -> None:
    one = Record(Step.CONFIRMED, 1, EVE, "", Confirmation((Loss(1, 2, Fraction(1, 2)),)))
    text = canonical(write_record(one)).replace(b'"1/2"', f'"{impact}"'.encode())
    with pytest.raises(MalformedError):
        read_record(parse_object(text))


def test_a_severity_is_the_proposed_one_until_one_is_assigned_and_the_worst_is_remembered() -> None:
    assert incident().severity is incident().highest_severity is Severity.SEV_1
    one = incident(_assigned(Severity.SEV_3), _assigned(Severity.SEV_2), _assigned(Severity.SEV_4))
    assert one.severity is Severity.SEV_4
    assert one.highest_severity is Severity.SEV_2
    assert len(one.assignments) == 3


def test_only_a_person_acknowledges_and_an_update_is_an_acknowledgement() -> None:
    prober = Author(AuthorKind.PROBER, "oslo")
    machines = incident((Step.NOTE, 1, EVE), (Step.UPDATE, 2, SYSTEM), (Step.UPDATE, 3, prober))
    assert machines.acknowledged_us is None
    by_contact = (Step.UPDATE, 9, Author(AuthorKind.CONTACT, "7"))
    assert incident(by_contact).acknowledged_us == OPENED_US + 9 * _SECOND


def test_a_reopened_incident_is_not_resolved_and_resolved_again_at_the_later_time() -> None:
    steps = [(Step.ACKNOWLEDGED, 1, EVE), (Step.RESOLVED, 2, EVE)]
    assert incident(*steps).resolved_us == OPENED_US + 2 * _SECOND
    steps.append((Step.REOPENED, 3, EVE))
    assert incident(*steps).resolved_us is None
    steps.append((Step.RESOLVED, 4, EVE))
    assert incident(*steps).resolved_us == OPENED_US + 4 * _SECOND


def test_the_public_reads_states_and_public_updates_and_no_other_text() -> None:
    told = Record(Step.UPDATE, OPENED_US + 5, EVE, "We work on it.", Update(public=True))
    aside = Record(Step.UPDATE, OPENED_US + 6, EVE, "only for Acme", Update(public=False))
    note = Record(Step.NOTE, OPENED_US + 7, EVE, "the password was on the wall")
    taken = Record(Step.ACKNOWLEDGED, OPENED_US + 4, EVE, "eve is on it")
    one = incident(taken, told, aside, note)
    assert [(public.state, public.text) for public in one.public_updates] == [
        (State.OPEN, ""),
        (State.ACKNOWLEDGED, ""),
        (State.ACKNOWLEDGED, "We work on it."),
    ]


def test_what_was_opened_among_operators_is_public_once_something_is_told_to_all() -> None:
    private = opening(public=False)
    assert not incident((Step.ACKNOWLEDGED, 1, EVE), first=private).public_updates
    assert incident((Step.UPDATE, 1, EVE), first=private).public


def test_the_last_confirmation_and_the_last_list_of_clients_hold() -> None:
    first, second = Loss(1, None, Fraction(1)), Loss(1, 9, Fraction(1, 3))
    one = incident(
        (Step.ACKNOWLEDGED, 1, EVE),
        Record(Step.CONFIRMED, OPENED_US, EVE, "", Confirmation((first,))),
        Record(Step.AFFECTED, OPENED_US, EVE, "", Affected((4, 7))),
        Record(Step.CONFIRMED, OPENED_US, EVE, "", Confirmation((second,))),
        Record(Step.AFFECTED, OPENED_US, EVE, "", Affected(())),
    )
    assert one.losses == (second,)
    assert one.clients == ()


@given(st.lists(st.sampled_from(Step), max_size=8))
def test_a_history_goes_only_the_ways_of_the_table(steps: list[Step]) -> None:
    one = incident(*((step, at, EVE) for at, step in enumerate(steps, 1)))
    try:
        state = one.state
    except StepRefusedError:
        assert steps
        return
    moves = [step for step in steps if step in {taken for _, taken in TABLE}]
    at: State | None = State.OPEN
    for move in moves:
        at = TABLE[at, move]
    assert state is at
