"""The notice board follows its file, and a spoilt file takes nothing off it."""

from pathlib import Path

import structlog

from server.notices.board_file import LOOK_EVERY_S, BoardFile
from tests.server.notices.boards import TEXT
from tests.server.still_clock import StillClock


def test_it_follows_its_file_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    file = tmp_path / "notices.toml"
    clock = StillClock()
    kept = BoardFile(file, clock=clock)
    assert (len(kept.board().people), "cannot be read" in kept.complaint) == (0, True)
    file.write_text(TEXT)
    clock.pass_by(LOOK_EVERY_S)
    assert (len(kept.board().people), kept.complaint) == (3, "")
    file.write_text("")
    assert len(kept.board().people) == 3
    clock.pass_by(LOOK_EVERY_S)
    assert len(kept.board().people) == 0
    file.write_text(TEXT)
    clock.pass_by(LOOK_EVERY_S)
    assert len(kept.board().people) == 3
    file.write_text("turns = [")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            clock.pass_by(LOOK_EVERY_S)
            assert len(kept.board().people) == 3
    assert [line["event"] for line in lines] == ["notice_board_not_read"]
    assert "not TOML" in kept.complaint
    file.unlink()
    clock.pass_by(LOOK_EVERY_S)
    assert len(kept.board().people) == 3
    assert "cannot be read" in kept.complaint
    file.write_text(TEXT)
    clock.pass_by(LOOK_EVERY_S)
    assert (len(kept.board().people), kept.complaint) == (3, "")
