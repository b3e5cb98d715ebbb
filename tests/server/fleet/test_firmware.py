"""Versions are numbers in order, and ranges are half open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.firmware import Version, VersionError, VersionRange

versions = st.builds(Version, *[st.integers(0, 999)] * 3)


@given(versions)
def test_a_version_is_read_as_it_is_written(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(st.text(max_size=12))
def test_whatever_is_written_is_a_version_or_refused(text: str) -> None:
    try:
        version = Version.parse(text)
    except VersionError:
        return
    assert tuple(map(int, text.split("."))) == version


@pytest.mark.parametrize(
    "text", ["5.7", "5.7.1.2", " 5.7.1", "5.7.x", "\u0665.7.1", "5.7.1\n", "5555.1.1"]
)
def test_what_only_looks_like_a_version_is_refused(text: str) -> None:
    with pytest.raises(VersionError):
        Version.parse(text)


def test_ten_comes_after_nine() -> None:
    assert Version.parse("5.10.0") > Version.parse("5.9.9")


def test_a_range_holds_its_start_and_not_its_end() -> None:
    span = VersionRange(Version(5, 2, 0), Version(5, 2, 7))
    assert [span.includes(Version(5, 2, patch)) for patch in (0, 6, 7)] == [True, True, False]
    assert VersionRange().includes(Version(1, 0, 0))
