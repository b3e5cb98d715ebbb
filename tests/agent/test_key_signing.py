"""What the agent sees in an attestation before it asks for a signature: real ones, and nonsense."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.key_signing import is_used_freely
from tests.server.fleet.attestations import a_provisioned_key, attestation_of
from tests.server.fleet.real_certificates import F9_OF_5_7, SLOT_9E
from tests.virtual_yubikey.piv_keys import PinPolicy, TouchPolicy

POLICIES = bytes.fromhex("060a2b0601040182c40a0308")


def octets_of(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def test_a_real_keys_slot_9e_is_seen_to_need_neither_pin_nor_touch() -> None:
    assert is_used_freely(octets_of(SLOT_9E))
    assert not is_used_freely(octets_of(F9_OF_5_7))


@pytest.mark.parametrize("pin", [PinPolicy.ONCE, PinPolicy.ALWAYS])
@pytest.mark.parametrize("touch", [TouchPolicy.NEVER, TouchPolicy.ALWAYS, TouchPolicy.CACHED])
def test_a_key_that_wants_something_of_its_holder_is_not(
    pin: PinPolicy, touch: TouchPolicy
) -> None:
    found = attestation_of(a_provisioned_key(pin=pin, touch=touch))
    assert POLICIES in found.tbs_certificate_bytes
    assert not is_used_freely(found.tbs_certificate_bytes)


@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_only_two_values_say_so(before: bytes, after: bytes) -> None:
    said = after.startswith((b"\x04\x02\x01\x01", b"\x04\x04\x04\x02\x01\x01"))
    assert is_used_freely(before + POLICIES + after) is said
    assert not is_used_freely(before)
