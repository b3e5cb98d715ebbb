"""A draft says what the records and the counts say, no more, and what they do not say."""

from fractions import Fraction

from server.incidents.record import Confirmation, Loss, Step
from server.reports.analysis import Analysis, Texts
from server.reports.drafting import span_of
from server.reports.markdown import write_markdown
from server.reports.paper import write_paper
from tests.server.incidents.histories import incident
from tests.server.reports.analyses import NOW, OPENED, an_incident, at, facts


def test_an_incidents_time_goes_from_the_first_lost_second_to_its_resolution() -> None:
    before = Loss(OPENED - 60, OPENED + 10, Fraction(1))
    one = incident(
        at(60, Step.ACKNOWLEDGED),
        at(70, Step.CONFIRMED, "", Confirmation((before,))),
        at(90, Step.RESOLVED),
    )
    assert span_of(one, NOW) == (OPENED - 60, OPENED + 90)


def test_the_time_of_an_open_incident_lasts_until_now() -> None:
    assert span_of(incident(), NOW) == (OPENED, NOW)
    assert span_of(incident(), OPENED - 100).seconds > 0


def test_the_timeline_has_every_record_in_order() -> None:
    found = facts()
    history = an_incident().history
    assert [one.at for one in found.timeline] == [one.at_us // 1_000_000 for one in history]
    assert [one.what for one in found.timeline][:3] == ["opened", "note", "acknowledged"]
    assert found.timeline[3].what == "severity 1 assigned"


def test_no_name_of_a_person_is_in_the_facts() -> None:
    assert "eve" not in str(facts().model_dump()).lower().replace("severity", "")
    assert {one.by for one in facts().timeline} == {"a person", "the system"}


def test_only_what_was_told_to_all_leaves_the_house() -> None:
    text = write_markdown(write_paper(Analysis(facts=facts()).public(), (), 1))
    assert "We know the cause." in text
    for kept in ("password", "Ask Bob", "burn rate", "as proposed"):
        assert kept not in text


def test_who_edits_sees_what_operators_wrote_for_each_other() -> None:
    text = write_markdown(write_paper(Analysis(facts=facts()), (), 0))
    for kept in ("password of the database", "Ask Bob", "burn rate 20"):
        assert kept in text
    assert "Nobody has written this yet." in text


def test_a_customer_reads_the_figures_of_their_own_clients_only() -> None:
    shown = Analysis(facts=facts()).for_clients(frozenset({12}))
    assert [one.client for one in shown.facts.impacts] == [0, 12]
    assert shown.facts.clients == (12,)


def test_impact_and_effect_are_exact() -> None:
    found = facts()
    assert found.impacts[1].downtime_s == Fraction(3151, 2)
    assert found.effects[0].lost_s == 900
    assert found.effects[0].seconds.figures.downtime_s == 901
    text = write_markdown(write_paper(Analysis(facts=found), (), 0))
    assert "3151/2 s (1,575.5 s)" in text


def test_a_report_says_what_is_not_known() -> None:
    assert facts().unknown == ()
    assert any("120 s of the incident's time" in one for one in facts(unknown=120).unknown)
    words = " ".join(facts(incident()).unknown)
    for missing in ("not resolved", "confirmed", "assigned a severity", "which clients"):
        assert missing in words


def test_a_report_is_read_back_as_it_was_stored() -> None:
    analysis = Analysis(facts=facts(unknown=5), texts=Texts(summary="a\n\nb"))
    assert Analysis.model_validate(analysis.state()) == analysis
    assert analysis.state()["facts"]["reported"] == "2026-09-21T14:13:20Z"  # type: ignore[call-overload, index]
