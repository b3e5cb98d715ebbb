"""P2 and P5: the store and the service's counts are held against the ledger."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.proof.counters import Counters
from loadtest.proof.evidence import Evidence
from loadtest.proof.finding import Result
from loadtest.proof.snapshot import Snapshot, Standing, answers_counted
from loadtest.records import NO_ANSWER, Behaviour
from tests.loadtest.proof.history import ATTEMPTS, KEYS, Attempt, honest, played, record
from validation.status import Status

KEY = KEYS[0]
S = 1_000_000
NOTHING = Standing(None, None, None)


def at(from_us: int, counters: tuple[int, int] | None, until_us: int | None = None) -> Snapshot:
    standing = NOTHING if counters is None else Standing(counters, from_us, 7)
    return Snapshot(from_us, from_us if until_us is None else until_us, {KEY: standing})


def p2(*snapshots: Snapshot, records: tuple[tuple[str, int, int], ...]) -> Result:
    history = [record(status, sent_us, use=use) for status, sent_us, use in records]
    return played(history, Counters(snapshots, [KEY]))[0]


OK_THEN_OK = ((Status.OK, 100, 1), (Status.OK, 200, 2))


def test_a_store_that_stands_where_the_answers_put_it_is_right() -> None:
    result = p2(at(0, None), at(150, (1, 1)), at(300, (1, 2)), records=OK_THEN_OK)
    assert (result.violations, result.checked) == (0, 3)


@pytest.mark.parametrize(
    ("snapshots", "reason"),
    [
        ((at(0, None), at(300, (1, 1))), "went back to"),
        ((at(0, None), at(300, None)), "went back to"),
        ((at(0, None), at(150, (1, 0)), at(300, (1, 2))), "went back to"),
        ((at(0, (1, 9)), at(300, (1, 2))), "went back to"),
        ((at(0, None), at(300, (1, 3))), "only"),
        ((at(0, None), at(150, (1, 2)), at(300, (1, 2))), "only"),
        ((at(0, None), Snapshot(300, 300, {})), "not in the store"),
    ],
)
def test_a_counter_that_went_back_or_too_far_is_found(
    snapshots: tuple[Snapshot, ...], reason: str
) -> None:
    result = p2(*snapshots, records=OK_THEN_OK)
    assert result.violations == 1
    assert reason in result.examples[0]


def test_between_request_and_answer_the_store_may_stand_before_or_after() -> None:
    for counters in ((1, 1), (1, 2)):
        result = p2(at(0, None), at(205, counters), at(300, (1, 2)), records=OK_THEN_OK)
        assert result.violations == 0


def test_an_unknown_outcome_may_have_moved_the_counter_and_a_refusal_may_not() -> None:
    for status, violations in [
        (NO_ANSWER, 0),
        (Status.BACKEND_ERROR, 0),
        (Status.OPERATION_NOT_ALLOWED, 1),
        (Status.BAD_SIGNATURE, 1),
    ]:
        records = ((Status.OK, 100, 1), (status, 200, 2))
        assert p2(at(0, None), at(300, (1, 2)), records=records).violations == violations
        assert p2(at(0, None), at(300, (1, 1)), records=records).violations == 0


@given(ATTEMPTS)
def test_an_honest_store_violates_nothing_whenever_it_is_read(attempts: list[Attempt]) -> None:
    history = honest(attempts)
    decided = sorted(attempts, key=lambda one: one.decided_us)
    stored: dict[str, tuple[int, int]] = {}
    snapshots = [Snapshot(-1, -1, dict.fromkeys(KEYS, NOTHING))]
    presents = {Behaviour.CROWDED, Behaviour.REPLAYED}
    for one in decided:
        if one.behaviour in presents and (1, one.use) > stored.get(one.key, (-1, -1)):
            stored[one.key] = (1, one.use)
        after = dict.fromkeys(KEYS, NOTHING) | {
            key: Standing(counters, 0, 7) for key, counters in stored.items()
        }
        later = [each.decided_us for each in decided if each.decided_us > one.decided_us]
        if not later or one.decided_us + 1 < min(later):
            is_last = [each for each in decided if each.decided_us == one.decided_us][-1] is one
            if is_last:
                moment_us = one.decided_us + 1
                snapshots.append(Snapshot(moment_us, moment_us, after))
    heard = [each for each in history if each.status != NO_ANSWER]
    # What a replayed OTP of unknown outcome did is not known to be impossible.
    unheard = [
        each._replace(behaviour=Behaviour.CROWDED) for each in history if each.status == NO_ANSWER
    ]
    (result,) = played([*heard, *unheard], Counters(snapshots, KEYS))
    assert result.violations == 0


def evidence(
    last: Snapshot | None, counted: Mapping[str, int] | None, *, alone: bool = True
) -> Result:
    history = [
        record(Status.OK, 10 * S, took_us=S // 2, use=1),
        record(Status.OK, 20 * S, took_us=S // 2, use=2),
        record(Status.REPLAYED_OTP, 30 * S, use=2, behaviour=Behaviour.REPLAYED),
    ]
    return played(history, Evidence([last] if last else [], counted, alone=alone))[0]


def last_ok(accepted_us: int | None = 20 * S, client_id: int | None = 7) -> Snapshot:
    return Snapshot(0, 0, {KEY: Standing((1, 2), accepted_us, client_id)})


COUNTED = {"OK": 2, "REPLAYED_OTP": 1}


def test_every_ok_that_was_heard_is_counted_and_the_last_has_its_time_and_client() -> None:
    result = evidence(last_ok(), COUNTED)
    assert (result.violations, result.checked) == (0, 3)


@pytest.mark.parametrize(
    ("last", "counted", "reason"),
    [
        (last_ok(), COUNTED | {"OK": 1}, "2 answers OK were heard, the service counted 1"),
        (last_ok(), COUNTED | {"OK": 3}, "counted 1 answers more"),
        (last_ok(19 * S), COUNTED, "no record of the time"),
        (last_ok(21 * S), COUNTED, "no record of the time"),
        (last_ok(None), COUNTED, "no record of the time"),
        (last_ok(20 * S, 8), COUNTED, "recorded for client 8"),
    ],
)
def test_evidence_that_is_missing_or_too_much_is_found(
    last: Snapshot, counted: dict[str, int], reason: str
) -> None:
    result = evidence(last, counted)
    assert result.violations == 1
    assert reason in result.examples[0]


def test_every_reading_of_the_store_is_compared_not_only_the_last() -> None:
    history = [record(Status.OK, 10 * S, use=1), record(Status.OK, 20 * S, use=2)]
    wrong = Snapshot(0, 0, {KEY: Standing((1, 1), 9 * S, 7)})
    (result,) = played(history, Evidence([wrong, last_ok()], None, alone=False))
    assert (result.violations, result.checked) == (1, 2)


def test_what_others_asked_meanwhile_is_no_contradiction() -> None:
    assert evidence(last_ok(), COUNTED | {"OK": 99}, alone=False).violations == 0


def test_what_was_not_read_is_said_to_be_unchecked() -> None:
    result = evidence(None, None)
    assert (result.checked, result.violations) == (0, 0)
    assert "--metrics" in result.note
    assert "--keystead" in result.note
    assert "not checked" in p2(records=OK_THEN_OK).note


@given(
    st.dictionaries(
        st.text("cbde", max_size=4),
        st.builds(
            Standing,
            st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
            st.none() | st.integers(0, 10**15),
            st.none() | st.integers(1, 9),
        ),
    ),
    st.integers(0, 10**15),
)
def test_a_snapshot_is_the_same_after_it_was_written_and_read(
    keys: dict[str, Standing], from_us: int
) -> None:
    snapshot = Snapshot(from_us, from_us + 5, keys)
    assert Snapshot.parse(snapshot.line()) == snapshot
    json.loads(snapshot.line())


def test_the_services_counts_are_read_from_its_metrics() -> None:
    text = (
        "# TYPE keystead_verify_responses_total counter\n"
        'keystead_verify_responses_total{status="OK"} 12.0\n'
        'keystead_verify_responses_total{status="BAD_OTP"} 1e+03\n'
        'keystead_rate_limited_total{bucket="client"} 4.0\n'
    )
    assert answers_counted(text) == {"OK": 12, "BAD_OTP": 1000}
    assert answers_counted("<html>") == {}
