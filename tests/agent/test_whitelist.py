import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import apdu, whitelist
from agent.pcsc import PcscCard
from agent.whitelist import COMMANDS, MESSAGES, ForbiddenCommandError, permit, permit_message

AGENT = Path(whitelist.__file__).parent

READING = {
    0xA4: "SELECT",
    0x1D: "READ CONFIG",
    0xFD: "GET VERSION",
    0xF7: "GET METADATA",
    0xCB: "GET DATA",
    0xCA: "GET DATA",
    0xF1: "GET VERSION",
    0xC0: "GET RESPONSE",
    0x20: "VERIFY without a PIN",
    0x10: "CTAP",
}
WRITING = [
    pytest.param("0020008008313233343536ffff", id="VERIFY with a PIN"),
    pytest.param("0024008010" + "31" * 16, id="CHANGE REFERENCE DATA"),
    pytest.param("00fb000000", id="PIV RESET"),
    pytest.param("0044000000", id="OpenPGP ACTIVATE"),
    pytest.param("00e6000000", id="OpenPGP TERMINATE"),
    pytest.param("001c0000020100", id="WRITE CONFIG"),
    pytest.param("00a1000000", id="OATH LIST"),
    pytest.param("0001300006000000000000", id="OTP slot request"),
    pytest.param("0087119e0a7c0882008104deadbeef", id="PIV sign"),
    pytest.param("80100000010700", id="CTAP reset"),
    pytest.param("00a4040007d276000085010100", id="SELECT something else"),
    pytest.param("0020008000ff", id="a command with more at its end"),
    pytest.param("", id="nothing"),
]


def test_everything_on_the_list_reads() -> None:
    assert {octets[1] for octets in COMMANDS} == set(READING)


def test_verify_is_there_without_a_pin_alone() -> None:
    assert [octets.hex() for octets in COMMANDS if octets[1] == 0x20] == ["0020008000"]


def test_the_kinds_of_commands_are_few() -> None:
    kinds = {octets[:2] if octets[1] != 0xA4 else octets for octets in COMMANDS}
    assert len(kinds) <= 25


@pytest.mark.parametrize("octets", WRITING)
def test_what_writes_or_is_unknown_does_not_pass(octets: str) -> None:
    with pytest.raises(ForbiddenCommandError):
        permit(bytes.fromhex(octets))


@given(st.sampled_from(sorted(COMMANDS)), st.binary(min_size=1, max_size=8))
def test_nothing_passes_behind_a_command_that_does(octets: bytes, more: bytes) -> None:
    longer = octets + more
    if longer not in COMMANDS:
        with pytest.raises(ForbiddenCommandError):
            permit(longer)


@pytest.mark.parametrize(
    ("kind", "message"), [(0x10, b"\x07"), (0x10, b"\x06\xa2\x01\x01\x02\x02"), (0x43, b"\x00")]
)
def test_a_fido_message_that_is_not_listed_does_not_pass(kind: int, message: bytes) -> None:
    assert (kind, message) not in MESSAGES
    with pytest.raises(ForbiddenCommandError):
        permit_message(kind, message)


def test_a_refusal_shows_no_data() -> None:
    with pytest.raises(ForbiddenCommandError) as refusal:
        permit(bytes.fromhex("0020008008313233343536ffff"))
    assert "3132" not in str(refusal.value)
    assert str(refusal.value).startswith("00200080")


def test_one_place_transmits_and_it_asks_the_list_first() -> None:
    calls = [
        (path.name, node.attr)
        for path in sorted(AGENT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"SCardTransmit", "SCardControl"}
    ]
    assert calls == [("pcsc.py", "SCardTransmit")]
    text = (AGENT / "pcsc.py").read_text()
    permitted, sent = text.index("permitted = list(self._permit(octets))"), text.index("Transmit(")
    assert permitted < sent
    assert "SCardTransmit(self._handle, self._protocol, permitted)" in text


def test_each_card_is_under_the_rules_it_was_opened_with_and_under_this_list_by_itself() -> None:
    sent: list[bytes] = []

    def nothing(octets: bytes) -> bytes:
        sent.append(octets)
        raise ForbiddenCommandError("nothing at all")

    for card, rule in ((PcscCard(None, None, 0), permit), (PcscCard(None, None, 0, nothing), None)):
        with pytest.raises(ForbiddenCommandError):
            card.exchange(bytes.fromhex("0020008008313233343536ffff"))
        assert (card._permit == rule) is (rule is not None)
    assert len(sent) == 1


def test_every_application_that_is_selected_is_yubicos_or_a_standards() -> None:
    selected = {octets[5:] for octets in COMMANDS if octets[1] == 0xA4}
    assert selected == {
        apdu.MANAGEMENT,
        apdu.OTP,
        apdu.OATH,
        apdu.PIV,
        apdu.OPENPGP,
        apdu.SECURITY_DOMAIN,
        apdu.FIDO,
    }
