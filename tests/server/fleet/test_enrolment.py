"""Enrolment: once, for the host that was meant, and nobody is pushed out of his place (S17)."""

import pytest

from server.fleet.enrolment import (
    Admission,
    Asked,
    BadTokenError,
    HostEnrolledError,
    Token,
    admit,
    check_new_token,
    digest_of,
)
from server.fleet.hosts import Host, HostState

NOW = 1_800_000_000_000_000
ID, OTHER_ID = "0f" * 16, "1e" * 16
KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
ASKED = Asked("secret", ID, "laptop-17", KEY, "linux", "0.1.0")
TOKEN = Token(1, digest_of("secret"), "laptop-17", NOW + 1, replaces=False)
HOST = Host(ID, "laptop-17", KEY, HostState.ACTIVE, "linux", "0.1.0", NOW)
ELDER = HOST._replace(host_id=OTHER_ID, public_key=OTHER_KEY)


def test_a_token_lets_its_host_in() -> None:
    assert admit(ASKED, TOKEN, by_id=None, by_name=[], now_us=NOW) == Admission(again=False)


def test_names_do_not_depend_on_the_case_of_letters() -> None:
    asked = ASKED._replace(name="LAPTOP-17")
    assert admit(asked, TOKEN, by_id=None, by_name=[], now_us=NOW) == Admission(again=False)


def test_whoever_asks_again_with_the_same_key_gets_the_same_answer() -> None:
    used = TOKEN._replace(host_id=ID)
    again = admit(ASKED, used, by_id=HOST, by_name=[HOST], now_us=NOW + 10**12)
    assert again == Admission(again=True)


@pytest.mark.parametrize(
    ("asked", "token", "by_id", "by_name", "now_us"),
    [
        (ASKED, None, None, [], NOW),
        (ASKED._replace(name="laptop-18"), TOKEN, None, [], NOW),
        (ASKED, TOKEN, None, [], NOW + 1),
        (ASKED, TOKEN, HOST, [HOST], NOW),
        (ASKED, TOKEN, HOST._replace(state=HostState.ERASED), [], NOW),
        (ASKED, TOKEN, None, [ELDER], NOW),
        (ASKED, TOKEN._replace(host_id=OTHER_ID), None, [], NOW),
        (ASKED, TOKEN._replace(host_id=OTHER_ID), ELDER, [], NOW),
        (ASKED._replace(public_key=OTHER_KEY), TOKEN._replace(host_id=ID), HOST, [HOST], NOW),
        (ASKED, TOKEN._replace(host_id=ID), HOST._replace(state=HostState.REPLACED), [], NOW),
        (ASKED, TOKEN._replace(host_id=ID), HOST._replace(state=HostState.ERASED), [], NOW),
    ],
    ids=[
        "no such token",
        "for another host",
        "expired",
        "the host id is known",
        "the host id is of an erased one",
        "a host of that name stands",
        "used by another host",
        "used by another host that is known",
        "used, and another key",
        "used, and replaced since",
        "used, and erased since",
    ],
)
def test_s17_who_is_refused_learns_nothing_of_why(
    asked: Asked, token: Token | None, by_id: Host | None, by_name: list[Host], now_us: int
) -> None:
    with pytest.raises(BadTokenError) as refused:
        admit(asked, token, by_id=by_id, by_name=by_name, now_us=now_us)
    assert str(refused.value) == str(BadTokenError())


def test_s17_a_place_is_given_away_only_by_a_token_that_says_so() -> None:
    with pytest.raises(HostEnrolledError, match="--replace"):
        check_new_token("laptop-17", replaces=False, by_name=[ELDER])
    check_new_token("laptop-17", replaces=True, by_name=[ELDER])
    check_new_token("laptop-17", replaces=False, by_name=[])
    replacing = TOKEN._replace(replaces=True)
    admission = admit(ASKED, replacing, by_id=None, by_name=[ELDER], now_us=NOW)
    assert admission == Admission(again=False, replaced=(ELDER,))


def test_a_token_is_kept_as_a_digest_alone() -> None:
    assert len(digest_of("secret")) == 32
    assert digest_of("secret") != digest_of("secret ")
