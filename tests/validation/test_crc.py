"""The CRC against its published check value and against the standard's bitwise definition."""

from hypothesis import given
from hypothesis import strategies as st

from validation import crc


def crc_bit_by_bit(data: bytes) -> int:
    """ISO 13239's register: reversed polynomial 0x8408, start 0xffff, no final complement."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register


def test_the_published_check_value() -> None:
    assert crc.crc16(b"123456789") == 0x6F91


@given(st.binary(max_size=64))
def test_it_computes_what_the_standard_says(data: bytes) -> None:
    assert crc.crc16(data) == crc_bit_by_bit(data)


@given(st.binary(min_size=14, max_size=14))
def test_a_block_that_ends_in_its_complemented_crc_is_valid(fields: bytes) -> None:
    block = fields + (crc.crc16(fields) ^ 0xFFFF).to_bytes(2, "little")
    assert crc.crc16(block) == 0xF0B8  # the residue in Yubico's documentation
    assert crc.is_valid(block)


@given(st.binary(min_size=14, max_size=14), st.integers(0, 127))
def test_a_single_wrong_bit_is_noticed(fields: bytes, bit: int) -> None:
    block = bytearray(fields + (crc.crc16(fields) ^ 0xFFFF).to_bytes(2, "little"))
    block[bit // 8] ^= 1 << bit % 8
    assert not crc.is_valid(bytes(block))
