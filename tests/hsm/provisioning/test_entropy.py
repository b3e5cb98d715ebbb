"""Randomness for secrets: of both sources, and of none that stands still."""

import itertools
import secrets
from collections.abc import Callable

import pytest

from hsm.provisioning.entropy import MixedRandomness, WeakRandomnessError


def counting() -> Callable[[int], bytes]:
    """Return a source that gives another block each time, always the same ones."""
    numbers = itertools.count(1)
    return lambda octets: next(numbers).to_bytes(octets, "big")


def test_each_source_alone_changes_what_comes_out() -> None:
    same = MixedRandomness(counting(), counting())(22)
    assert MixedRandomness(counting(), counting())(22) == same
    assert MixedRandomness(secrets.token_bytes, counting())(22) != same
    assert MixedRandomness(counting(), secrets.token_bytes)(22) != same


def test_no_two_draws_are_alike_and_each_has_the_length_that_was_asked() -> None:
    mixed = MixedRandomness(secrets.token_bytes)
    drawn = [mixed(22) for _ in range(100)]
    assert len(set(drawn)) == 100
    assert {len(one) for one in drawn} == {22}


@pytest.mark.parametrize(
    "device",
    [lambda _: b"", bytes, lambda octets: b"\xff" * octets],
    ids=["short", "zero", "ones"],
)
def test_a_device_without_randomness_makes_nothing(device: Callable[[int], bytes]) -> None:
    with pytest.raises(WeakRandomnessError, match="out of service"):
        MixedRandomness(device)(16)


def test_a_generator_that_stands_still_is_found_at_the_second_draw() -> None:
    mixed = MixedRandomness(lambda octets: bytes(range(octets)))
    mixed(16)
    with pytest.raises(WeakRandomnessError):
        mixed(16)


def test_a_host_whose_randomness_comes_short_makes_nothing() -> None:
    with pytest.raises(WeakRandomnessError):
        MixedRandomness(secrets.token_bytes, lambda _: b"short")(16)
