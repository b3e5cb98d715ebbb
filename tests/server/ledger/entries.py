"""Entries for tests, and chains of them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from server.journal.entry import BEGINNING
from server.ledger.entry import SALT_OCTETS, Entry, Kind, NewEntry, append

TIME_US = 1_790_000_000_000_000

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
new_entries = st.builds(
    NewEntry,
    st.sampled_from(Kind),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), _json, max_size=4),
)
salts = st.binary(min_size=SALT_OCTETS, max_size=SALT_OCTETS)


def chain(news: Sequence[NewEntry]) -> list[Entry]:
    """Return a chain of these, each salted by its number and a second after the one before."""
    entries: list[Entry] = []
    for at, new in enumerate(news):
        end = entries[-1].end if entries else BEGINNING
        salt = at.to_bytes(SALT_OCTETS, "big")
        entries.append(append(end, new, TIME_US + at * 1_000_000, salt))
    return entries


def incident_steps(count: int) -> list[NewEntry]:
    """Return so many entries about incident 7."""
    return [NewEntry(Kind.INCIDENT, "7", {"step": f"step {at}"}) for at in range(count)]
