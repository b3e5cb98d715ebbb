"""Shares: enough of them give the secret, fewer nothing, and a wrong letter is told where it is."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.ceremony import gf256
from hsm.ceremony.share_text import ALPHABET, MistypedError, checked, groups_of, number_of
from hsm.ceremony.shares import GROUPS, Kind, Share, SharesError, combine, split

OCTET = st.integers(0, 255)
SECRET = st.binary(min_size=32, max_size=32)
SIZES = st.integers(2, 15).flatmap(lambda count: st.tuples(st.integers(2, count), st.just(count)))
A_SECRET = bytes(range(32))


@given(OCTET, OCTET, OCTET)
def test_the_field_is_one(one: int, two: int, three: int) -> None:
    times = gf256.multiply
    assert times(one, two) == times(two, one)
    assert times(times(one, two), three) == times(one, times(two, three))
    assert times(one, two ^ three) == times(one, two) ^ times(one, three)
    assert times(one, 1) == one


def test_the_field_is_that_of_aes() -> None:
    assert gf256.multiply(0x57, 0x83) == 0xC1  # FIPS 197, section 4.2
    assert gf256.multiply(0x57, 0x13) == 0xFE
    assert gf256.inverse(0) == 0
    assert all(gf256.multiply(one, gf256.inverse(one)) == 1 for one in range(1, 256))


@given(SECRET, SIZES, st.randoms())
def test_any_that_are_enough_give_the_secret(
    secret: bytes, sizes: tuple[int, int], chance: "object"
) -> None:
    threshold, count = sizes
    shares = split(Kind.WRAP_KEY, secret, threshold=threshold, count=count)
    chance.shuffle(shares)  # type: ignore[attr-defined]
    assert combine(shares[:threshold]) == secret
    assert combine(shares) == secret
    with pytest.raises(SharesError, match="are needed"):
        combine(shares[: threshold - 1] * 3)


def test_every_choice_of_three_of_five_gives_the_secret() -> None:
    shares = split(Kind.CEREMONY_SECRET, A_SECRET, threshold=3, count=5)
    for chosen in itertools.permutations(shares, 3):
        assert combine(chosen) == A_SECRET


def test_fewer_than_enough_fit_every_secret() -> None:
    """One share and any secret lie on one line: for each of 256 values of an octet there is one."""
    share = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=2)[0]
    slopes = set()
    for guess in range(256):
        slopes.add(gf256.multiply(guess ^ share.value[0], gf256.inverse(share.number)))
    assert len(slopes) == 256


def test_shares_that_do_not_belong_together_are_refused() -> None:
    one = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=3)
    other = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=3)
    assert one[0].set_id != other[0].set_id, "also when the secret is the same"
    with pytest.raises(SharesError, match="two sets"):
        combine([one[0], other[1]])
    with pytest.raises(SharesError, match="two sets"):
        combine([one[0], one[1]._replace(kind=Kind.CEREMONY_SECRET)])
    with pytest.raises(SharesError, match="no share"):
        combine([])
    with pytest.raises(SharesError, match="differ"):
        combine([one[0], one[0]._replace(value=one[1].value), one[1]])


@given(st.integers(0, 2), st.integers(0, 31), st.integers(1, 255))
def test_a_share_that_was_altered_is_noticed(which: int, at: int, flip: int) -> None:
    shares = split(Kind.WRAP_KEY, A_SECRET, threshold=3, count=3)
    value = bytearray(shares[which].value)
    value[at] ^= flip
    shares[which] = shares[which]._replace(value=bytes(value))
    with pytest.raises(SharesError, match="do not give what was split"):
        combine(shares)


def test_one_that_is_more_than_enough_must_fit_too() -> None:
    shares = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=3)
    shares[2] = shares[2]._replace(value=bytes(32))
    with pytest.raises(SharesError, match="do not give"):
        combine(shares)
    assert combine(shares[:2]) == A_SECRET


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (4, 3), (2, 16), (0, 0), (2, 1)])
def test_odd_numbers_of_shares_are_refused(threshold: int, count: int) -> None:
    with pytest.raises(ValueError, match="shares"):
        split(Kind.WRAP_KEY, A_SECRET, threshold=threshold, count=count)
    with pytest.raises(ValueError, match="32 octets"):
        split(Kind.WRAP_KEY, b"short", threshold=2, count=2)


SHARES = st.builds(
    Share,
    st.sampled_from(Kind),
    st.binary(min_size=6, max_size=6),
    st.integers(2, 15),
    st.integers(1, 15),
    SECRET,
)


@given(SHARES)
def test_a_share_is_read_as_it_was_written(share: Share) -> None:
    groups = share.groups()
    assert len(groups) == GROUPS
    assert Share.parse(groups) == share
    assert Share.parse([group.lower() for group in groups]) == share
    alike = [group.replace("0", "O").replace("1", "l") for group in groups]
    assert Share.parse(alike) == share


@given(SHARES, st.integers(0, GROUPS - 1), st.integers(0, 4), st.sampled_from(ALPHABET))
def test_one_wrong_letter_is_told_with_its_group(
    share: Share, group: int, at: int, letter: str
) -> None:
    typed = share.groups()
    right = typed[group]
    typed[group] = right[:at] + letter + right[at + 1 :]
    if typed[group] == right:
        return
    with pytest.raises(MistypedError) as told:
        Share.parse(typed)
    assert told.value.number == group + 1


@given(SHARES, st.integers(0, GROUPS - 1), st.integers(0, 3))
def test_two_letters_that_changed_places_are_told(share: Share, group: int, at: int) -> None:
    typed = share.groups()
    right = typed[group]
    typed[group] = right[:at] + right[at + 1] + right[at] + right[at + 2 :]
    if typed[group] != right:
        with pytest.raises(MistypedError, match=f"group {group + 1} was mistyped"):
            Share.parse(typed)


@given(SHARES, st.integers(0, GROUPS - 1), st.integers(0, GROUPS - 1))
def test_two_groups_that_changed_places_are_told(share: Share, one: int, two: int) -> None:
    typed = share.groups()
    typed[one], typed[two] = typed[two], typed[one]
    if one != two:
        with pytest.raises(MistypedError) as told:
            Share.parse(typed)
        assert told.value.number == min(one, two) + 1


@given(SHARES, st.data())
def test_what_the_groups_own_checks_let_by_the_last_one_tells(
    share: Share, data: st.DataObject
) -> None:
    """Wrong by groups that are right in themselves: once in a million it would not be told."""
    typed = share.groups()
    number = data.draw(st.integers(2, GROUPS - 1))
    other = groups_of(data.draw(st.integers(0, (1 << 20 * GROUPS) - 1)), GROUPS)[number]
    if other != typed[number]:
        typed[number] = other
        with pytest.raises(MistypedError):
            Share.parse(typed)


@given(st.lists(st.text(max_size=7), max_size=20))
def test_whatever_is_typed_is_a_share_or_mistyped(typed: list[str]) -> None:
    with pytest.raises(MistypedError):
        Share.parse(typed)


@given(st.integers(0, (1 << 100) - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert number_of(groups_of(number, 5)) == number


def test_a_group_is_checked_as_it_is_typed() -> None:
    group = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=2)[0].groups()[4]
    assert checked(5, f" {group.lower()} ") == group
    for wrong, why in ((group[:4], "has 4 letters"), (f"{group[:4]}U", "no share has")):
        with pytest.raises(MistypedError, match=why):
            checked(5, wrong)


def test_a_share_does_not_show_what_it_holds() -> None:
    share = split(Kind.WRAP_KEY, A_SECRET, threshold=2, count=2)[0]
    shown = f"{share!r} {share.name}"
    assert share.value.hex() not in shown
    assert share.groups()[5] not in shown
    assert share.set_id.hex() in shown


def test_the_form_stays_what_is_written_on_paper() -> None:
    """A vector: shares in safes must be readable for as long as there are safes."""
    stream = itertools.count(1)
    shares = split(
        Kind.CEREMONY_SECRET,
        A_SECRET,
        threshold=3,
        count=5,
        randomness=lambda size: hashlib.shake_128(bytes([next(stream)])).digest(size),
    )
    assert combine([Share.parse(VECTOR.split()), *shares[3:]]) == A_SECRET
    assert shares[1].groups() == VECTOR.split()


VECTOR = """
28SBQ 65SZR M3EZP CA6VV FW6JR 6M8RG FGX2V RN88R WDQAY
DFR2N E7MRB 8Y0SH F4MEM Y0341 3TRAP CYN2N DP3C4
"""
