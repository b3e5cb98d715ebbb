"""Nonces: for one host and key, once, for two minutes, and not without end."""

import itertools

import pytest

from server.fleet.nonces import LIFETIME_S, MAX_OF_HOST, Nonces
from server.fleet.proof import ProofRefusedError

HOST, OTHER, KEY = "0f" * 16, "1e" * 16, "serial:1"


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def nonces(time: Time) -> Nonces:
    numbers = itertools.count()
    return Nonces(time, lambda octets: next(numbers).to_bytes(octets, "big"), most=40)


def why(nonces: Nonces, nonce: bytes, host: str = HOST, key: str = KEY) -> str:
    with pytest.raises(ProofRefusedError) as refused:
        nonces.take(nonce, host, key)
    return refused.value.code


def test_a_nonce_is_used_once(nonces: Nonces) -> None:
    nonce = nonces.give(HOST, KEY)
    nonces.take(nonce, HOST, KEY)
    assert why(nonces, nonce) == "nonce-used"


def test_it_is_of_one_host_and_one_key_and_strangers_do_not_use_it_up(nonces: Nonces) -> None:
    nonce = nonces.give(HOST, KEY)
    assert why(nonces, nonce, OTHER) == "nonce-foreign"
    assert why(nonces, nonce, HOST, "serial:2") == "nonce-foreign"
    nonces.take(nonce, HOST, KEY)


def test_it_ends(nonces: Nonces, time: Time) -> None:
    first, second = nonces.give(HOST, KEY), nonces.give(HOST, KEY)
    time.now = LIFETIME_S - 0.1
    nonces.take(first, HOST, KEY)
    time.now = LIFETIME_S
    assert why(nonces, second) == "nonce-expired"
    assert why(nonces, second) == "nonce-used"
    assert why(nonces, b"x" * 32) == "nonce-unknown"


def test_a_host_has_so_many_at_once_and_gets_more_when_some_are_used_or_forgotten(
    nonces: Nonces, time: Time
) -> None:
    given = [nonces.give(HOST, KEY) for _ in range(MAX_OF_HOST)]
    with pytest.raises(ProofRefusedError, match="later"):
        nonces.give(HOST, KEY)
    nonces.give(OTHER, KEY)
    nonces.take(given[0], HOST, KEY)
    nonces.give(HOST, KEY)
    time.now = 2 * LIFETIME_S
    for _ in range(MAX_OF_HOST):
        nonces.give(HOST, KEY)
    assert why(nonces, given[1]) == "nonce-unknown"


def test_all_hosts_together_fill_no_memory(nonces: Nonces) -> None:
    for number in range(40):
        nonces.give(f"{number:032x}", KEY)
    with pytest.raises(ProofRefusedError, match="later"):
        nonces.give(HOST, KEY)
