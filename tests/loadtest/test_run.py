"""`python -m loadtest` calls every flaw of a service by its name, and an honest one honest."""

import json
from pathlib import Path

import pytest

from loadtest.exits import Exit
from tests.loadtest.flawed_service import Flaw, Standing, standing
from tests.loadtest.load_process import load


def against(service: Standing, *more: str, duration: str = "60s", users: int = 12) -> list[str]:
    """Return the options for a service of the tests."""
    files = ["--keys", str(service.keys), "--clients", str(service.clients)]
    load = ["--duration", duration, "--users", str(users), "--pause", "0.05"]
    return ["--target", service.target, *files, *load, *more]


@pytest.mark.parametrize("processes", [1, 2])
async def test_an_honest_service_passes_whatever_the_number_of_processes(
    tmp_path: Path, processes: int
) -> None:
    async with standing(Flaw.NONE, tmp_path) as service:
        options = against(service, "--processes", str(processes), "--shape", "step", duration="6s")
        run = await load(tmp_path, *options)
    assert run.code == Exit.PASSED, run.said
    assert run.summary["violations"] == 0
    assert run.summary["failures"] == 0
    assert run.summary["requests"] >= service.service.answered
    assert not run.summary["stopped_at_once"]
    ledgers = sorted(path.name for path in (tmp_path / "reports" / "ledger").glob("*.ledger"))
    assert ledgers == [f"process-{n}.ledger" for n in range(processes)] + ["settled.ledger"]
    for file in ("report.html", "load_stats.csv"):
        assert (tmp_path / "reports" / file).stat().st_size > 0
    assert set(run.summary["behaviours"]) >= {
        "valid",
        "raced",
        "replayed",
        "garbled",
        "foreign",
        "refused",
        "disabled",
        "crowded",
    }
    assert run.summary["properties"]["P4"]["checked"] > 0
    assert run.summary["statuses"]["OPERATION_NOT_ALLOWED"] > 0


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        (Flaw.REPLAYS, Exit.OK_FOR_NONE),
        (Flaw.RACES, Exit.OK_FOR_NONE),
        (Flaw.GARBLED, Exit.OK_FOR_NONE),
        (Flaw.DISABLED, Exit.OK_FOR_NONE),
        (Flaw.UNSIGNED, Exit.OK_FOR_NONE),
        (Flaw.REFUSES, Exit.NONE_FOR_OK),
        (Flaw.FAILS, Exit.NONE_FOR_OK),
        (Flaw.SILENT, Exit.NONE_FOR_OK),
        (Flaw.FORGES, Exit.NONE_FOR_OK),
        (Flaw.LIMITS, Exit.NONE_FOR_OK),
        (Flaw.CONSUMES, Exit.NONE_FOR_OK),
    ],
    ids=lambda value: value.name.lower(),
)
async def test_a_dangerous_answer_ends_the_run_at_once(
    tmp_path: Path, flaw: Flaw, code: Exit
) -> None:
    async with standing(flaw, tmp_path) as service:
        run = await load(tmp_path, *against(service))
    assert run.code == code, run.said
    assert run.summary["stopped_at_once"]
    assert run.summary["violations"] > 0
    assert run.summary["exit"] == {"code": int(code), "name": code.name.lower()}
    assert "violation: " in run.said


async def test_a_violation_in_one_of_several_processes_ends_all(tmp_path: Path) -> None:
    async with standing(Flaw.REPLAYS, tmp_path) as service:
        run = await load(tmp_path, *against(service, "--processes", "2"))
    assert run.code == Exit.OK_FOR_NONE, run.said
    assert run.summary["stopped_at_once"]


async def test_more_sessions_than_a_client_id_may_have_show_in_the_ledger(tmp_path: Path) -> None:
    async with standing(Flaw.GENEROUS, tmp_path) as service:
        run = await load(tmp_path, *against(service, duration="6s", users=20))
    assert run.code == Exit.LEDGER, run.said
    assert run.summary["properties"]["limits"]["violations"] > 0


async def test_unavailability_that_is_tolerated_is_a_failure_and_no_violation(
    tmp_path: Path,
) -> None:
    async with standing(Flaw.FAILS, tmp_path) as service:
        options = against(service, "--tolerate-unavailable", duration="5s")
        run = await load(tmp_path, *options)
        assert run.code == Exit.FAILURES, run.said
        assert run.summary["violations"] == 0
        assert run.summary["failures"] > 0
        run = await load(tmp_path, *options, "--max-failure-share", "1")
        assert run.code == Exit.PASSED, run.said


@pytest.mark.parametrize(
    ("threshold", "code"),
    [(("--p99-ms", "0.001"), Exit.SLOW), (("--min-rate", "1000000"), Exit.THROUGHPUT)],
)
async def test_a_threshold_that_is_not_met_has_a_code_of_its_own(
    tmp_path: Path, threshold: tuple[str, str], code: Exit
) -> None:
    async with standing(Flaw.NONE, tmp_path) as service:
        run = await load(tmp_path, *against(service, *threshold, duration="3s"))
    assert run.code == code, run.said
    assert run.summary["violations"] == 0


async def test_a_redirect_to_yubico_is_not_followed_and_ends_the_run(tmp_path: Path) -> None:
    async with standing(Flaw.REDIRECTS, tmp_path) as service:
        run = await load(tmp_path, *against(service))
    assert run.code in {Exit.USAGE, Exit.NONE_FOR_OK}, run.said
    assert "a redirect was refused: api.yubico.com" in run.said


@pytest.mark.parametrize(
    ("target", "more", "reason"),
    [
        ("http://192.0.2.1", (), "not on the list"),
        ("https://api.yubico.com", ("--allow-host", "api.yubico.com"), "never a target"),
        ("http://API.YUBICO.COM.", ("--allow-host", "api.yubico.com."), "never a target"),
        ("nowhere", (), "is not a URL"),
    ],
)
async def test_a_wrong_target_is_refused_before_a_request_and_before_a_key_is_taken(
    tmp_path: Path, target: str, more: tuple[str, ...], reason: str
) -> None:
    async with standing(Flaw.NONE, tmp_path) as service:
        before = service.keys.read_text()
        options = against(service._replace(target=target), *more)
        run = await load(tmp_path, *options)
        assert run.code == Exit.USAGE, run.said
        assert reason in run.said
        assert service.keys.read_text() == before
        assert not run.summary


async def test_no_secret_and_no_otp_is_in_what_a_run_leaves_behind(tmp_path: Path) -> None:
    async with standing(Flaw.REFUSES, tmp_path) as service:
        run = await load(tmp_path, *against(service))
        secrets = [client["api_key"] for client in json.loads(service.clients.read_text())]
        keys = json.loads(service.keys.read_text())["keys"]
    secrets += [key[name] for key in keys for name in ("private_id", "aes_key")]
    left = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert len(left) > 3
    texts = [run.said, *(path.read_text("utf-8") for path in left)]
    for text in texts:
        assert not [secret for secret in secrets if secret in text]
        for key in keys:
            # A public id followed by the letters of a ciphertext would be an OTP.
            assert not any(
                len(rest) >= 32 and not rest[:32].strip("cbdefghijklnrtuv")
                for rest in text.split(key["public_id"])[1:]
            )


async def test_an_earlier_runs_verdict_is_not_taken_for_a_later_ones(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "summary.json").write_text('{"violations": 0}')
    run = await load(tmp_path, "--own-server", "--target", "http://127.0.0.1:1")
    assert run.code == Exit.USAGE
    assert not run.summary
