"""Whatever one thing is done to a chain, its audit finds it and names the first bad entry."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.journal.acts import Act, Actor, Deed, Subject
from server.journal.audit import Audit, Verdict
from server.journal.chain import Chain, Fault
from server.journal.checkpoint import Checkpoint
from server.journal.entry import BEGINNING, End, Entry, append
from tests.server.journal.chains import KEYS, NOON_US, a_chain, chain, deed, deeds, signed

chains = st.lists(deeds, min_size=2, max_size=8).map(chain)


def audit(
    entries: Sequence[Entry], checkpoints: Sequence[Checkpoint], end: End | None = None
) -> Verdict:
    looking = Audit(KEYS, checkpoints)
    for entry in entries:
        looking.take(entry)
    return looking.close(end)


def first_bad(entries: Sequence[Entry], *checkpoints: Checkpoint) -> int | None:
    fault = audit(entries, checkpoints).fault
    return None if fault is None else fault.sequence


@given(chains, st.data())
def test_a_chain_as_it_was_written_is_whole(entries: list[Entry], data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.integers(0, len(entries)), min_size=1, max_size=3))
    checkpoints = [signed(entries[:length]) for length in ends]
    verdict = audit(entries, checkpoints, entries[-1].end)
    assert verdict.fault is None
    assert verdict.end == entries[-1].end
    assert verdict.attested == max(ends)
    assert verdict.checkpoints == len(set(ends))


def edits(entry: Entry) -> dict[str, Entry]:
    """Return an entry with each of its parts altered in turn."""
    act, subject, before, after = entry.deed
    actor = Actor(act.actor.kind + "x", act.actor.name), Actor(act.actor.kind, act.actor.name + "x")
    changed: list[Deed] = [
        *(entry.deed._replace(act=act._replace(actor=one)) for one in actor),
        entry.deed._replace(act=act._replace(action=act.action + "x")),
        entry.deed._replace(act=act._replace(reason=act.reason + "x")),
        entry.deed._replace(subject=Subject(subject.kind + "x", subject.id)),
        entry.deed._replace(subject=Subject(subject.kind, subject.id + "x")),
        entry.deed._replace(before={**(before or {}), "x y z": 1}),
        entry.deed._replace(after={**(after or {}), "x y z": 1}),
    ]
    found = {f"deed {n}": entry._replace(deed=one) for n, one in enumerate(changed)}
    flipped = bytes([entry.previous[0] ^ 1]) + entry.previous[1:]
    found["time"] = entry._replace(time_us=entry.time_us + 1)
    found["previous"] = entry._replace(previous=flipped)
    found["hash"] = entry._replace(hash=bytes([entry.hash[0] ^ 1]) + entry.hash[1:])
    return found


@given(chains, st.data())
def test_any_edit_is_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    altered = edits(entries[place])
    how = data.draw(st.sampled_from(sorted(altered)))
    entries = [*entries[:place], altered[how], *entries[place + 1 :]]
    assert first_bad(entries, signed(entries)) == place + 1


@given(chains, st.data())
def test_an_edit_with_a_new_hash_is_found_by_the_next_entry(
    entries: list[Entry], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(entries) - 2))
    forged = append(Chain(BEGINNING if place == 0 else entries[place - 1].end).end, deed(), NOON_US)
    attested = signed(entries)
    entries = [*entries[:place], forged, *entries[place + 1 :]]
    assert first_bad(entries, attested) == place + 1


@given(chains, st.data())
def test_a_chain_computed_anew_is_found_by_a_checkpoint(
    entries: list[Entry], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    earlier, later = signed(entries[:place]), signed(entries)
    deeds_ = [entry.deed for entry in entries]
    deeds_[place] = deeds_[place]._replace(act=Act(Actor("", ""), "somebody else's", ""))
    forged = chain(deeds_)
    assert first_bad(forged, signed(forged)) is None, "nothing but a checkpoint shows it"
    assert first_bad(forged, earlier, later) == place + 1


@given(chains, st.data())
def test_any_deletion_is_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    assert first_bad([*entries[:place], *entries[place + 1 :]], signed(entries)) == place + 1


@given(chains, st.data())
def test_any_truncation_is_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(entries) - 1))
    assert first_bad(entries[:length], signed(entries)) == length + 1


@given(chains, st.data())
def test_any_new_order_is_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(entries))
    if shuffled == entries:
        return
    moved = next(
        n for n, pair in enumerate(zip(shuffled, entries, strict=True)) if pair[0] != pair[1]
    )
    assert first_bad(shuffled, signed(entries)) == moved + 1


@given(chains, st.data())
def test_any_insertion_is_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries)))
    before = BEGINNING if place == 0 else entries[place - 1].end
    foreign = data.draw(
        st.sampled_from([append(before, deed("new"), NOON_US), *entries]).filter(
            lambda one: place == len(entries) or one != entries[place]
        )
    )
    attested = signed(entries[:place]), signed(entries)
    found = first_bad([*entries[:place], foreign, *entries[place:]], *attested)
    if foreign.sequence <= place:
        assert found == foreign.sequence, "one that stood there already"
    elif place < len(entries):
        assert found == place + 1
    else:
        # At the end a well-made one continues the chain: it is simply not confirmed yet.
        assert found is None


def test_the_first_fault_is_the_one_that_is_told() -> None:
    entries = a_chain(5)
    del entries[1]
    entries[3] = entries[3]._replace(time_us=0)
    fault = audit(entries, [signed(a_chain(5))]).fault
    assert fault == Fault(2, "entry 2 is missing: entry 3 follows")


def test_without_a_checkpoint_nothing_is_believed() -> None:
    fault = audit(a_chain(3), []).fault
    assert fault is not None
    assert "no checkpoint" in fault.what


def test_an_end_that_was_promised_must_be_there() -> None:
    entries = a_chain(3)
    for said in (End(4, bytes(32)), End(3, bytes(32)), End(2, entries[1].hash)):
        fault = audit(entries, [signed(entries[:2])], said).fault
        assert fault is not None
        assert fault.sequence == 4


def test_two_checkpoints_that_contradict_each_other_are_found() -> None:
    entries, others = a_chain(3), chain([deed("another")] * 3)
    assert first_bad(entries, signed(entries), signed(others)) == 3
    assert first_bad(entries, signed(others), signed(entries)) == 3
    assert first_bad(entries, signed([])._replace(end=End(0, b"\1" * 32))) is not None


def test_a_chain_is_followed_from_where_it_is_known() -> None:
    entries: Any = a_chain(4)
    following = Chain(entries[1].end)
    assert following.follow(entries[2]) is None
    assert following.follow(entries[3]) is None
    assert following.end == entries[3].end
