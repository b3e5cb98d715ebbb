import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.apdu import MANAGEMENT, OATH, OTP, PIV, Answer, get_response, select
from agent.findings import Findings, Reason
from agent.ports import CardBusyError, CardRemovedError, PcscAwayError, ReaderFailedError
from agent.probing import APPLICATIONS, is_yubikey, read_key
from agent.whitelist import COMMANDS, piv_metadata, piv_version, read_config
from tests.agent.recorded_card import OneCard, RecordedCard, ok, selected

GROUPS = {application.group for application in APPLICATIONS}
CONFIGURATION = "1b0102023f020400bc614e0302022b04010105030504030a0100"
KEY = {
    **selected(MANAGEMENT, b"Virtual mgr - FW version 5.4.3".hex()),
    read_config(0): ok(f"{len(bytes.fromhex(CONFIGURATION)) - 1:02x}" + CONFIGURATION[2:]),
    **selected(OTP, "050403010500"),
    **selected(OATH, "79030504037108a1a2a3a4a5a6a7a8"),
}


def ticks() -> Iterator[float]:
    return (float(number) for number in itertools.count())


def read(card: RecordedCard, deadline_s: float = 1e9) -> Findings:
    return read_key(OneCard(card), "a reader", ticks().__next__, deadline_s)


def test_a_key_is_read_and_let_go() -> None:
    card = RecordedCard(KEY)
    findings = read(card)
    assert findings.serial == 12345678
    assert findings.facts["device.firmware"] == "5.4.3"
    assert findings.facts["otp.slot1.programmed"] is True
    assert findings.facts["otp.slot1.touch"] is True
    assert findings.facts["otp.slot2.programmed"] is False
    assert findings.facts["oath.password_set"] is False
    assert findings.unreadable["piv"] == Reason.SWITCHED_OFF
    assert card.closed == 1


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (CardBusyError(), Reason.IN_USE),
        (CardRemovedError(), Reason.REMOVED),
        (ReaderFailedError(), Reason.FAILED),
        (PcscAwayError(), Reason.FAILED),
    ],
)
def test_a_card_that_cannot_be_opened_is_a_reason_for_everything(
    refusal: Exception, reason: Reason
) -> None:
    card = RecordedCard(KEY)
    findings = read_key(OneCard(card, refusal), "a reader", ticks().__next__)
    assert findings.unreadable == dict.fromkeys(GROUPS, reason.value)
    assert card.sent == []


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CardRemovedError(), Reason.REMOVED),
        (CardBusyError(), Reason.IN_USE),
        (ReaderFailedError(), Reason.FAILED),
        (PcscAwayError(), Reason.FAILED),
    ],
)
def test_what_was_read_before_a_fault_stays_and_the_rest_has_its_reason(
    fault: Exception, reason: Reason, at: int
) -> None:
    left = itertools.count()

    def fail(_octets: bytes) -> None:
        if next(left) >= at:
            raise fault

    card = RecordedCard(KEY, fail)
    findings = read(card)
    whole = read(RecordedCard(KEY))
    assert findings.facts.items() <= whole.facts.items()
    assert reason in findings.unreadable.values()
    assert card.closed == 1
    assert len(card.sent) == at + 1


def test_a_key_that_takes_too_long_is_let_go_at_the_deadline() -> None:
    card = RecordedCard(KEY)
    findings = read(card, deadline_s=4)
    assert len(card.sent) <= 4
    assert findings.unreadable["piv"] == Reason.DEADLINE
    assert card.closed == 1


def test_an_answer_without_an_end_is_garbage_and_ends() -> None:
    endless = {**KEY, select(PIV): Answer(bytes(255), 0x6100), get_response(0): Answer(b"", 0x6100)}
    card = RecordedCard(endless)
    findings = read(card)
    assert findings.unreadable["piv"] == Reason.GARBAGE
    assert len(card.sent) < 400


def test_an_answer_in_parts_is_put_together() -> None:
    whole = KEY[read_config(0)].data
    parts = {
        **KEY,
        read_config(0): Answer(whole[:5], 0x6100 | len(whole[5:])),
        get_response(len(whole[5:])): Answer(whole[5:], 0x9000),
    }
    assert read(RecordedCard(parts)).serial == 12345678


@given(
    st.dictionaries(
        st.sampled_from(sorted(COMMANDS)),
        st.builds(
            Answer, st.binary(max_size=40), st.sampled_from([0x9000, 0x6A82, 0x6D00, 0x6983])
        ),
        max_size=40,
    )
)
def test_a_key_that_answers_anything_at_all_harms_nothing(answers: dict[bytes, Answer]) -> None:
    card = RecordedCard({**{select(one.name): ok() for one in APPLICATIONS}, **answers})
    findings = read(card)
    assert card.closed == 1
    assert findings.facts or findings.unreadable


@given(st.data())
def test_metadata_that_is_cut_anywhere_is_garbage_or_less(data: st.DataObject) -> None:
    whole = bytes.fromhex("0101ff05010006020303")
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    key = {
        **KEY,
        **selected(PIV),
        piv_version(): ok("050403"),
        piv_metadata(0x80): Answer(cut, 0x9000),
    }
    findings = read(RecordedCard(key))
    if cut != whole:
        assert findings.unreadable["piv"] == Reason.GARBAGE
    else:
        assert findings.facts["piv.pin.tries"] == 3


@pytest.mark.parametrize(
    ("reader", "atr", "ours"),
    [
        ("Yubico YubiKey OTP+FIDO+CCID 00 00", b"", True),
        ("ACS ACR122U 00 00", bytes.fromhex("3B8D80018073C021C057597562694B6579F9"), True),
        ("ACS ACR122U 00 00", bytes.fromhex("3BF81300008131FE15597562696B657934D4"), True),
        ("ACS ACR122U 00 00", bytes.fromhex("3B8F8001804F0CA000000306030001000000006A"), False),
        ("Alcor Micro AU9540 00 00", bytes.fromhex("3BFF1300FF10000031C173C8211064"), False),
    ],
)
def test_a_card_of_somebody_elses_is_left_alone(reader: str, atr: bytes, ours: bool) -> None:  # noqa: FBT001
    assert is_yubikey(reader, atr) is ours
