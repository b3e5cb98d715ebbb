"""The doctor says whether anybody is called, and what keeps them from it."""

from pathlib import Path

import pytest

from server.config import Config
from server.programs.doctor_notices import check_notices
from tests.server.notices.boards import TEXT


def _config(file: Path | None) -> Config:
    notices = {} if file is None else {"file": str(file)}
    return Config.model_validate({"notices": notices})


def test_without_a_board_nothing_is_said() -> None:
    assert list(check_notices(_config(None))) == []


def test_a_whole_board_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "notices.toml"
    file.write_text(TEXT)
    (finding,) = check_notices(_config(file))
    assert (finding.grade, finding.found) == ("ok", "3 people, 2 subscribers")


@pytest.mark.parametrize("text", [None, "turns = [", 'link = "http://"'])
def test_a_board_that_cannot_be_read_is_a_failure(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "notices.toml"
    if text is not None:
        file.write_text(text)
    (finding,) = check_notices(_config(file))
    assert finding.grade == "fail"
    assert "notice check" in finding.advice


def test_nobody_on_call_and_calls_without_a_link_are_warnings(tmp_path: Path) -> None:
    file = tmp_path / "notices.toml"
    file.write_text("")
    (finding,) = check_notices(_config(file))
    assert (finding.grade, "nobody is on call" in finding.found) == ("warn", True)
    file.write_text(TEXT.replace('link = "https://otp.example.org/"', "", 1))
    (finding,) = check_notices(_config(file))
    assert (finding.grade, "no link" in finding.found) == ("warn", True)
