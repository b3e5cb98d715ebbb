"""The link to acknowledge by: nobody but us can make one, and it is for one incident and person."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.journalkey import JournalKey
from server.journal.checkpoint import PublicKeys, key_id_of, sign_checkpoint
from server.journal.entry import BEGINNING
from server.notices.link import (
    TOKEN_CHARACTERS,
    AcknowledgementLink,
    LinkError,
    find_person,
    person_mark,
)

KEY = JournalKey.generate()
OTHER = JournalKey.generate()
SALT = bytes(range(16))
NOW_S = 1_795_000_000
LINK = AcknowledgementLink(12, person_mark(SALT, "anna"), NOW_S + 3600)


class Keys:
    """The public keys of some machines."""

    def __init__(self, *keys: JournalKey) -> None:
        self._keys = {key_id_of(key.public_key): key.public_key for key in keys}

    async def public_key(self, key_id: bytes) -> bytes | None:
        return self._keys.get(key_id)


async def refused(token: str, *, now_s: int = NOW_S, keys: Keys | None = None) -> str:
    with pytest.raises(LinkError) as refusal:
        await AcknowledgementLink.read(token, keys or Keys(KEY), now_s)
    return str(refusal.value)


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(0, 2**63 - 1),
    person=st.binary(min_size=8, max_size=8),
    late=st.integers(1, 2**40),
    opening=st.integers(0, 2**16 - 1),
)
async def test_a_link_is_read_as_it_was_signed(
    number: int, person: bytes, late: int, opening: int
) -> None:
    link = AcknowledgementLink(number, person, NOW_S + late, opening)
    token = link.sign(KEY)
    assert len(token) == TOKEN_CHARACTERS
    assert await AcknowledgementLink.read(token, Keys(OTHER, KEY), NOW_S) == link
    assert token == link.sign(KEY)  # sent again, it is the same


async def test_a_link_ends_to_the_second() -> None:
    token = LINK.sign(KEY)
    assert await AcknowledgementLink.read(token, Keys(KEY), LINK.expires_s - 1) == LINK
    assert "too old" in await refused(token, now_s=LINK.expires_s)


async def test_no_bit_of_a_link_can_be_another() -> None:
    octets = base64.urlsafe_b64decode(LINK.sign(KEY) + "==")
    for bit in range(8 * len(octets)):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        token = base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
        assert "not one that was sent from here" in await refused(token)


async def test_a_link_cannot_be_turned_to_another_incident_or_person_or_time() -> None:
    signature = base64.urlsafe_b64decode(LINK.sign(KEY) + "==")[-64:]
    for forged in (
        LINK._replace(incident_id=13),
        LINK._replace(person=person_mark(SALT, "bo")),
        LINK._replace(expires_s=LINK.expires_s + 86_400),
    ):
        content = base64.urlsafe_b64decode(forged.sign(KEY) + "==")[:-64]
        token = base64.urlsafe_b64encode(content + signature).rstrip(b"=").decode()
        await refused(token)


async def test_a_stranger_cannot_sign_one_also_not_in_the_name_of_a_key_of_ours() -> None:
    await refused(LINK.sign(OTHER))
    octets = base64.urlsafe_b64decode(LINK.sign(OTHER) + "==")
    claimed = octets[:1] + key_id_of(KEY.public_key) + octets[9:]
    await refused(base64.urlsafe_b64encode(claimed).rstrip(b"=").decode())


async def test_a_link_has_one_spelling() -> None:
    token = LINK.sign(KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [token[:-1] + last for last in alphabet if last != token[-1]]
    for other in (*same, f"{token}=", f" {token}", f"{token}\n", token.lower()):
        await refused(other)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200) | st.text("AQab01-_", min_size=130, max_size=130))
async def test_no_text_is_dangerous(token: str) -> None:
    await refused(token)


def test_a_links_signature_is_none_of_a_checkpoint_nor_the_other_way_round() -> None:
    checkpoint = sign_checkpoint(BEGINNING, NOW_S * 1_000_000, KEY)
    borrowed = checkpoint._replace(signature=base64.urlsafe_b64decode(LINK.sign(KEY) + "==")[-64:])
    assert PublicKeys([KEY.public_key]).doubt(checkpoint) is None
    assert PublicKeys([KEY.public_key]).doubt(borrowed) is not None


def test_a_link_names_nobody_and_is_somebodys_all_the_same() -> None:
    octets = base64.urlsafe_b64decode(LINK.sign(KEY) + "==")
    assert b"anna" not in octets
    assert person_mark(bytes(16), "anna") != LINK.person
    assert find_person(SALT, LINK.person, {"bo": 1, "anna": 2}) == "anna"
    assert find_person(SALT, LINK.person, {"bo": 1}) is None
