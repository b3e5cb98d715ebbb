"""What was published stays; people write the analysis before anything is published."""

import pytest

from server.accounts.text import InputError
from server.incidents.record import Step
from server.reports import revisions
from server.reports.analysis import MAX_TEXT, NEEDED, Standing
from server.reports.revisions import Report, ReportDecision, ReportStateError, Scene
from tests.server.incidents.histories import incident
from tests.server.reports.analyses import at, facts

WRITTEN = dict.fromkeys(NEEDED, "We wrote this.")
T0 = 1_800_000_000_000_000


def do(report: Report, *decisions: ReportDecision, reason: str = "", now_us: int = T0) -> Report:
    for decision in decisions:
        record = decision(Scene(now_us, report, "operator eve", reason))
        report = report._replace(history=(*report.history, record))
    return report


NONE = Report(1, ())


def published() -> Report:
    return do(NONE, revisions.draft(facts()), revisions.edit(WRITTEN), revisions.publish)


def test_drafted_edited_and_published_it_is_revision_one() -> None:
    report = published()
    assert [one.step.value for one in report.history] == ["drafted", "edited", "published"]
    assert [one.revision for one in report.history] == [0, 0, 1]


@pytest.mark.parametrize("missing", NEEDED)
def test_data_alone_are_not_published(missing: str) -> None:
    texts = {**WRITTEN, missing: " \n "}
    report = do(NONE, revisions.draft(facts()), revisions.edit(texts))
    with pytest.raises(ReportStateError, match=missing):
        do(report, revisions.publish)


def test_what_is_published_has_no_internal_lines_and_the_draft_keeps_them() -> None:
    report = do(published(), revisions.edit({"remarks": "And this."}))
    assert not any(one.internal or one.note for one in report.history[2].analysis.facts.timeline)
    current = report.current
    assert current is not None
    assert any(one.internal for one in current.facts.timeline)


def test_a_revision_needs_a_reason_and_leaves_the_first_as_it_was() -> None:
    first = published()
    changed = do(first, revisions.edit({"cause": "Another cause."}))
    with pytest.raises(InputError, match="reason"):
        do(changed, revisions.publish)
    after = do(changed, revisions.publish, reason="the cause was another one")
    assert after.revision(1) == first.history[-1]
    second = after.revision(2)
    assert second is not None
    assert second.analysis.texts.cause == "Another cause."


def test_the_same_is_not_published_twice() -> None:
    with pytest.raises(ReportStateError, match="says the same"):
        do(published(), revisions.publish, reason="again")


def test_drafting_anew_keeps_what_people_wrote() -> None:
    report = do(published(), revisions.draft(facts(unknown=60)))
    current = report.current
    assert current is not None
    assert current.texts.summary == "We wrote this."
    assert current.facts.unknown != ()


def test_nothing_is_edited_or_published_before_it_is_drafted() -> None:
    for decision in (revisions.edit(WRITTEN), revisions.publish):
        with pytest.raises(ReportStateError, match="has no report yet"):
            do(NONE, decision)


def test_an_open_incident_has_no_report_to_publish() -> None:
    still_open = facts(incident(at(60, Step.ACKNOWLEDGED)))
    report = do(NONE, revisions.draft(still_open), revisions.edit(WRITTEN))
    with pytest.raises(ReportStateError, match="not resolved"):
        do(report, revisions.publish)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"facts": "x"}, "the texts summary"),
        ({"cause": "x" * (MAX_TEXT + 1)}, "longer than"),
        ({"cause": "a\x1b[2J"}, "cannot be shown"),
    ],
)
def test_what_cannot_be_written_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        revisions.edit(changes)


def test_an_edit_that_changes_nothing_is_no_step() -> None:
    with pytest.raises(InputError, match="nothing would change"):
        do(published(), revisions.edit(WRITTEN))


def test_the_first_publication_stops_the_clock_and_exactly_due_is_in_time() -> None:
    due = T0 // 1_000_000
    report = published()
    assert report.standing(due, due + 10) is Standing.MET
    assert report.standing(due - 1, due + 10) is Standing.MISSED
    assert NONE.standing(due, due) is Standing.RUNNING
    assert NONE.standing(due, due + 1) is Standing.MISSED
    assert NONE.standing(None, due) is None


def test_a_history_does_not_go_back_when_a_clock_does() -> None:
    report = do(do(NONE, revisions.draft(facts())), revisions.edit(WRITTEN), now_us=T0 - 5)
    assert report.history[1].at_us == T0
