"""What the bench makes of what it saw: a figure with one wrong answer in it is void."""

import json

import pytest

from loadtest.bench.measure import Figure
from loadtest.bench.report import Growth, Run, markdown
from loadtest.bench.wrk import read_result

GOOD = {
    "ok": 4000,
    "refused": 0,
    "first_refusal": "",
    "sent": 4032,
    "prepared": 9000,
    "requests": 4000,
    "duration_us": 2_000_000,
    "broken": 0,
    "p50_us": 5000,
    "p99_us": 9000,
    "max_us": 12000,
}


def result(**changed: int | str) -> str:
    return json.dumps({**GOOD, **changed})


def test_only_good_answers_count() -> None:
    shot = read_result(result(), once=True)
    assert shot.per_s == 2000
    assert not shot.fault


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"refused": 1, "first_refusal": "200 REPLAYED_OTP"}, "REPLAYED_OTP"),
        ({"broken": 2}, "2 connections"),
        ({"sent": 9001}, "too few"),
        ({"ok": 0}, "no answer"),
    ],
)
def test_anything_else_makes_the_figure_void(changed: dict[str, int | str], why: str) -> None:
    assert why in read_result(result(**changed), once=True).fault


def test_the_reference_may_be_sent_a_request_twice() -> None:
    assert not read_result(result(sent=9001), once=False).fault


def figure(subject: str, ratio: float, fault: str = "") -> Figure:
    return Figure(subject, 64, ratio, 1000.0, 5000, 9000, 100.0, 0.0, fault)


def test_a_void_figure_is_said_first() -> None:
    run = Run([figure("Keystead", 0.5, fault="3 answers were not OK")], [], [])
    assert run.faults == ["Keystead: 3 answers were not OK"]
    assert "**VOID**" in markdown(run, "a machine").splitlines()[2]


def test_growth_compares_shares_of_r_so_that_a_slower_minute_does_not_count() -> None:
    assert Growth(figure("few", 0.5), figure("many", 0.4)).share == pytest.approx(0.8)
