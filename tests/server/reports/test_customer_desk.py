"""A customer's report from a real store, and the same again out of the ledger alone."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pytest

from server.incidents.desk import SpanText
from server.incidents.instants import parse_instant
from server.ledger.entry import Entry, Kind
from server.reports.customer import (
    Answer,
    CustomerReport,
    Question,
    ReportedLedger,
    compose,
    questions,
    request_of,
    span_of_month,
)
from server.reports.customer_desk import CustomerReportDesk
from server.reports.evidence import DayEvidence, EvidenceError
from server.reports.replay import LedgerError, Replay
from server.reports.revisions import ReportStateError
from server.reports.verification import Format, differences, read_claim, write_report
from server.uptime.desk import UptimeDesk
from server.usage.ports import MinuteRow, Parcel
from tests.server.reports.house import BAD, EVE, FIRST, House, counts

FIRST_DAY = FIRST // 86_400


def read(report: CustomerReport, entries: Sequence[Entry]) -> Replay:
    """Replay the entries of a ledger up to a report's."""
    replay = Replay(report.ledger)
    for entry in entries:
        replay.take(Entry.of_json(entry.to_json()))
    replay.close()
    return replay


def again(
    report: CustomerReport, entries: Sequence[Entry], evidence: Sequence[DayEvidence]
) -> CustomerReport:
    """Compute a report out of the ledger alone."""
    replay = read(report, entries)
    replay.prove(evidence)
    return replay.report(request_of(report))


async def test_a_report_is_as_of_the_last_day_in_the_ledger(here: House) -> None:
    report = await here.reports.report(1, "2026-10", "2026-11")
    assert report.as_of == parse_instant("2026-11-03T00:00:00Z")
    assert [(one.client, one.name) for one in report.clients] == [(1, "mail"), (2, "vpn")]
    assert report.ledger.sequence == len(await here.ledger())


async def test_figures_are_right_to_the_second(here: House) -> None:
    report = await here.reports.report(1, "2026-10", "2026-11")
    october, november = report.clients[0].months
    assert october.seconds.maintenance_s == 3630
    assert october.seconds.downtime_s == 0
    # Before anything was counted, nothing is known; the hour without a prober is in November.
    assert october.seconds.unknown_s == FIRST - span_of_month("2026-10").start
    assert november.seconds.unknown_s == 3600
    # Measured: a quarter of the minutes in which it was asked. Confirmed: half, from 9:59:30 on.
    asked = [
        minute for minute in range(BAD // 60, BAD // 60 + 30) if (minute - FIRST // 60) % 7 == 0
    ]
    late = [minute for minute in asked if minute * 60 >= BAD + 900]
    confirmed = Fraction(930, 2)
    assert november.seconds.downtime_s == confirmed + Fraction(60, 4) * len(late)
    assert (len(asked), len(late)) == (4, 2)


async def test_requests_are_added_up_by_what_they_say(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    first, second = (one.months[0].requests for one in report.clients)
    assert first.bad == 4
    assert first.excluded > 0
    assert second.bad == 0
    assert report.service.months[0].requests.total > first.total + second.total


async def test_the_plans_term_begins_within_a_month(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    term = report.clients[0].term
    assert term is not None
    assert term.start == parse_instant("2026-10-31T00:00:00Z")
    assert term.seconds.period_s == 3 * 86_400
    assert term.seconds.maintenance_s == 3630


@pytest.mark.parametrize("form", [Format.JSON, Format.CSV, Format.HTML])
async def test_the_ledger_alone_gives_the_same_report(here: House, form: Format) -> None:
    report = await here.reports.report(1, "2026-10", "2026-11")
    evidence = await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    computed = again(report, await here.ledger(), evidence)
    claim = read_claim(write_report(report, form).encode())
    assert differences(claim, compose(claim.request, claim.ledger, _answers(computed))) == []
    if form is Format.JSON:
        assert computed == report


def _answers(report: CustomerReport) -> Mapping[Question, Answer]:
    """Return a report's own figures as answers."""
    asked = questions(request_of(report))
    periods = [
        (one.client, period)
        for one in (report.service, *report.clients)
        for period in (*one.months, one.term)
        if period is not None
    ]
    return {
        question: Answer(period.requests, period.seconds.figures)
        for question, (_, period) in zip(asked, periods, strict=True)
    }


async def test_a_report_by_another_rule_than_the_ledgers_is_found(here: House) -> None:
    right = await here.reports.report(1, "2026-10", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    # Whoever alters the rule computes all figures by it: they fit each other, and are wrong.
    for name in ("notice_s", "min_requests"):
        method = right.method.model_copy(update={name: 86_400})
        asked = request_of(right)._replace(method=method)
        replay = read(right, entries)
        replay.prove(evidence)
        answers = {one: replay.answer(one, right.as_of, method) for one in questions(asked)}
        claim = read_claim(
            write_report(compose(asked, right.ledger, answers), Format.JSON).encode()
        )
        found = differences(claim, again(right, entries, evidence))
        assert f"method.{name}" in {one.place for one in found}


async def test_a_rule_that_is_changed_holds_from_the_next_day_that_is_closed(here: House) -> None:
    before = await here.reports.report(1, "2026-11", "2026-11")
    stricter = UptimeDesk(here.store, here.store, min_requests=2, notice_s=86_400)
    reports = CustomerReportDesk(
        here.customers, here.clients, stricter, here.store, keystead="0.1.0"
    )
    assert await reports.report(1, "2026-11", "2026-11") == before
    here.set_to("2026-11-04T02:00:00Z")
    await here.close_days(notice_s=86_400)
    after = await reports.report(1, "2026-11", "2026-11")
    assert after.method.notice_s == 86_400
    assert after.clients[0].months[0].seconds.maintenance_s == 0
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    assert again(after, entries, evidence) == after


async def test_what_is_amended_later_does_not_change_what_was_reported(here: House) -> None:
    before = await here.reports.report(1, "2026-11", "2026-11")
    span = SpanText("2026-11-01T09:00:00Z", "2026-11-01T11:00:00Z", "0")
    await here.incidents.amend(1, span, cause=EVE._replace(reason="the prober was wrong"))
    after = await here.reports.report(1, "2026-11", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    assert again(before, entries, evidence) == before
    assert again(after, entries, evidence) == after
    lost = [one.clients[0].months[0].seconds.downtime_s for one in (before, after)]
    assert lost[0] > lost[1]


async def test_another_ledger_or_one_that_was_cut_is_refused(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    with pytest.raises(LedgerError, match="no such entry"):
        again(report, entries[:-1], evidence)
    other = ReportedLedger(sequence=report.ledger.sequence, hash="cd" * 32)
    with pytest.raises(LedgerError, match="no such entry"):
        again(report.model_copy(update={"ledger": other}), entries, evidence)


async def test_minutes_that_were_altered_or_left_out_are_refused(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    one = evidence[2]
    value = one.to_json()
    value["segments"][0]["bad"] += 1
    with pytest.raises(EvidenceError, match="altered"):
        DayEvidence.of_json(value)
    for broken, said in (
        (one._replace(digests={**one.digests, 2: bytes(32)}), "altered, or left out"),
        (one._replace(digests={0: one.digests[0], 1: one.digests[1]}), "left out"),
        (one._replace(segments={}), "are missing"),
    ):
        with pytest.raises(EvidenceError, match=said):
            again(report, entries, [*evidence[:2], broken, *evidence[3:]])
    with pytest.raises(EvidenceError, match="no evidence of 2026-11-01"):
        again(report, entries, evidence[:2])


async def test_a_clients_minutes_are_not_hidden_under_another_number(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    one = evidence[2]
    # The same digests in the same order: the last client would have been asked nothing.
    digests = {
        (99 if client == max(one.digests) else client): of for client, of in one.digests.items()
    }
    renamed = one._replace(digests=digests)
    with pytest.raises(EvidenceError, match="altered, or left out"):
        again(report, entries, [*evidence[:2], renamed, *evidence[3:]])


async def test_a_day_corrected_after_the_report_is_named(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    late = MinuteRow(BAD // 60 + 1, 2, counts(ok=5))
    await here.store.add_usage(Parcel("late", 1, (late,)))
    here.set_to("2026-11-04T12:00:00Z")
    await here.close_days()
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    with pytest.raises(EvidenceError, match="corrected that day after the report"):
        again(report, entries, evidence)
    new = await here.reports.report(1, "2026-11", "2026-11")
    assert again(new, entries, evidence) == new


async def test_without_an_incident_whose_words_were_erased_figures_say_less(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    entries, evidence = await here.ledger(), await here.evidence(FIRST_DAY, FIRST_DAY + 9)
    told = next(one for one in entries if one.kind == Kind.INCIDENT.value)
    without = [one._replace(payload=None) if one == told else one for one in entries]
    replay = Replay(report.ledger)
    for entry in without:
        replay.take(entry)
    request = request_of(report)
    assert replay.doubts(questions(request), request.as_of) == [told.sequence]
    computed = again(report, without, evidence)
    assert computed.clients[0].months[0].seconds.downtime_s == 4 * 15


async def test_minutes_are_never_erased_unseen(here: House) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    entries = await here.ledger()
    minutes = next(one for one in entries if one.kind == Kind.MINUTES.value)
    with pytest.raises(LedgerError, match="was erased"):
        Replay(report.ledger).take(minutes._replace(payload=None))


async def test_before_any_day_is_rolled_up_there_is_nothing_to_report(here: House) -> None:
    await here.store.prune_segments(1 << 30)

    class Empty:
        """A store in which no day was rolled up yet."""

        def __getattr__(self, name: str) -> object:
            return getattr(here.store, name)

        async def last_closed(self) -> None:
            return None

    here.reports._counts = Empty()  # type: ignore[assignment]
    with pytest.raises(ReportStateError, match="no day has been rolled up"):
        await here.reports.report(1, "2026-11", "2026-11")


@pytest.mark.parametrize("step", ["confirmed", "affected", "note"])
async def test_an_erased_step_leaves_its_entry_as_a_doubt_whatever_it_was(
    here: House, step: str
) -> None:
    report = await here.reports.report(1, "2026-11", "2026-11")
    (sequence,) = (
        one.sequence
        for one in await here.ledger()
        if one.kind == Kind.INCIDENT
        and one.payload is not None
        and dict(one.payload.value)["record"]["step"] == step  # type: ignore[index, call-overload]
    )
    request = request_of(report)
    whole = read(report, await here.ledger())
    assert whole.doubts(questions(request), request.as_of) == []
    assert await here.store.erase_payload(sequence, act=EVE.act("ledger.erase"))
    replay = read(report, await here.ledger())
    assert replay.doubts(questions(request), request.as_of) == [sequence]
