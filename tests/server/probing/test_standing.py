"""When the service counts as failing: after two bad rounds, until two good ones."""

from hypothesis import given
from hypothesis import strategies as st

from server.probing.finding import Outcome
from server.probing.standing import FAILING_AFTER, RECOVERED_AFTER, Standing

GOOD, BAD, EXCLUDED, UNKNOWN = Outcome.GOOD, Outcome.BAD, Outcome.EXCLUDED, Outcome.UNKNOWN


def after(*outcomes: Outcome) -> Standing:
    standing = Standing()
    for at_us, outcome in enumerate(outcomes, 1):
        standing = standing.after(outcome, at_us)
    return standing


def test_one_bad_round_is_not_failing_and_two_are_since_the_first() -> None:
    assert not after(GOOD, BAD).failing
    assert not after(BAD, GOOD, BAD).failing
    assert after(GOOD, BAD, BAD) == Standing(failing=True, bad=2, since_us=2)


def test_what_says_nothing_changes_nothing() -> None:
    assert after(BAD, EXCLUDED, UNKNOWN, BAD).failing
    assert after(BAD, BAD, GOOD, UNKNOWN).failing
    assert not after(EXCLUDED, UNKNOWN, EXCLUDED).failing


def test_one_good_round_is_not_recovered_and_a_relapse_is_the_same_failure() -> None:
    assert after(BAD, BAD, GOOD).failing
    assert after(BAD, BAD, GOOD, BAD).since_us == 1
    assert after(BAD, BAD, GOOD, GOOD) == Standing(good=2)


@given(st.lists(st.sampled_from([GOOD, BAD]), max_size=30))
def test_it_fails_exactly_since_the_last_run_of_bad_rounds_that_no_run_of_good_ones_ended(
    outcomes: list[Outcome],
) -> None:
    failing = False
    for end in range(1, len(outcomes) + 1):
        past = outcomes[:end]
        if past[-FAILING_AFTER:] == [BAD] * FAILING_AFTER:
            failing = True
        if past[-RECOVERED_AFTER:] == [GOOD] * RECOVERED_AFTER:
            failing = False
    assert after(*outcomes).failing == failing
