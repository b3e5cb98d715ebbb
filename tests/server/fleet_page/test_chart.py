"""Bars are to scale, and never hide what is there."""

from hypothesis import given
from hypothesis import strategies as st

from server.fleet_page.chart import WIDTH, Amount, bars, share


@given(st.lists(st.integers(0, 10**7), max_size=20))
def test_bars_are_to_scale_and_what_is_there_is_seen(counts: list[int]) -> None:
    drawn = bars([Amount(str(count), count) for count in counts], sum(counts))
    for count, bar in zip(counts, drawn, strict=True):
        assert 0 <= bar.width <= WIDTH
        assert (bar.width > 0) is (count > 0)
    if any(counts):
        assert max(bar.width for bar in drawn) == WIDTH
    ordered = [bar.width for _, bar in sorted(zip(counts, drawn, strict=True))]
    assert ordered == sorted(ordered)


def test_shares_are_cut_off_and_never_nothing() -> None:
    assert share(1, 3) == "33.3 %"
    assert share(999_999, 1_000_000) == "99.9 %"
    assert share(1, 1_000_000) == "< 0.1 %"
    assert share(0, 5) == "0.0 %"
    assert share(0, 0) == ""
