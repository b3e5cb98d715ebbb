"""Which bucket an unsigned request pays from."""

import pytest

from server.otp.buckets import UnsignedBuckets, source_prefix
from server.otp.ports import SIGNED_BUCKET, UNSIGNED_BUCKETS

SALT = bytes(range(16))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.254"),
        ("2001:db8::1", "2001:db8:0:ff::1"),
        ("::ffff:192.0.2.9", "192.0.2.1"),
    ],
)
def test_one_network_has_one_bucket(one: str, other: str) -> None:
    assert source_prefix(one) == source_prefix(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.3.1"),
        ("2001:db8::1", "2001:db8:1::1"),
        ("", "192.0.2.1"),
        ("unix", "\udcff"),
    ],
)
def test_networks_are_told_apart(one: str, other: str) -> None:
    assert source_prefix(one) != source_prefix(other)


def test_every_unsigned_bucket_is_used_and_the_signed_one_never() -> None:
    buckets = UnsignedBuckets(SALT)
    used = {buckets.bucket(f"10.{high}.{low}.1") for high in range(32) for low in range(256)}
    assert used == set(range(1, UNSIGNED_BUCKETS + 1))
    assert SIGNED_BUCKET not in used


def test_all_processes_on_one_store_agree_and_other_stores_differ() -> None:
    addresses = [f"10.0.{number}.1" for number in range(64)]
    here, there = UnsignedBuckets(SALT), UnsignedBuckets(SALT)
    assert [here.bucket(a) for a in addresses] == [there.bucket(a) for a in reversed(addresses)][
        ::-1
    ]
    elsewhere = UnsignedBuckets(SALT[::-1])
    assert [here.bucket(a) for a in addresses] != [elsewhere.bucket(a) for a in addresses]


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="15 octets"):
        UnsignedBuckets(SALT[:15])
