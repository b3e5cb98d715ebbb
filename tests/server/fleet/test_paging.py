"""Pages: whoever goes on sees all of a list once, and whoever goes back sees the same pages."""

from hypothesis import given
from hypothesis import strategies as st

from server.fleet.paging import Page, Place, cut


def page(listed: list[str], place: Place, limit: int) -> Page[str]:
    """Return a page as a store finds it."""
    if place.is_before:
        found = [one for one in reversed(listed) if not place.entry or one < place.entry]
    else:
        found = [one for one in listed if one > place.entry]
    return cut(found[: limit + 1], place, limit)


@given(st.lists(st.text("abc", min_size=1, max_size=4), unique=True).map(sorted), st.integers(1, 5))
def test_forth_and_back_over_a_list(listed: list[str], limit: int) -> None:
    forth: list[Page[str]] = [page(listed, Place(), limit)]
    while forth[-1].later:
        forth.append(page(listed, Place(forth[-1].entries[-1]), limit))
    assert [one for each in forth for one in each.entries] == listed
    assert [each.earlier for each in forth] == [False] + [True] * (len(forth) - 1)
    at = forth[-1]
    for before in reversed(forth[:-1]):
        assert at.earlier
        at = page(listed, Place(at.entries[0], is_before=True), limit)
        assert at == before
    assert not at.earlier


def test_a_page_before_the_first_is_empty() -> None:
    assert page(["b"], Place("a", is_before=True), 3) == Page((), earlier=False, later=True)
