"""What may be done with an incident, and in which words the rest is refused."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents import decisions
from server.incidents.decisions import (
    AmendingError,
    Decision,
    Given,
    IncidentStateError,
    Situation,
    same_rule,
    take,
)
from server.incidents.record import (
    Affected,
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Component,
    Confirmation,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
    Severity,
    State,
    Step,
    Update,
)
from server.incidents.words import IncidentInputError, checked_title, checked_words
from tests.server.incidents.histories import EVE, OPENED_US, SYSTEM, incident, opening

NOW_US = OPENED_US + 3600 * 1_000_000
NOW_S = NOW_US // 1_000_000


def run(decision: Decision, known: Incident | None, *beside: Incident) -> Sequence[Record]:
    return decision(Situation(NOW_US, known, beside))


def after(decision: Decision, known: Incident) -> Incident:
    return known._replace(history=(*known.history, *run(decision, known)))


def an_opening() -> Opening:
    detail = opening().detail
    assert isinstance(detail, Opening)
    return detail


def taken() -> Incident:
    return incident((Step.ACKNOWLEDGED, 1, EVE))


def test_who_tells_something_of_an_open_incident_takes_it_on() -> None:
    told = Given(Step.UPDATE, EVE, "We look at it.", Update(public=True))
    assert [one.step for one in run(decisions.tell(told), incident())] == [
        Step.ACKNOWLEDGED,
        Step.UPDATE,
    ]
    assert [one.step for one in run(decisions.tell(told), taken())] == [Step.UPDATE]
    automatic = told._replace(author=SYSTEM)
    assert [one.step for one in run(decisions.tell(automatic), incident())] == [Step.UPDATE]


def test_a_severity_that_was_not_proposed_needs_a_reason_and_every_assignment_is_kept() -> None:
    with pytest.raises(IncidentInputError, match=r"severity 1 was proposed .* unavailable"):
        run(decisions.assign(Severity.SEV_2, EVE, ""), taken())
    one = after(decisions.assign(Severity.SEV_2, EVE, "half of them get through"), taken())
    one = after(decisions.assign(Severity.SEV_1, EVE, ""), one)
    assert [given.severity for _, given in one.assignments] == [Severity.SEV_2, Severity.SEV_1]


def test_nothing_is_resolved_without_a_severity_and_the_worst_not_without_a_summary() -> None:
    with pytest.raises(IncidentStateError, match="nobody has assigned a severity to incident 1"):
        run(decisions.resolve(EVE, "done"), taken())
    one = after(decisions.assign(Severity.SEV_1, EVE, ""), taken())
    with pytest.raises(IncidentInputError, match="resolved with a summary"):
        run(decisions.resolve(EVE, ""), one)
    assert after(decisions.resolve(EVE, "a disk was full"), one).state is State.RESOLVED
    lesser = after(decisions.assign(Severity.SEV_4, EVE, "a question"), taken())
    assert after(decisions.resolve(EVE, ""), lesser).state is State.RESOLVED
    # The worst it ever was decides, not what it is in the end.
    lowered = after(decisions.assign(Severity.SEV_4, EVE, "over"), one)
    with pytest.raises(IncidentInputError, match="resolved with a summary"):
        run(decisions.resolve(EVE, ""), lowered)


def test_a_loss_that_goes_on_keeps_it_from_being_resolved() -> None:
    one = after(decisions.assign(Severity.SEV_3, EVE, "few"), taken())
    one = after(decisions.confirm([Loss(NOW_S - 60, None, Fraction(1))], EVE, ""), one)
    with pytest.raises(IncidentInputError, match="has no end: confirm when it ended"):
        run(decisions.resolve(EVE, "done"), one)
    one = after(decisions.confirm([Loss(NOW_S - 60, NOW_S - 5, Fraction(1))], EVE, ""), one)
    assert after(decisions.resolve(EVE, "done"), one).state is State.RESOLVED


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (Loss(NOW_S + 1, None, Fraction(1)), "the start, .* is in the future"),
        (Loss(NOW_S - 5, NOW_S - 5, Fraction(1)), "is not after the start"),
        (Loss(NOW_S - 5, NOW_S - 9, Fraction(1)), "is not after the start"),
        (Loss(NOW_S - 5, NOW_S + 9, Fraction(1)), "the end, .* is in the future"),
    ],
)
def test_losses_that_cannot_be_are_refused(loss: Loss, words: str) -> None:
    with pytest.raises(IncidentInputError, match=words):
        run(decisions.confirm([loss], EVE, ""), taken())


def test_what_was_confirmed_is_changed_after_the_resolution_only_with_a_reason() -> None:
    loss = Loss(NOW_S - 60, NOW_S - 5, Fraction(1))
    one = after(decisions.assign(Severity.SEV_3, EVE, "few"), taken())
    one = after(decisions.resolve(EVE, "done"), after(decisions.confirm([loss], EVE, ""), one))
    with pytest.raises(IncidentInputError, match="give a reason for the change"):
        run(decisions.confirm([], EVE, ""), one)
    assert after(decisions.confirm([], EVE, "another machine's"), one).losses == ()


def test_who_opens_it_again_or_names_other_clients_needs_that_reason_too() -> None:
    loss = Loss(NOW_S - 60, NOW_S - 5, Fraction(1))
    one = after(decisions.assign(Severity.SEV_3, EVE, "few"), taken())
    one = after(decisions.resolve(EVE, "done"), after(decisions.confirm([loss], EVE, ""), one))
    with pytest.raises(IncidentInputError, match="why it concerns others"):
        run(decisions.affect([7], EVE, ""), one)
    assert after(decisions.affect([], EVE, ""), one).clients == ()
    assert after(decisions.affect([7], EVE, "only theirs"), one).clients == (7,)
    again = after(take(Given(Step.REOPENED, EVE, "not over")), one)
    for decision in (decisions.confirm([], EVE, ""), decisions.affect([7], EVE, "")):
        with pytest.raises(IncidentInputError, match="give a reason"):
            run(decision, again)


def test_an_amendment_needs_a_reason_and_seconds_that_are_over() -> None:
    amendment = Amendment(NOW_S - 60, NOW_S, Fraction(0))
    with pytest.raises(IncidentInputError, match="needs a reason"):
        run(decisions.amend(amendment, EVE, ""), taken())
    with pytest.raises(IncidentInputError, match="in the future"):
        run(decisions.amend(amendment._replace(end=NOW_S + 1), EVE, "wrong count"), taken())
    with pytest.raises(IncidentStateError, match="incident 1: an incident that is open"):
        run(decisions.amend(amendment, EVE, "wrong count"), incident())
    assert after(decisions.amend(amendment, EVE, "wrong count"), taken()).amendments == (amendment,)


def test_a_report_of_tomorrow_or_of_long_ago_is_refused() -> None:
    for reported_us, words in ((NOW_US + 1, "in the future"), (5, "more than a year old")):
        detail = an_opening()._replace(reported_us=reported_us)
        with pytest.raises(IncidentInputError, match=words):
            run(decisions.open_incident(detail, EVE), None)


def test_a_rule_has_one_incident_open_at_a_time() -> None:
    found = an_opening()._replace(origin=Origin.BURN_RATE)
    decision = decisions.open_by_rule(found, SYSTEM, "10 of 10 failed")
    known = Incident(3, tuple(run(decision, None)))
    assert [record.step for record in known.history] == [Step.OPENED, Step.NOTE]
    assert run(decision, None, known) == []
    assert same_rule([known], Origin.BURN_RATE, Component.VALIDATION) is known
    # Another rule, or another component, is another incident.
    assert same_rule([known], Origin.PROBE, Component.VALIDATION) is None
    assert same_rule([known], Origin.BURN_RATE, Component.UPLOAD) is None


def test_a_history_does_not_go_back_when_a_clock_does() -> None:
    one = incident((Step.ACKNOWLEDGED, 7200, EVE))
    (note,) = run(take(Given(Step.NOTE, EVE, "later")), one)
    assert note.at_us == one.history[-1].at_us > NOW_US


def test_a_step_that_cannot_be_taken_says_which_can() -> None:
    with pytest.raises(IncidentStateError, match=r"incident 1: .* open cannot be mitigated now"):
        run(take(Given(Step.MITIGATED, EVE)), incident())


def long_one(records: int) -> Incident:
    return incident((Step.ACKNOWLEDGED, 1, EVE), *[(Step.NOTE, 1, SYSTEM)] * (records - 2))


def test_an_endless_history_is_refused_and_can_be_ended() -> None:
    known = long_one(950)
    with pytest.raises(IncidentStateError, match="has 950 records: resolve it"):
        run(take(Given(Step.NOTE, EVE, "one more")), known)
    loss = Loss(NOW_S - 60, NOW_S - 5, Fraction(1))
    for decision in (
        decisions.assign(Severity.SEV_1, EVE, ""),
        decisions.confirm([loss], EVE, ""),
        decisions.resolve(EVE, "a disk was full"),
        take(Given(Step.REPORTED, EVE, "revision 1")),
    ):
        known = after(decision, known)
    assert known.state is State.RESOLVED
    with pytest.raises(IncidentStateError, match="has 1000 records"):
        run(decisions.assign(Severity.SEV_1, EVE, ""), long_one(decisions.MAX_RECORDS))


def test_a_rule_leaves_room_for_people() -> None:
    note = decisions.note_by_rule(Given(Step.NOTE, SYSTEM, "once more"))
    assert len(run(note, long_one(decisions.MAX_NOTES_BY_RULE - 1))) == 1
    assert run(note, long_one(decisions.MAX_NOTES_BY_RULE)) == []


PROBER = Author(AuthorKind.PROBER, "oslo")
ELSEWHERE = (
    Record(Step.OPENED, OPENED_US, PROBER, "", an_opening()._replace(origin=Origin.PROBE)),
    Record(Step.NOTE, OPENED_US + 1, PROBER, "eve was called"),
    Record(Step.ACKNOWLEDGED, OPENED_US + 9, EVE),
)


def test_a_history_from_elsewhere_keeps_its_times_and_a_persons_acknowledgement_counts() -> None:
    one = Incident(1, tuple(run(decisions.take_over(ELSEWHERE), None)))
    assert one.history == ELSEWHERE
    assert one.acknowledged_us == OPENED_US + 9
    assert run(decisions.take_over(ELSEWHERE), one) == []


def test_what_came_later_elsewhere_is_added_and_what_comes_too_late_becomes_a_note() -> None:
    one = Incident(1, tuple(run(decisions.take_over(ELSEWHERE[:2]), None)))
    assert run(decisions.take_over(ELSEWHERE), one) == [ELSEWHERE[2]]
    here = one._replace(history=(*one.history, Record(Step.ACKNOWLEDGED, NOW_US, EVE, "here")))
    (note,) = run(decisions.take_over(ELSEWHERE), here)
    assert (note.step, note.at_us, note.author) == (Step.NOTE, NOW_US, EVE)
    assert note.text.startswith("acknowledged elsewhere at 2026-")
    again = here._replace(history=(*here.history, note))
    assert run(decisions.take_over(ELSEWHERE), again) == []


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "begins with how it was opened"),
        (ELSEWHERE[1:], "begins with how it was opened"),
        ((ELSEWHERE[0], ELSEWHERE[0]), "no history goes like this"),
        ((ELSEWHERE[0], ELSEWHERE[2], ELSEWHERE[1]), "do not go back"),
        ((ELSEWHERE[0]._replace(at_us=OPENED_US - 1),), "do not go back"),
        ((ELSEWHERE[0], ELSEWHERE[1]._replace(at_us=NOW_US * 2)), "times to come"),
    ],
)
def test_a_history_that_cannot_be_is_not_taken_over(
    records: tuple[Record, ...], words: str
) -> None:
    with pytest.raises(IncidentInputError, match=words):
        run(decisions.take_over(records), None)


AMENDED = Amendment(OPENED_US // 1_000_000 - 3600, OPENED_US // 1_000_000, Fraction(0))
FORGED = (
    Record(Step.AMENDED, OPENED_US + 20, EVE, "all was well", AMENDED),
    Record(Step.CONFIRMED, OPENED_US + 20, EVE, "", Confirmation(())),
    Record(Step.AFFECTED, OPENED_US + 20, EVE, "", Affected((7,))),
    Record(Step.ASSIGNED, OPENED_US + 20, EVE, "", Assignment(Severity.SEV_4, Severity.SEV_1)),
    Record(Step.DISMISSED, OPENED_US + 20, EVE, "was none"),
    Record(Step.RESOLVED, OPENED_US + 20, EVE),
    Record(Step.NOTE, OPENED_US + 20, SYSTEM, "all is well"),
    Record(Step.UPDATE, OPENED_US + 20, PROBER, "all is well", Update(public=True)),
)


@pytest.mark.parametrize("forged", FORGED, ids=lambda one: one.step.value)
def test_a_probers_token_takes_no_step_that_is_a_persons_here(forged: Record) -> None:
    one = Incident(1, tuple(run(decisions.take_over(ELSEWHERE), None)))
    for known in (None, one):
        with pytest.raises(IncidentInputError, match="take that step here"):
            run(decisions.take_over((*ELSEWHERE, forged)), known)


@pytest.mark.parametrize("more", [{"origin": Origin.PERSON}, {"customer": 3}])
def test_a_prober_opens_nothing_in_the_name_of_somebody_else(more: dict[str, Any]) -> None:
    forged = ELSEWHERE[0]._replace(
        detail=an_opening()._replace(origin=Origin.PROBE)._replace(**more)
    )
    with pytest.raises(IncidentInputError, match="opened by a probe"):
        run(decisions.take_over((forged,)), None)


def test_what_is_handed_in_again_and_again_has_an_end() -> None:
    known = Incident(1, (*ELSEWHERE, *long_one(decisions.MAX_RECORDS).history[3:]))
    more = Record(Step.NOTE, NOW_US, PROBER, "another one")
    with pytest.raises(IncidentStateError, match="no more are taken over"):
        run(decisions.take_over((*ELSEWHERE, more)), known)


def test_another_history_under_the_same_reference_is_refused() -> None:
    one = Incident(5, ELSEWHERE)
    other = (ELSEWHERE[0]._replace(at_us=OPENED_US + 1),)
    with pytest.raises(IncidentInputError, match="incident 5 was handed in under this reference"):
        run(decisions.take_over(other), one)


@given(st.integers(1, 3), st.integers(0, 3))
def test_handing_in_again_and_again_adds_each_record_once(first: int, more: int) -> None:
    one = Incident(1, tuple(run(decisions.take_over(ELSEWHERE[:first]), None)))
    for upto in (first, min(3, first + more), 3, 3):
        one = one._replace(history=(*one.history, *run(decisions.take_over(ELSEWHERE[:upto]), one)))
    assert one.history == ELSEWHERE


@pytest.mark.parametrize("words", ["a\x1b[2J", "\u202egnp", "x" * 4001, "a\x00b"])
def test_words_that_drive_terminals_are_refused(words: str) -> None:
    with pytest.raises(IncidentInputError):
        checked_words(words)
    with pytest.raises(IncidentInputError):
        checked_title(words)


def test_words_keep_their_lines_and_a_title_is_one() -> None:
    assert checked_words(" one  \ntwo\n\n") == "one\ntwo"
    with pytest.raises(IncidentInputError, match="one line"):
        checked_title("one\ntwo")
    with pytest.raises(IncidentInputError, match="say why"):
        checked_words(" ", needed="say why")


def begun_elsewhere(number: int, name: str) -> Incident:
    first = ELSEWHERE[0]._replace(author=Author(AuthorKind.PROBER, name))
    return Incident(number, (first, *ELSEWHERE[1:]))


def test_a_prober_that_hands_in_one_incident_after_the_other_is_refused_at_last() -> None:
    most = decisions.MOST_OPEN_OF_A_PROBER
    decision = decisions.take_over(ELSEWHERE)
    of_others = [begun_elsewhere(100 + number, "bergen") for number in range(most)]
    here = [begun_elsewhere(number, "oslo") for number in range(1, most + 1)]
    assert run(decision, None, *here[1:], *of_others) == ELSEWHERE
    with pytest.raises(IncidentStateError, match="oslo has 5 incidents here that are not over"):
        run(decision, None, *here, *of_others)
    # What is here already goes on, and what was opened here counts for no prober.
    later = here[0]._replace(history=here[0].history[:2])
    assert run(decision, later, *here[1:]) == [ELSEWHERE[2]]
    own = [
        Incident(number, (Record(Step.OPENED, OPENED_US, EVE, "", an_opening()),))
        for number in range(9)
    ]
    assert run(decision, None, *own) == ELSEWHERE


def test_a_prober_that_takes_another_name_each_time_is_refused_as_well() -> None:
    here = [begun_elsewhere(at, f"prober{at}") for at in range(decisions.MOST_OPEN_OF_PROBERS)]
    assert run(decisions.take_over(ELSEWHERE), None, *here[1:]) == ELSEWHERE
    with pytest.raises(IncidentStateError, match="20 incidents of probers"):
        run(decisions.take_over(ELSEWHERE), None, *here)


def test_what_was_confirmed_is_taken_back_only_by_who_may_amend_and_with_a_reason() -> None:
    lost = Loss(NOW_S - 60, NOW_S, Fraction(1))
    one = after(decisions.confirm([lost], EVE, ""), taken())
    for known in (one, after(decisions.confirm([], EVE, "none after all"), one)):
        with pytest.raises(AmendingError, match=r"incident\.amend"):
            run(decisions.dismiss(EVE, "was none", may_amend=False), known)
        with pytest.raises(IncidentInputError, match="give a reason"):
            run(decisions.dismiss(EVE, "", may_amend=True), known)
        dismissed = after(decisions.dismiss(EVE, "was none", may_amend=True), known)
        assert dismissed.state is State.DISMISSED
    measured_only = after(decisions.dismiss(EVE, "was none", may_amend=False), taken())
    assert measured_only.state is State.DISMISSED
