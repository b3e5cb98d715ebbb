"""The HSM's bench: medians and ratios by round, and no figure for a wrong answer."""

import itertools

import pytest

from hsm.bench import report
from hsm.bench.__main__ import IN_PROCESS, OVER_HTTP, SEALED, main
from hsm.bench.devices import Secrets, in_process
from hsm.bench.measure import Round, measure
from hsm.bench.subject import Keys, Question, Subject, pool
from hsm.device.pool import DevicePool


def _rounds(*cpu_us: float, per_s: float = 100.0) -> list[Round]:
    return [Round(per_s, 1.0, 2.0, one, 0.0) for one in cpu_us]


def test_ratios_are_taken_within_each_round_and_not_of_the_medians() -> None:
    rounds = {"base": _rounds(1, 10, 100), "other": _rounds(30, 20, 300)}
    line = report.table(rounds, "base").splitlines()[-1]
    assert "| 30.0 | 3.0 |" in line


def test_a_pool_is_compared_with_so_many_single_devices() -> None:
    rounds = {"one": _rounds(1, 1, per_s=100), "four": _rounds(1, 1, per_s=380)}
    assert report.linear(rounds, "one", "four", 4) == pytest.approx(0.95)


def test_a_goal_is_reached_by_the_median() -> None:
    (reached,) = report.verdicts({"a": _rounds(1, 5, 900)}, {"a": 5})
    (missed,) = report.verdicts({"a": _rounds(1, 6, 7)}, {"a": 5})
    assert reached.endswith("reached")
    assert missed.endswith("MISSED")


async def test_each_otp_is_asked_once_and_a_wrong_answer_is_no_figure() -> None:
    shared, keys = Secrets.fresh(), Keys()
    running = in_process(shared)
    sealing = DevicePool([running.device], shared.provisioner)
    vault = keys.strict(pool([running], shared), sealing)
    asked: list[Question] = []

    questions = await keys.questions(vault)

    def noted(question: Question) -> Question:
        asked.append(question)
        return question

    shown = await measure(Subject("strict", vault, map(noted, questions), 4, 50))
    assert len({one.record for one in asked}) == len(asked) == 50
    assert shown.per_s > 0
    wrong = itertools.repeat(asked[0]._replace(use=asked[0].use + 1))
    with pytest.raises(AssertionError, match="wrongly"):
        await measure(Subject("wrong", vault, wrong, 1, 1))
    assert "hidden" in repr(shared)


def test_it_runs_and_says_what_was_reached(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "1", "--pools", "1"]) in {0, 1}  # the figures are the machine's
    shown = capsys.readouterr().out
    for name in (SEALED, IN_PROCESS, OVER_HTTP, "strict, --timing yubihsm2, 1 device"):
        assert f"| {name} |" in shown
