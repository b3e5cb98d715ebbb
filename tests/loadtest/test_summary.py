"""The verdict names the gravest thing that happened, and the summary holds what scripts look at."""

import json
from pathlib import Path

import pytest

from loadtest import keyfile
from loadtest.exits import Exit
from loadtest.keyfile import KeySecrets
from loadtest.ledger import Clock
from loadtest.plan import Plan
from loadtest.proof.finding import Result
from loadtest.proof.latencies import Latencies
from loadtest.proof.playback import Playback
from loadtest.shapes import Load, Shape
from loadtest.summary import conclude, write
from loadtest.thresholds import Limits

NO_LIMITS = Limits(None, None, None)
NAMES = ("P1", "P2", "P3", "P4", "P5", "limits", "service")


def a_plan(folder: Path) -> Plan:
    return Plan(
        "http://127.0.0.1:1",
        ("otp.example.org",),
        json.dumps([{"id": 1, "api_key": "c2VjcmV0"}]),
        (KeySecrets.new(), KeySecrets.new()._replace(active=False)),
        32,
        Load(Shape.SOAK, 5, 60.0),
        2,
        0.2,
        False,
        folder / "ledger",
        Clock(5),
    )


def played_back(*violated: str, unproven: int = 0, requests: int = 100) -> Playback:
    latencies = Latencies()
    for each in range(requests):
        latencies.add(each * 1000)
    results = [
        Result(name, "it holds", 5, int(name in violated), unproven, (), "") for name in NAMES
    ]
    return Playback(results, requests, {}, {}, latencies, 10, 10_000_000)


@pytest.mark.parametrize(
    ("playback", "limits", "ended", "broken", "code"),
    [
        (played_back(), NO_LIMITS, Exit.PASSED, "", Exit.PASSED),
        (played_back(), Limits(98.0, None, None), Exit.PASSED, "", Exit.SLOW),
        (played_back(), Limits(100.0, 0.1, 10.0), Exit.PASSED, "", Exit.PASSED),
        (played_back(), Limits(None, 0.09, None), Exit.PASSED, "", Exit.FAILURES),
        (played_back(), Limits(None, None, 10.1), Exit.PASSED, "", Exit.THROUGHPUT),
        (played_back(), Limits(1.0, 0.0, 99.0), Exit.PASSED, "", Exit.SLOW),
        (played_back(unproven=1), Limits(1.0, 0.0, 99.0), Exit.PASSED, "", Exit.LEDGER),
        (played_back(requests=0), NO_LIMITS, Exit.PASSED, "", Exit.BROKEN),
        (played_back(unproven=1), NO_LIMITS, Exit.PASSED, "cut off", Exit.BROKEN),
        (played_back(), NO_LIMITS, Exit.BROKEN, "ended", Exit.BROKEN),
        (played_back(), NO_LIMITS, Exit.USAGE, "", Exit.USAGE),
        (played_back("P4"), NO_LIMITS, Exit.BROKEN, "", Exit.LEDGER),
        (played_back("limits"), NO_LIMITS, Exit.PASSED, "", Exit.LEDGER),
        (played_back("service", "P2"), NO_LIMITS, Exit.BROKEN, "", Exit.NONE_FOR_OK),
        (played_back("P1", "service"), NO_LIMITS, Exit.NONE_FOR_OK, "", Exit.OK_FOR_NONE),
        (played_back("P3"), NO_LIMITS, Exit.PASSED, "", Exit.OK_FOR_NONE),
        (played_back(), NO_LIMITS, Exit.OK_FOR_NONE, "", Exit.OK_FOR_NONE),
    ],
)
def test_the_gravest_thing_decides_the_exit_code(
    tmp_path: Path, playback: Playback, limits: Limits, *, ended: Exit, broken: str, code: Exit
) -> None:
    done = conclude(a_plan(tmp_path), playback, limits, ended=ended, broken=broken)
    assert done.code is code
    assert done.lines()[-1] == f"exit code {int(code)}: {code.name.lower()}"


def test_a_run_that_was_stopped_has_at_least_one_violation(tmp_path: Path) -> None:
    for ended, violations in [(Exit.OK_FOR_NONE, 1), (Exit.PASSED, 0)]:
        done = conclude(a_plan(tmp_path), played_back(), NO_LIMITS, ended=ended, broken="")
        written = json.loads(write(done, tmp_path).read_text())
        assert written["violations"] == violations
        assert written["requests"] == 100
        assert written["latency_ms"]["p99"] == pytest.approx(98.01)


def test_a_plan_is_the_same_after_it_was_handed_on_and_only_its_owner_reads_it(
    tmp_path: Path,
) -> None:
    plan = a_plan(tmp_path)
    path = tmp_path / "plan.json"
    plan.write(path)
    assert Plan.read(path) == plan
    assert path.stat().st_mode & 0o077 == 0
    for secret in (plan.keys[0].aes_key.hex(), "c2VjcmV0", keyfile.to_text(plan.keys)):
        assert secret not in repr(plan)
