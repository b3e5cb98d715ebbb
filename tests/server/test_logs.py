"""Log lines: JSON, one each, and nothing in them can forge another (S10, S11)."""

import json
import logging

import pytest
import structlog

from server import logs
from server.plain_text import harmless


@pytest.fixture(autouse=True)
def _loggers_stay(loggers_as_before: None) -> None:
    """Every test here configures them."""


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_lines_are_json_with_time_level_and_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", process="worker", slot=3)
    structlog.stdlib.get_logger("keystead.test").info("an_event", count=2)
    (line,) = written(capsys)
    assert line["event"] == "an_event"
    assert line["level"] == "info"
    assert line["count"] == 2
    assert (line["process"], line["slot"]) == ("worker", 3)
    assert "time" in line


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    structlog.stdlib.get_logger("keystead.test").info("quiet")
    logging.getLogger("somebody").info("quiet too")
    assert written(capsys) == []


def test_loggers_of_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    logging.getLogger("somebody").warning("said %s", "something")
    (line,) = written(capsys)
    assert line["event"] == "said something"
    assert line["logger"] == "somebody"


def test_s11_nobody_forges_a_line_or_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    forged = 'x\r\n{"event": "forged"}\x1b[2J\x9b31m\u202e\u2028\ud800'
    structlog.stdlib.get_logger("keystead.test").info("agent", agent=forged, more={"a\n": [forged]})
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert not any(sign in text for sign in ("\x1b", "\r", "\x9b", "\u202e", "\u2028"))
    assert json.loads(text)["event"] == "agent"


def test_s10_octets_are_never_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.stdlib.get_logger("keystead.test").info("sealed", record=b"secret")
    assert written(capsys)[0]["record"] == "<octets>"


def test_s10_the_access_log_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug")
    logging.getLogger("aiohttp.access").info("GET /wsapi/2.0/verify?otp=...")
    assert written(capsys) == []


def test_a_traceback_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    try:
        int("line one\nline two")
    except ValueError:
        structlog.stdlib.get_logger("keystead.test").exception("failed")
    (line,) = written(capsys)
    assert "ValueError" in str(line["exception"])


def test_ordinary_text_stays_as_it_is() -> None:
    assert harmless("Zoë, 東京 & co.") == "Zoë, 東京 & co."
