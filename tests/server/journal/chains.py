"""Deeds, chains and exports for tests, made up by hypothesis or in a few words."""

from collections.abc import Sequence

from hypothesis import strategies as st

from hsm.journalkey import JournalKey
from server.journal.acts import Act, Actor, Deed, State, Subject
from server.journal.checkpoint import Checkpoint, PublicKeys, sign_checkpoint
from server.journal.entry import BEGINNING, Entry, append
from server.journal.export import end_to_json, line_of

KEY = JournalKey.generate()
KEYS = PublicKeys([KEY.public_key])
NOON_US = 1_795_262_400_000_000

texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
states: st.SearchStrategy[State | None] = st.none() | st.dictionaries(texts, values, max_size=4)
deeds = st.builds(
    Deed,
    st.builds(Act, st.builds(Actor, texts, texts), texts, texts),
    st.builds(Subject, texts, texts),
    states,
    states,
)
times = st.integers(0, 4 * 10**15)


def deed(name: str = "client 1") -> Deed:
    act = Act(Actor("local", "0(root)"), "client.disable", "a reason")
    return Deed(act, Subject("client", name), {"active": True}, {"active": False})


def chain(of: Sequence[Deed]) -> list[Entry]:
    """Return a chain of deeds, a second apart."""
    end, made = BEGINNING, []
    for number, one in enumerate(of):
        made.append(append(end, one, NOON_US + number * 1_000_000))
        end = made[-1].end
    return made


def a_chain(length: int) -> list[Entry]:
    return chain([deed(f"client {number}") for number in range(1, length + 1)])


def signed(entries: Sequence[Entry]) -> Checkpoint:
    """Return a checkpoint at the end of entries."""
    return sign_checkpoint(entries[-1].end if entries else BEGINNING, NOON_US, KEY)


def export(entries: Sequence[Entry], checkpoints: Sequence[Checkpoint]) -> list[bytes]:
    """Return the lines of an export."""
    end = entries[-1].end if entries else BEGINNING
    objects = [*(one.to_json() for one in checkpoints), *(one.to_json() for one in entries)]
    return [line_of(value) for value in [*objects, end_to_json(end)]]
