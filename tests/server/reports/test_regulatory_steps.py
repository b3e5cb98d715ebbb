"""What is written down for authorities is judged by a person and lies in no time to come."""

import pytest

from server.accounts.text import InputError
from server.reports import regulatory_steps
from server.reports.regulatory import Regime, RegulatoryRecord, RegulatoryStep
from server.reports.regulatory_steps import (
    MAX_TEXT,
    MOST_RECORDS,
    RegulatoryDecision,
    RegulatoryScene,
    RegulatoryStateError,
)

NOW = 1_800_000_000
REPORTED = NOW - 3600


def do(*decisions: RegulatoryDecision) -> list[RegulatoryRecord]:
    records: list[RegulatoryRecord] = []
    for decision in decisions:
        scene = RegulatoryScene(NOW * 10**6, records, REPORTED * 10**6, "operator eve")
        records.append(decision(scene))
    return records


CLASSIFY = regulatory_steps.classify(Regime.DORA, None, "")


def test_awareness_is_the_report_unless_a_person_says_otherwise() -> None:
    assert do(CLASSIFY)[0].aware_s == REPORTED
    assert do(regulatory_steps.classify(Regime.DORA, NOW - 5, ""))[0].aware_s == NOW - 5
    with pytest.raises(InputError, match="a time to come"):
        do(regulatory_steps.classify(Regime.DORA, NOW + 5, ""))


def test_nothing_is_sent_before_anybody_knew_or_in_a_time_to_come() -> None:
    for when in (REPORTED - 1, NOW + 1):
        with pytest.raises(InputError, match="cannot have been sent"):
            do(CLASSIFY, regulatory_steps.note_sent(Regime.DORA, "final-report", when, ""))
    sent = regulatory_steps.note_sent(Regime.DORA, "initial-notification", REPORTED, "")
    assert do(CLASSIFY, sent)[1].when_s == REPORTED


def test_a_stage_of_another_regime_is_refused_with_the_names() -> None:
    with pytest.raises(InputError, match="initial-notification, intermediate-report"):
        regulatory_steps.note_sent(Regime.DORA, "early-warning", None, "")


def test_without_a_classification_nothing_is_sent_or_withdrawn() -> None:
    for decision in (
        regulatory_steps.note_sent(Regime.DORA, "final-report", None, ""),
        regulatory_steps.withdraw(Regime.DORA, "was a drill"),
    ):
        with pytest.raises(RegulatoryStateError, match="nobody has classified"):
            do(decision)


def test_whoever_withdraws_says_why() -> None:
    with pytest.raises(InputError, match="say why"):
        regulatory_steps.withdraw(Regime.DORA, " ")
    records = do(CLASSIFY, regulatory_steps.withdraw(Regime.DORA, "was a drill"), CLASSIFY)
    assert [one.step for one in records][1] is RegulatoryStep.WITHDRAWN


def test_texts_and_histories_have_an_end() -> None:
    with pytest.raises(InputError, match="at most"):
        regulatory_steps.classify(Regime.DORA, None, "x" * (MAX_TEXT + 1))
    with pytest.raises(InputError, match="can be shown"):
        regulatory_steps.classify(Regime.DORA, None, "\x1b")
    sent = regulatory_steps.note_sent(Regime.DORA, "final-report", None, "")
    with pytest.raises(RegulatoryStateError, match="not kept"):
        do(CLASSIFY, *[sent] * MOST_RECORDS)
