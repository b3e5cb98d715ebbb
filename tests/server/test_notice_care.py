"""Prometheus sees whether people can be told: attempts that failed, and a board that is spoilt."""

from pathlib import Path

from server.notice_care import notice_families
from server.notices.board_file import LOOK_EVERY_S, BoardFile
from server.notices.sending import Fate, Outcome
from tests.server.notices.boards import TEXT
from tests.server.notices.house import House
from tests.server.still_clock import StillClock


async def test_attempts_are_counted_by_way_and_by_what_became_of_them(tmp_path: Path) -> None:
    house = House()
    await house.dispatcher.begin()
    await house.open()
    house.post.outcomes = [Outcome(Fate.FAILED, "not now"), Outcome(Fate.REFUSED, "no such box")]
    assert len(await house.turn()) == 3
    file = tmp_path / "notices.toml"
    file.write_text(TEXT)
    clock = StillClock()
    board = BoardFile(file, clock=clock)

    def shown() -> dict[str, float]:
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in notice_families(board, house.dispatcher.attempts)
            for sample in family.samples
        }

    counted = shown()
    by_standing = {
        standing: sum(value for name, value in counted.items() if name.endswith(standing))
        for standing in ("delivered", "waiting", "given-up")
    }
    assert by_standing == {"delivered": 1, "waiting": 1, "given-up": 1}
    assert counted["keystead_notice_board_spoilt"] == 0
    file.write_text("turns = [")
    clock.pass_by(LOOK_EVERY_S)
    assert shown()["keystead_notice_board_spoilt"] == 1
