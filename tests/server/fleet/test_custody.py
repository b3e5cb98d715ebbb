"""Alarms at keys: two persons' hosts saw one, or a lost one came back; and when they end."""

from server.fleet.custody import Alarm, Custody, Witness, alarms, begins, lost_seen, sharers, told
from server.fleet.holders import LOST_SEEN, SHARED, Holder, HolderKind

KEY = "serial:1"
D1, D2, D3 = "2026-11-25", "2026-11-26", "2026-11-27"
A, B, C = "0a" * 16, "0b" * 16, "0c" * 16


def saw(host: str, person: str, day: str = D2, after: str = "") -> Witness:
    return Witness(host, person, after, day)


def holder(kind: HolderKind = HolderKind.PRIMARY, after: str = "", lost: str = "") -> Holder:
    return Holder(KEY, "Anna", kind, after, lost)


def test_hosts_of_two_persons_share_a_key_and_two_hosts_of_one_do_not() -> None:
    assert list(sharers(None, [saw(A, "Anna"), saw(B, "Bo", D1)])) == ["bo", "anna"]
    assert sharers(None, [saw(A, "Anna"), saw(B, "ANNA ")]) == {}
    assert sharers(None, [saw(A, "Anna"), saw(B, "")]) == {}


def test_what_was_seen_before_a_host_or_a_key_changed_hands_does_not_count() -> None:
    both = [saw(A, "Anna", D1), saw(B, "Bo", D2)]
    assert sharers(holder(after=D1), both) == {}
    assert sharers(holder(after=""), both)
    assert sharers(None, [saw(A, "Anna", D2, after=D2), saw(B, "Bo", D3)]) == {}
    assert sharers(None, [saw(A, "Anna", D3, after=D2), saw(B, "Bo", D3)])


def test_a_lost_key_is_seen_again_from_the_next_day_on_or_by_a_host_that_is_new_to_it() -> None:
    lost = holder(HolderKind.LOST, lost=D2)
    assert lost_seen(lost, [saw(A, "", D2)]) == frozenset()
    assert lost_seen(lost, [saw(A, "", D3)]) == {A}
    assert lost_seen(lost, [saw(A, "", D2)], fresh=frozenset({A})) == {A}
    assert lost_seen(lost, [saw(A, "", D1)], fresh=frozenset({A})) == frozenset()
    assert lost_seen(lost, [saw(A, "", D2)], before=frozenset({A})) == {A}
    assert lost_seen(holder(), [saw(A, "", D3)], before=frozenset({A})) == frozenset()
    assert lost_seen(None, [saw(A, "", D3)]) == frozenset()


def test_a_day_that_moves_on_may_begin_an_alarm_only_where_it_counts_for_the_first_time() -> None:
    lost = holder(HolderKind.LOST, lost=D2)
    assert begins(lost, saw(A, "", D1), D3)
    assert begins(lost, saw(A, "", D2), D3)
    assert not begins(lost, saw(A, "", D3), D3)
    assert not begins(lost, saw(A, "", D1), D2)
    assert not begins(holder(), saw(A, "Anna", D1), D3)
    assert begins(holder(after=D2), saw(A, "Anna", D2), D3)
    assert not begins(holder(after=D2), saw(A, "", D2), D3)
    assert begins(None, saw(A, "Anna", D2, after=D2), D3)
    assert not begins(None, saw(A, "Anna", D3, after=D2), D3)


def test_one_fact_tells_of_each_pair_and_of_each_host_and_never_again() -> None:
    first = [saw(A, "Anna", D1), saw(B, "Bo", D2)]
    now = alarms(None, first)
    assert now == {Alarm("shared", "anna"), Alarm("shared", "bo")}
    (fact,) = told(KEY, None, first, before=frozenset(), now=now)
    assert (fact.kind, fact.subject) == ("fleet.key-shared", KEY)
    assert fact.detail == {"host": B, "with": [A]}
    assert told(KEY, None, first, before=now, now=now) == []
    more = [*first, saw(C, "Cy", D3)]
    (fact,) = told(KEY, None, more, before=now, now=alarms(None, more))
    assert fact.detail == {"host": C, "with": [A, B]}
    lost = holder(HolderKind.LOST, after=D3, lost=D1)
    seen = alarms(lost, first, before=now)
    assert seen == {Alarm("lost-key-seen", B)}
    (fact,) = told(KEY, lost, first, before=now, now=seen)
    assert (fact.kind, fact.detail) == ("fleet.lost-key-seen", {"host": B})


def test_facts_name_hosts_and_no_person() -> None:
    both = [saw(A, "Anna", D1), saw(B, "Bo", D2)]
    text = str(told(KEY, None, both, before=frozenset(), now=alarms(None, both)))
    assert "anna" not in text.casefold()


def test_custody_becomes_facts_only_where_there_is_something() -> None:
    assert Custody().facts() == {}
    found = Custody(shared=("Anna", "Bo"), lost_seen=(A,)).facts()
    assert found == {SHARED: ("Anna", "Bo"), LOST_SEEN: (A,)}
