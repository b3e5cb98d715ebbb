"""The rules that open incidents by themselves, and what incidents say about availability."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from server.incidents.effects import effect, reach, touches
from server.incidents.intervals import Span
from server.incidents.record import (
    Affected,
    Amendment,
    Component,
    Confirmation,
    Incident,
    Loss,
    Origin,
    Record,
    Severity,
    Step,
)
from server.incidents.rules import (
    BURNS,
    LEAST_BAD,
    REDUNDANCY_LOST_S,
    Counted,
    Standing,
    burn_rate,
    burning,
    hsm_alarm,
    lost_redundancy,
    probe_failing,
    watch_standings,
)
from tests.server.incidents.histories import EVE, OPENED_US, incident

NOW = 30_000_000


def steady(good: int, bad: int, minutes: int) -> list[Counted]:
    return [Counted(NOW - at, good, bad) for at in range(minutes)]


def test_a_total_failure_is_proposed_as_an_outage_with_the_sentence() -> None:
    found = burn_rate(steady(0, 10, 5), NOW)
    assert found is not None
    assert found.proposal.severity is Severity.SEV_1
    assert found.proposal.sentence == "The validation service is unavailable."
    assert found.text.startswith("50 of 50 requests failed in the last 5 minutes")
    assert found.public
    assert not found.assigned


def test_a_partial_failure_is_less_and_a_slow_burn_less_again() -> None:
    fast = burn_rate(steady(95, 5, 60), NOW)
    slow = burn_rate(steady(992, 8, 360), NOW)
    assert fast is not None
    assert slow is not None
    assert (fast.proposal.severity, slow.proposal.severity) == (Severity.SEV_2, Severity.SEV_3)


def test_what_prometheus_calls_nobody_for_opens_nothing() -> None:
    assert burning(steady(1000, 0, 360), NOW) is None
    assert burning(steady(998, 2, 360), NOW) is None
    assert burning([], NOW) is None
    assert burning(steady(0, 1, LEAST_BAD - 1), NOW) is None
    # It failed for a while and works again: the short window is clean.
    over = [one for one in steady(0, 10, 60) if one.minute < NOW - 30]
    assert burning([*over, *steady(10, 0, 30)], NOW) is None


@given(
    st.lists(
        st.builds(Counted, st.integers(NOW - 400, NOW), st.integers(0, 50), st.integers(0, 50)),
        max_size=60,
        unique_by=lambda one: one.minute,
    )
)
def test_it_burns_when_both_windows_do_and_enough_requests_failed(minutes: list[Counted]) -> None:
    def over(window: int, factor: Fraction) -> bool:
        within = [one for one in minutes if NOW - window < one.minute]
        bad = sum(one.bad for one in within)
        return 1000 * bad >= factor * (bad + sum(one.good for one in within)) and bad > 0

    def enough(window: int) -> bool:
        return sum(one.bad for one in minutes if NOW - window < one.minute) >= LEAST_BAD

    wanted = [
        burn
        for burn in BURNS
        if over(burn.long, burn.factor) and over(burn.short, burn.factor) and enough(burn.long)
    ]
    assert burning(minutes, NOW) == (wanted[0] if wanted else None)


def test_lost_redundancy_is_severity_3_by_itself_once_it_lasts() -> None:
    one = Standing("HSMs", 1, 2)
    since, thin = watch_standings({}, [one, Standing("workers", 4, 4)], 100.0)
    assert not thin
    since, thin = watch_standings(since, [one], 100.0 + REDUNDANCY_LOST_S)
    assert thin == [one]
    found = lost_redundancy(thin, "host-1")
    assert found is not None
    assert found.assigned
    assert found.proposal.severity is Severity.SEV_3
    assert "no redundancy" in found.proposal.sentence
    assert found.text == "on host-1 there are 1 of 2 HSMs, while requests succeed"
    assert lost_redundancy([], "host-1") is None


def test_a_worker_that_is_back_at_once_was_not_lost_and_none_at_all_is_another_matter() -> None:
    since, _ = watch_standings({}, [Standing("workers", 3, 4)], 100.0)
    since, _ = watch_standings(since, [Standing("workers", 4, 4)], 130.0)
    _, thin = watch_standings(since, [Standing("workers", 3, 4)], 100.0 + REDUNDANCY_LOST_S)
    assert not thin
    assert not Standing("workers", 0, 4).is_thin
    assert not Standing("HSMs", 0, 0).is_thin


def test_a_prober_and_an_alarm_say_what_they_saw() -> None:
    failing = probe_failing("oslo", "BACKEND_ERROR")
    assert failing.origin is Origin.PROBE
    assert failing.proposal.severity is Severity.SEV_1
    alarm = hsm_alarm("hsm:1234", "went-back", "the log is older than what was archived")
    assert alarm.proposal.severity is Severity.SEV_2
    assert not alarm.public
    assert alarm.text == "hsm:1234, went-back: the log is older than what was archived"
    opening = alarm.opening(5)
    assert (opening.reported_us, opening.component) == (5, Component.VALIDATION)


HALF = Loss(100, 200, Fraction(1, 2))


def confirmed(*losses: Loss, clients: tuple[int, ...] = ()) -> Incident:
    return incident(
        (Step.ACKNOWLEDGED, 1, EVE),
        Record(Step.CONFIRMED, OPENED_US + 2, EVE, "", Confirmation(losses)),
        Record(Step.AFFECTED, OPENED_US + 3, EVE, "", Affected(clients)),
    )


def test_an_incident_of_some_clients_counts_for_these_alone() -> None:
    one = confirmed(HALF, clients=(4,))
    losses = [effect([one], Component.VALIDATION, client).losses for client in (4, 5, None)]
    assert losses == [(HALF,), (), ()]
    everybodys = confirmed(HALF)
    for client in (4, None):
        assert effect([everybodys], Component.VALIDATION, client).losses == (HALF,)
    assert effect([everybodys], Component.UPLOAD, None).losses == ()


def test_the_last_amendment_holds_also_of_an_incident_that_was_dismissed() -> None:
    def amended(at_us: int, impact: Fraction) -> Record:
        return Record(Step.AMENDED, at_us, EVE, "why", Amendment(100, 160, impact))

    first = confirmed(HALF)
    first = first._replace(
        history=(
            *first.history,
            Record(Step.DISMISSED, OPENED_US + 4, EVE, "none"),
            amended(OPENED_US + 50, Fraction(0)),
        )
    )
    second = incident((Step.ACKNOWLEDGED, 1, EVE), amended(OPENED_US + 40, Fraction(1, 3)))
    found = effect([first, second], Component.VALIDATION, None)
    assert found.losses == ()
    assert [each.impact for each in found.amendments] == [Fraction(1, 3), Fraction(0)]


@given(st.integers(0, 300), st.integers(1, 300))
def test_an_incident_is_found_by_every_span_that_it_touches(start: int, seconds: int) -> None:
    span = Span(start, start + seconds)
    closed, open_ended = confirmed(HALF), confirmed(HALF, Loss(250, None, Fraction(1)))
    assert reach(closed) == (100, 200)
    assert reach(open_ended) == (100, None)
    assert reach(incident()) is None
    assert touches(closed, span) == bool(span.clipped(Span(100, 200)).seconds)
    assert touches(open_ended, span) == (span.end > 100)
