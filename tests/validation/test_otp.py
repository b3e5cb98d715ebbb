"""One-time passwords: reading their text, opening them, and refusing everything else."""

from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from validation import modhex
from validation.otp import (
    InvalidOtpError,
    MalformedOtpError,
    Otp,
    OtpCipher,
    OtpFields,
    parse_otp,
)

AES_KEY = bytes.fromhex("ecde18dbe76fbd0c33330f1c354871db")
PRIVATE_ID = bytes.fromhex("8792ebfe26cc")
CIPHER = OtpCipher(AES_KEY)

# Letters that both a modhex and a Dvorak reading know.
SHARED = "bcdeghijkntu"
DVORAK = str.maketrans("cbdefghijklnrtuv", "jxe.uidchtnbpygk")

OTP_TEXTS = st.text(alphabet=modhex.ALPHABET, min_size=32, max_size=48)


def fields_with(sessions: st.SearchStrategy[int]) -> st.SearchStrategy[OtpFields]:
    return st.builds(
        OtpFields,
        private_id=st.binary(min_size=6, max_size=6),
        session=sessions,
        clock=st.integers(0, 0xFFFFFF),
        use=st.integers(0, 0xFF),
        random=st.integers(0, 0xFFFF),
    )


FIELDS = fields_with(st.integers(0, 0xFFFF))


def test_yubicos_published_otp_opens_to_its_published_fields() -> None:
    otp = parse_otp("dteffujehknhfjbrjnlnldnhcujvddbikngjrtgh")
    assert otp.public_id == "dteffuje"
    fields = CIPHER.open(otp.ciphertext, PRIVATE_ID)
    assert fields == OtpFields(PRIVATE_ID, session=0x13, clock=0xC230, use=0x11, random=0x9FC8)
    assert CIPHER.seal(fields) == otp.ciphertext


class TestText:
    @given(OTP_TEXTS)
    def test_modhex_of_32_to_48_letters_is_an_otp(self, text: str) -> None:
        assert parse_otp(text) == Otp(text, text[:-32], modhex.decode(text[-32:]))

    @given(OTP_TEXTS, st.randoms())
    def test_any_case_is_read_and_kept_as_sent(self, text: str, random: Random) -> None:
        sent = "".join(random.choice((letter, letter.upper())) for letter in text)
        assert parse_otp(sent) == parse_otp(text)._replace(text=sent)

    @given(text=OTP_TEXTS, upper=st.booleans())
    def test_dvorak_is_read_and_kept_as_sent(self, text: str, *, upper: bool) -> None:
        sent = text.translate(DVORAK)
        sent = sent.upper() if upper else sent
        assume(not modhex.is_modhex(sent.lower()))
        assert parse_otp(sent) == parse_otp(text)._replace(text=sent)

    @given(st.text(alphabet=SHARED + SHARED.upper(), min_size=32, max_size=48))
    def test_s7_modhex_is_never_taken_for_dvorak(self, text: str) -> None:
        assert parse_otp(text) == Otp(text, text.lower()[:-32], modhex.decode(text.lower()[-32:]))

    def test_s7_a_hundred_thousand_otps_of_shared_letters_are_read_as_modhex(self) -> None:
        letters = bytes(SHARED[octet % len(SHARED)].encode()[0] for octet in range(256))
        random = Random(7)  # noqa: S311 - a seed makes a failure repeatable, nothing is secret here
        for _ in range(100_000):
            text = random.randbytes(44).translate(letters).decode()
            otp = parse_otp(text)
            assert otp.public_id + modhex.encode(otp.ciphertext) == text

    def test_s7_a_good_otp_of_shared_letters_opens(self) -> None:
        sealed = (CIPHER.seal(OtpFields(PRIVATE_ID, 1, 2, 3, random)) for random in range(1 << 16))
        shared = [block for block in sealed if set(modhex.encode(block)) <= set(SHARED)]
        assert shared
        for block in shared:
            otp = parse_otp("cccccccccccb" + modhex.encode(block))
            assert CIPHER.open(otp.ciphertext, PRIVATE_ID).use == 3

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "c" * 31,
            "c" * 49,
            "c" * 31 + " ",
            "c" * 31 + "\n",
            "\n" + "c" * 32,
            "c" * 31 + "a",
            "c" * 31 + "0",
            "c" * 31 + "\0",
            "c" * 31 + "\u212a",  # the Kelvin sign: lower() makes a k of it
            "c" * 31 + "\uff43",  # a full-width c
            "c" * 31 + "\udc80",  # an octet that was no UTF-8
            "." * 31 + "v",  # a Dvorak letter beside one that Dvorak does not type
            "c" * 100_000,
        ],
    )
    def test_anything_else_is_malformed(self, text: str) -> None:
        with pytest.raises(MalformedOtpError) as caught:
            parse_otp(text)
        assert not text or text not in str(caught.value)

    @given(st.text(max_size=60) | st.text(alphabet=modhex.ALPHABET + "x.pyo", max_size=60))
    def test_no_text_raises_anything_else(self, text: str) -> None:
        try:
            otp = parse_otp(text)
        except MalformedOtpError:
            return
        assert otp.text == text
        assert modhex.is_modhex(otp.public_id)
        assert len(otp.public_id) == len(text) - 32
        assert len(otp.ciphertext) == 16


class TestFields:
    @given(FIELDS)
    def test_they_survive_the_round_trip(self, fields: OtpFields) -> None:
        block = fields.pack()
        assert len(block) == 16
        assert OtpFields.parse(block) == fields

    @given(st.binary(max_size=40))
    def test_any_octets_are_fields_or_invalid(self, block: bytes) -> None:
        try:
            fields = OtpFields.parse(block)
        except InvalidOtpError:
            return
        assert fields.pack() == block

    @pytest.mark.parametrize(
        "wrong",
        [
            {"private_id": b"short"},
            {"private_id": b"too long"},
            {"session": -1},
            {"session": 0x10000},
            {"clock": -1},
            {"clock": 0x1000000},
            {"use": -1},
            {"use": 256},
            {"random": -1},
            {"random": 0x10000},
        ],
    )
    def test_what_does_not_fit_is_not_packed(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="bits"):
            OtpFields(b"123456", 0, 0, 0, 0)._replace(**wrong).pack()

    def test_the_private_id_is_not_shown(self) -> None:
        assert "secret" not in repr(OtpFields(b"secret", 1, 2, 3, 4))


class TestCipher:
    @given(
        st.binary(min_size=16, max_size=16),
        fields_with(st.integers(0, 0x7FFF)),
    )
    def test_it_opens_what_it_sealed(self, aes_key: bytes, fields: OtpFields) -> None:
        cipher = OtpCipher(aes_key)
        assert cipher.open(cipher.seal(fields), fields.private_id) == fields

    @given(fields_with(st.integers(0x8000, 0xFFFF)))
    def test_s5_a_session_counter_beyond_its_end_is_refused(self, fields: OtpFields) -> None:
        with pytest.raises(InvalidOtpError, match="session"):
            CIPHER.open(CIPHER.seal(fields), fields.private_id)

    @given(FIELDS, st.binary(max_size=8))
    def test_another_private_id_is_refused(self, fields: OtpFields, private_id: bytes) -> None:
        assume(private_id != fields.private_id)
        with pytest.raises(InvalidOtpError, match="private id"):
            CIPHER.open(CIPHER.seal(fields), private_id)

    def test_an_otp_of_another_aes_key_is_refused(self) -> None:
        foreign = OtpCipher(bytes(16)).seal(OtpFields(PRIVATE_ID, 1, 2, 3, 4))
        with pytest.raises(InvalidOtpError, match="CRC"):
            CIPHER.open(foreign, PRIVATE_ID)

    @given(st.binary(max_size=40).filter(lambda ciphertext: len(ciphertext) != 16))
    def test_anything_but_one_block_is_refused_and_leaves_no_trace(self, odd: bytes) -> None:
        with pytest.raises(InvalidOtpError, match="block"):
            CIPHER.open(odd, PRIVATE_ID)
        fields = OtpFields(PRIVATE_ID, 1, 2, 3, 4)
        assert CIPHER.open(CIPHER.seal(fields), PRIVATE_ID) == fields

    @pytest.mark.parametrize("octets", [0, 15, 17, 24, 32])
    def test_only_aes_128_is_a_slots_cipher(self, octets: int) -> None:
        with pytest.raises(ValueError, match="16 octets"):
            OtpCipher(bytes(octets))

    def test_its_key_is_not_shown(self) -> None:
        assert repr(CIPHER) == "OtpCipher(<hidden>)"
