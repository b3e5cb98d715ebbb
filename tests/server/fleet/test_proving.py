"""Proofs against words: who outweighs whom, for how long, and who is named."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import KeyReport, Value
from server.fleet.absorbing import KnownKey, absorb, as_report, without_host
from server.fleet.health import judge_health
from server.fleet.proof import Proof
from server.fleet.proving import Proven, prove
from server.fleet.trust import WORDS, Trust, trust_of
from tests.server.fleet.reports import HEALTHY, HOST, TODAY, a_key

LIAR = "1e" * 16
OLD: dict[str, Value] = HEALTHY | {"device.firmware": "5.4.3"}
FIRMWARE, PIN = "device.firmware", "piv.pin.default"
KEY = "serial:10000001"


def reported(
    key: KeyReport, host: str = HOST, known: KnownKey | None = None, day: date = TODAY
) -> KnownKey:
    return absorb(known, key._replace(last_seen=day), host, day, today=day).key


def proved(
    known: KnownKey,
    facts: dict[str, Value],
    trust: Trust = Trust.KEY_SIGNED,
    day: date = TODAY,
) -> Proven:
    return prove(known, Proof(KEY, HOST, day, trust, facts))


def test_a_proof_is_shown_at_its_level_and_changes_nothing_that_was_true() -> None:
    found = proved(reported(a_key()), {FIRMWARE: "5.7.4"})
    assert found.key.facts[FIRMWARE].trust is Trust.KEY_SIGNED
    assert found.key.facts[PIN].trust is Trust.HOST_SIGNED
    assert found.changes == ()
    assert found.altered == {}


def test_a_proof_settles_a_dispute_for_good_and_names_who_lied() -> None:
    known = reported(a_key(OLD), LIAR)
    known = reported(a_key(), HOST, known)
    assert known.disputed == (FIRMWARE,)
    found = proved(known, {FIRMWARE: "5.7.4"})
    assert found.key.disputed == ()
    assert found.altered == {LIAR: (FIRMWARE,)}
    assert found.key.altered == (FIRMWARE,)
    assert as_report(found.key).facts[FIRMWARE] == "5.7.4"
    again = proved(found.key, {FIRMWARE: "5.7.4"}, day=TODAY + timedelta(1))
    assert again.altered == {}
    assert again.key.altered == (FIRMWARE,)


def test_who_contradicts_a_proof_later_is_named_once_and_changes_nothing() -> None:
    known = proved(reported(a_key()), {FIRMWARE: "5.7.4"}).key
    absorbed = absorb(known, a_key(OLD), LIAR, TODAY, today=TODAY)
    assert absorbed.altered == (FIRMWARE,)
    assert absorbed.key.facts[FIRMWARE].value == "5.7.4"
    assert absorbed.changes == ()
    assert absorb(absorbed.key, a_key(OLD), LIAR, TODAY, today=TODAY).altered == ()
    rules = {fault.rule.name for fault in judge_health(as_report(absorbed.key), TODAY).faults}
    assert "altered" in rules
    assert "disputed" not in rules


def test_a_host_that_alters_is_named_although_the_proof_came_by_way_of_it() -> None:
    found = proved(reported(a_key(OLD)), {FIRMWARE: "5.7.4"})
    assert found.altered == {HOST: (FIRMWARE,)}
    assert [(one.before, one.after) for one in found.changes] == [("5.4.3", "5.7.4")]


def test_of_what_changes_a_proof_is_the_word_of_its_day_and_the_next_word_that_of_the_next() -> (
    None
):
    known = reported(a_key(HEALTHY | {PIN: True}))
    known = proved(known, {PIN: False}, Trust.KEY_CHANNEL).key
    assert known.facts[PIN] == known.facts[PIN]._replace(value=False, trust=Trust.KEY_CHANNEL)
    known = reported(a_key(HEALTHY | {PIN: True}), LIAR, known)
    assert known.facts[PIN].value is False
    later = reported(a_key(HEALTHY | {PIN: True}), LIAR, known, TODAY + timedelta(1))
    assert (later.facts[PIN].value, later.facts[PIN].trust) == (True, Trust.HOST_SIGNED)
    assert later.altered == ()


def test_what_a_key_proved_today_is_not_gone_because_a_report_leaves_it_out() -> None:
    known = proved(reported(a_key()), {"piv.slot.9e.origin": "generated"}).key
    known = reported(a_key(), LIAR, known)
    assert "piv.slot.9e.origin" in known.facts
    assert "piv.slot.9e.origin" not in reported(a_key(), LIAR, known, TODAY + timedelta(1)).facts


def test_a_weaker_proof_does_not_take_the_place_of_a_stronger_one() -> None:
    known = proved(reported(a_key()), {FIRMWARE: "5.7.4"}, Trust.KEY_CHANNEL).key
    found = proved(known, {FIRMWARE: "5.7.1"}, Trust.KEY_SIGNED)
    assert found.key.facts[FIRMWARE] == known.facts[FIRMWARE]


def test_an_unproven_channel_is_shown_and_settles_nothing() -> None:
    known = reported(a_key())
    shown = proved(known, {FIRMWARE: "5.7.4"}, Trust.UNPROVEN).key
    assert shown.facts[FIRMWARE].trust is Trust.UNPROVEN
    disputed = reported(a_key(OLD), LIAR, shown)
    assert disputed.disputed == (FIRMWARE,)
    assert proved(disputed, {FIRMWARE: "5.7.4"}, Trust.UNPROVEN).key.disputed == (FIRMWARE,)


def test_a_proof_outlives_the_host_by_way_of_which_it_came() -> None:
    known = reported(a_key(OLD), LIAR)
    known = reported(a_key(), HOST, known)
    known = proved(known, {FIRMWARE: "5.7.4"}).key
    forgotten = without_host(known, HOST)
    assert (forgotten.facts[FIRMWARE].value, forgotten.facts[FIRMWARE].host_id) == ("5.7.4", "")
    assert forgotten.altered == (FIRMWARE,)
    assert without_host(forgotten, LIAR).altered == ()
    assert reported(a_key(OLD), LIAR, forgotten).facts[FIRMWARE].value == "5.7.4"


def test_who_did_not_know_what_he_read_or_knows_more_than_the_server_is_no_liar() -> None:
    form = "device.form_factor"
    old_agent = proved(reported(a_key(HEALTHY | {form: "unknown"})), {form: "usb-c-nano"})
    assert old_agent.key.facts[form].value == "usb-c-nano"
    assert (old_agent.altered, old_agent.key.altered) == ({}, ())
    new_agent = proved(
        reported(a_key(HEALTHY | {form: "usb-d-nano"})), {form: "unknown"}, Trust.KEY_CHANNEL
    )
    assert new_agent.key.facts[form].value == "usb-d-nano"
    assert (new_agent.altered, new_agent.key.altered) == ({}, ())


def test_a_name_of_our_own_is_not_proved_by_anybody() -> None:
    assert (
        "keystead.altered" not in proved(reported(a_key()), {"keystead.altered": ("x",)}).key.facts
    )


def test_words_of_levels_are_read_back_and_others_refused() -> None:
    assert [trust_of(word) for word in WORDS] == sorted(Trust)
    with pytest.raises(ValueError, match="no level of trust"):
        trust_of("certain")


WORD = st.sampled_from(["5.4.3", "5.7.4"])
STEP = st.tuples(
    st.sampled_from([HOST, LIAR]), WORD, st.sampled_from([None, *Trust]), st.integers(0, 3)
)


@given(steps=st.lists(STEP, min_size=1, max_size=8))
def test_no_word_of_a_host_ever_replaces_a_proof_or_disputes_it(
    steps: list[tuple[str, str, Trust | None, int]],
) -> None:
    known = reported(a_key())
    strongest: tuple[Trust, str] | None = None
    for host, value, trust, later in sorted(steps, key=lambda step: step[3]):
        day = TODAY + timedelta(later)
        if trust is None:
            facts = HEALTHY | {FIRMWARE: value}
            known = reported(a_key(facts), host, known, day)
        else:
            known = prove(known, Proof(KEY, host, day, trust, {FIRMWARE: value})).key
            if trust.is_proven and (strongest is None or trust >= strongest[0]):
                strongest = (trust, value)
        if strongest is not None:
            fact = known.facts[FIRMWARE]
            assert (fact.trust, fact.value) == strongest
            assert known.disputed == ()
            assert all(claim.value != fact.value for claim in fact.others)


def test_what_is_unproven_outweighs_no_laptops_word_and_its_own_laptops_does_not_hide_it() -> None:
    known = reported(a_key(), LIAR)
    known = reported(a_key(), HOST, known)
    told = Proof(KEY, LIAR, TODAY, Trust.UNPROVEN, {FIRMWARE: "5.7.4", PIN: True})
    shown = prove(known, told).key
    assert shown.facts[PIN].trust is Trust.UNPROVEN
    # The firmware was said by this laptop first; so it is shown what stands behind it.
    assert shown.facts[FIRMWARE].trust is Trust.UNPROVEN
    again = reported(a_key(HEALTHY | {PIN: True}), LIAR, shown)
    assert again.facts[PIN].trust is again.facts[FIRMWARE].trust is Trust.UNPROVEN
    honest = reported(a_key(), HOST, again)
    assert (honest.facts[PIN].value, honest.facts[PIN].trust) == (False, Trust.HOST_SIGNED)
    tomorrow = reported(a_key(HEALTHY | {PIN: True}), LIAR, shown, TODAY + timedelta(1))
    assert tomorrow.facts[PIN].trust is Trust.HOST_SIGNED


def test_what_is_unproven_takes_no_other_laptops_word_away() -> None:
    known = reported(a_key(), HOST)
    told = Proof(KEY, LIAR, TODAY, Trust.UNPROVEN, {FIRMWARE: "5.7.4"})
    fact = prove(known, told).key.facts[FIRMWARE]
    assert (fact.host_id, fact.trust) == (HOST, Trust.HOST_SIGNED)
