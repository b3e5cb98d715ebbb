"""What the server may have said to a key through this host: what reads, in its order, no more."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agent.apdu import FIDO, MANAGEMENT, OATH, OPENPGP, OTP, PIV, SECURITY_DOMAIN, select
from agent.whitelist import COMMANDS, ForbiddenCommandError, permit
from agent.whitelist_channel import METADATA, ChannelRules
from server.fleet.channel.scp11b import Handshake
from server.fleet.channel.secure_messaging import SecureMessaging, SessionKeys

APPLICATIONS = (SECURITY_DOMAIN, MANAGEMENT, PIV)


def opening(version: int = 1) -> bytes:
    return Handshake(ec.generate_private_key(ec.SECP256R1()), version).command


def secured(header: str, data: bytes = b"") -> bytes:
    channel = SecureMessaging(SessionKeys(bytes(16), bytes(16), bytes(16)), bytes(16))
    return channel.secure(bytes.fromhex(header), data).octets


def within(application: bytes) -> ChannelRules:
    rules = ChannelRules()
    assert rules.permit(select(application)) == select(application)
    return rules


def test_what_a_channel_needs_may_be_said() -> None:
    rules = within(SECURITY_DOMAIN)
    rules.permit(bytes.fromhex("00ca00e000"))
    rules.permit(bytes.fromhex("00cabf2106a6048302130100"[:-2]))
    rules.permit(bytes.fromhex("00c0000000"))
    rules.permit(select(MANAGEMENT))
    rules.permit(opening())
    for page in range(3):
        rules.permit(secured(f"001d{page:02x}00"))
    rules.permit(select(PIV))
    rules.permit(opening(5))
    for reference in METADATA:
        rules.permit(secured(f"00f700{reference:02x}"))


@pytest.mark.parametrize("application", [OTP, OATH, OPENPGP, FIDO, b"\xa0\x00"])
def test_other_applications_are_not_even_selected(application: bytes) -> None:
    with pytest.raises(ForbiddenCommandError):
        ChannelRules().permit(select(application))


@pytest.mark.parametrize(
    "command",
    [
        "002000800831323334353600ff",  # VERIFY
        "040020008000",
        "0020008000",
        "00f7008000",  # GET METADATA in plain
        "04f70080",
        "00f99a0000",  # ATTEST
        "0087119e00",
        "001c000000",  # WRITE CONFIG
        "00fb000000",  # RESET
    ],
)
def test_what_is_on_no_list_may_not_be_said(command: str) -> None:
    for application in APPLICATIONS:
        with pytest.raises(ForbiddenCommandError):
            within(application).permit(bytes.fromhex(command))


@given(
    st.sampled_from([0x00, 0x04, 0x0C, 0x10, 0x14, 0x80, 0x84]),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_in_a_channel_there_are_reading_headers_alone(
    cla: int, ins: int, first: int, second: int
) -> None:
    octets = bytes([cla, ins, first, second, 24]) + bytes(24) + b"\x00"
    reads = {
        MANAGEMENT: (cla, ins, second) == (0x04, 0x1D, 0) and first < 8,
        PIV: (cla, ins, first) == (0x04, 0xF7, 0) and second in METADATA,
        SECURITY_DOMAIN: False,
    }
    for application in APPLICATIONS:
        rules = within(application)
        if reads[application]:
            assert rules.permit(octets) == octets
        else:
            with pytest.raises(ForbiddenCommandError):
                rules.permit(octets)


@given(st.binary(max_size=70), st.sampled_from(["04f70080", "041d0000"]))
def test_a_secured_command_has_the_one_length_that_says_nothing(data: bytes, header: str) -> None:
    octets = bytes.fromhex(header) + data
    rules = within(PIV if header == "04f70080" else MANAGEMENT)
    if len(data) == 26 and data[0] == 24 and data[-1] == 0:
        rules.permit(octets)
    else:
        with pytest.raises(ForbiddenCommandError):
            rules.permit(octets)


@given(st.integers(0, 88), st.integers(1, 255))
def test_of_what_opens_a_channel_the_point_alone_is_the_servers_choice(at: int, mask: int) -> None:
    octets = bytearray(opening())
    assert len(octets) == 89
    octets[at] ^= mask
    changed = bytes(octets)
    is_version = at == 2 and 1 <= changed[2] < 0x80
    if is_version or 24 <= at < 88:
        assert within(PIV).permit(changed) == changed
    else:
        with pytest.raises(ForbiddenCommandError):
            within(PIV).permit(changed)


def test_what_belongs_to_one_application_is_not_said_to_another() -> None:
    for application, command in (
        (PIV, secured("001d0000")),
        (MANAGEMENT, secured("00f70080")),
        (SECURITY_DOMAIN, secured("00f70080")),
        (SECURITY_DOMAIN, opening()),
        (MANAGEMENT, bytes.fromhex("00ca00e000")),
        (PIV, bytes.fromhex("001d000000")),
    ):
        with pytest.raises(ForbiddenCommandError):
            within(application).permit(command)
        with pytest.raises(ForbiddenCommandError):
            ChannelRules().permit(command)


def test_nothing_of_it_is_on_the_list_of_reading() -> None:
    for command in (opening(), secured("00f70080"), secured("001d0000")):
        assert command not in COMMANDS
        with pytest.raises(ForbiddenCommandError):
            permit(command)
