"""When keys are proved: once they were read, never in somebody's way, and not for ever in vain."""

from agent.findings import Findings
from agent.ports import ReaderState
from agent.proofs_due import PAUSE_S, TRIES, ProofsDue
from agent.slots import Slots

ATR = b"YubiKey"


def slots(*, in_use: bool = False, changes: int = 1) -> Slots:
    state = ReaderState(present=True, in_use=in_use, changes=changes, atr=ATR, raw=0)
    return Slots().seen({"A": state}, 0.0)


def read(known: Slots) -> Slots:
    findings = Findings({"scp.scp11b": True}, {}, 7)
    return known.reading("reader A", 1.0).read("reader A", 1, findings, 2.0)


def test_a_key_is_proved_once_for_each_reading() -> None:
    due = ProofsDue().read("reader A", 1).reported(2.0)
    known = read(slots())
    assert due.ready(known, 2.0) == ["reader A"]
    assert due.begun("reader A").ready(known, 2.0) == []


def test_a_key_that_is_in_use_or_being_read_waits() -> None:
    due = ProofsDue().read("reader A", 1).reported(2.0)
    assert due.ready(slots(), 2.0) == []
    state = ReaderState(present=True, in_use=True, changes=1, atr=ATR, raw=0)
    used = read(slots()).seen({"A": state}, 3.0)
    assert due.ready(used, 3.0) == []
    assert due.still(used) == due


def test_a_key_that_is_gone_or_another_one_is_forgotten() -> None:
    due = ProofsDue().read("reader A", 1).reported(2.0)
    assert due.still(Slots()).due == {}
    assert due.still(slots(changes=2)).due == {}


def test_what_failed_is_tried_again_later_and_not_for_ever() -> None:
    due, known, now = ProofsDue().read("reader A", 1).reported(2.0), read(slots()), 2.0
    for count in range(1, TRIES):
        was = due.due["reader A"]
        due = due.begun("reader A").failed("reader A", was, now)
        assert due.ready(known, now) == []
        assert due.due_at(now) == now + PAUSE_S * 2 ** (count - 1)
        now = due.due["reader A"].at
        assert due.ready(known, now) == ["reader A"]
    was = due.due["reader A"]
    assert due.begun("reader A").failed("reader A", was, now).due == {}


def test_what_was_read_anew_meanwhile_is_not_put_off() -> None:
    due = ProofsDue().read("reader A", 1).reported(2.0)
    was = due.due["reader A"]
    again = due.begun("reader A").read("reader A", 1).reported(5.0)
    assert again.failed("reader A", was, 6.0) == again


def test_a_proof_does_not_tell_when_a_key_was_plugged_in() -> None:
    due, known = ProofsDue().read("reader A", 1), read(slots())
    assert due.ready(known, 10**9) == []
    assert due.due_at(0.0) == float("inf")
    assert due.reported(7.0).ready(known, 7.0) == ["reader A"]


def test_what_was_proved_is_proved_again_when_its_time_has_come_and_was_not_read_anew() -> None:
    due, known = ProofsDue().read("reader A", 1).reported(2.0), read(slots())
    was = due.due["reader A"]
    again = due.begun("reader A").again("reader A", was, 3600.0)
    assert again.ready(known, 3599.0) == []
    assert again.ready(known, 3600.0) == ["reader A"]
    anew = due.begun("reader A").read("reader A", 1)
    assert anew.again("reader A", was, 3600.0) == anew
