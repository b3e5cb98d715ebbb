"""The proposed severity is the schedule's, with the sentence that it follows from."""

from itertools import product

import pytest

from server.incidents.severity import Reach, Severity, Situation, Workaround, propose
from server.incidents.states import TABLE, State, Step, StepRefusedError, step

NONE, MOST = Workaround.NONE, Reach.MOST


@pytest.mark.parametrize(
    ("situation", "severity"),
    [
        (Situation(unavailable=True), 1),
        (Situation(critical=True, reach=Reach.MANY, workaround=NONE), 1),
        (Situation(essential=True, reach=MOST, workaround=NONE), 1),
        (Situation(exposes_data=True), 1),
        (Situation(degraded_severely=True, reach=MOST, workaround=Workaround.NOT_PRACTICAL), 2),
        (Situation(warranted=True), 2),
        (Situation(degraded=True), 3),
        (Situation(critical=True, reach=Reach.MANY), 3),
        (Situation(degraded_severely=True, reach=MOST), 3),
        (Situation(severe=True), 3),
        (Situation(essential=True, reach=MOST), 3),
        (Situation(upload_or_keys=True), 3),
        (Situation(), 4),
    ],
)
def test_a_situation_has_the_level_whose_description_it_meets(
    situation: Situation, severity: int
) -> None:
    assert propose(situation).severity == severity


def test_lost_redundancy_while_requests_succeed_is_severity_3() -> None:
    proposal = propose(Situation(degraded=True))
    assert proposal.severity is Severity.SEV_3
    assert "no redundancy" in proposal.sentence


def test_a_worse_reach_or_workaround_never_makes_it_milder() -> None:
    flags = [name for name in Situation._fields if name not in {"reach", "workaround"}]
    for flag, reach, workaround in product(flags, Reach, Workaround):
        here = Situation(**{flag: True}, reach=reach, workaround=workaround)
        for worse in (
            here._replace(reach=Reach.MOST),
            here._replace(workaround=Workaround.NONE),
            here._replace(unavailable=True),
        ):
            assert propose(worse).severity <= propose(here).severity


def test_an_incident_is_resolved_only_by_way_of_a_persons_acknowledgement() -> None:
    with pytest.raises(StepRefusedError, match=r"acknowledged or .*dismissed is possible"):
        step(State.OPEN, Step.RESOLVED)
    resolved = step(step(State.OPEN, Step.ACKNOWLEDGED), Step.RESOLVED)
    assert step(resolved, Step.REOPENED) is State.ACKNOWLEDGED


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TABLE.values()) == set(State)
    assert {at for at, _ in TABLE} == {None, *State}
