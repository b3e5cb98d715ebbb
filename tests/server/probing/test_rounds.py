"""Rounds: an OTP never twice, what was seen is kept, and what cannot be known is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.probing.finding import Outcome
from server.probing.judge import Silence
from tests.server.probing.scripted import INTERVAL_S, Post, ScriptedService, open_post
from tests.server.still_clock import NOW_US, StillClock

MINUTE_US = 60_000_000


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    clock = StillClock()
    made = open_post(tmp_path, clock, ScriptedService(clock))
    yield made
    made.spool.close()


async def test_a_service_that_does_its_work_is_good(post: Post) -> None:
    await post.rounds(3)
    assert post.outcomes() == "ggg"
    first, *_ = post.spool.unsent(1)
    assert (first.number, first.at_us) == (1, NOW_US)


async def test_a_service_that_says_ok_to_everything_is_bad(post: Post) -> None:
    post.service.gullible = True
    await post.rounds(1)
    assert post.found() == [("bad", "second answer: OK where REPLAYED_OTP was due")]


async def test_a_service_that_is_away_is_bad_and_then_good_again(post: Post) -> None:
    post.service.silence = Silence.UNREACHABLE
    await post.rounds(2)
    post.service.silence = None
    await post.rounds(1)
    assert post.outcomes() == "bbg"


async def test_a_new_start_goes_on_with_new_otps(post: Post) -> None:
    await post.rounds(2)
    post.spool.close()
    again = open_post(post.directory, post.clock, post.service)
    await again.rounds(2)
    assert again.outcomes() == "gggg"
    again.spool.close()


async def test_an_old_copy_of_the_keys_file_catches_up(post: Post) -> None:
    kept = (post.directory / "virtual-key").read_bytes()
    await post.rounds(2)
    (post.directory / "virtual-key").write_bytes(kept)
    post.spool.close()
    again = open_post(post.directory, post.clock, post.service)
    await again.rounds(3)
    assert again.outcomes() == "gg" + "bgg"
    again.spool.close()


async def test_a_time_without_rounds_is_reported_in_whole_minutes(post: Post) -> None:
    await post.rounds(1)
    post.clock.pass_by(600)
    await post.rounds(1)
    assert post.outcomes() == "gug"
    gap = post.spool.unsent(9)[1]
    assert gap.why == "no rounds were done"
    assert (gap.at_us - NOW_US, gap.until_us - NOW_US) == (MINUTE_US, 10 * MINUTE_US - 1)


async def test_a_prober_that_was_away_reports_it_when_it_is_back(post: Post) -> None:
    await post.rounds(1)
    post.spool.close()
    post.clock.pass_by(3_600)
    again = open_post(post.directory, post.clock, post.service)
    await again.rounds(1)
    assert again.outcomes() == "gug"
    again.spool.close()


async def test_rounds_at_their_times_leave_no_gap(post: Post) -> None:
    for _ in range(5):
        await post.rounds(1)
        post.clock.pass_by(INTERVAL_S)
    assert post.outcomes() == "ggggg"


@pytest.mark.parametrize("leap_s", [-3_600.0, 3_600.0, 5.0, -5.0])
async def test_after_a_leap_of_the_clock_nothing_of_those_minutes_holds(
    post: Post, leap_s: float
) -> None:
    await post.rounds(2)
    post.clock.set_wall(leap_s)
    await post.rounds(1)
    found = post.spool.unsent(9)
    assert [one.outcome.value[0] for one in found] == ["g", "g", "u", "e"]
    jump, after = found[2:]
    assert jump.at_us <= NOW_US + INTERVAL_S * 1e6 <= jump.until_us
    assert jump.at_us <= after.at_us <= jump.until_us
    assert after.why == "the clock jumped"


async def test_a_leap_within_a_round_is_seen(post: Post) -> None:
    post.service.between = lambda: post.clock.set_wall(10)
    done = await post.prober.round()
    assert done.finding.outcome is Outcome.EXCLUDED
    assert done.judgement.outcome is Outcome.GOOD
    assert post.outcomes() == "ue"


async def test_rounds_count_again_once_the_minutes_are_new(post: Post) -> None:
    await post.rounds(2)
    post.clock.set_wall(-300)
    await post.rounds(14)
    # 300 s back: twelve rounds are in minutes that were there before, and what follows is not.
    assert set(post.outcomes()[3:12]) == {"e"}
    assert post.outcomes().endswith("g")


async def test_a_clock_that_was_set_back_while_the_prober_was_away_is_seen(post: Post) -> None:
    await post.rounds(3)
    post.spool.close()
    post.clock.set_wall(-3_600)
    again = open_post(post.directory, post.clock, post.service)
    await again.rounds(1)
    assert again.outcomes() == "ggg" + "ue"
    again.spool.close()
