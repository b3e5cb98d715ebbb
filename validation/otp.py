"""The YubiKey one-time password: its text, the 16 octets inside, and the key that opens them."""

import struct
from binascii import unhexlify
from hmac import compare_digest
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from validation import crc, modhex

CIPHERTEXT_LETTERS = 32
MAX_PUBLIC_ID_LETTERS = 16
MAX_LETTERS = MAX_PUBLIC_ID_LETTERS + CIPHERTEXT_LETTERS
SESSION_END = 0x8000
"""A key stops at session 0x7fff; a counter from here on was never made by one."""

_EITHER_CASE = (modhex.ALPHABET + modhex.ALPHABET.upper()).encode()
_TO_HEX = bytes.maketrans(_EITHER_CASE, b"0123456789abcdef" * 2)

_FIELDS = struct.Struct("<6sHHBBH")
_FIELDS_AND_CRC = struct.Struct("<6sHHBBHH")
_ECB = ECB()  # noqa: S305 - a single block, see OtpCipher

BLOCK_OCTETS = _FIELDS_AND_CRC.size


class MalformedOtpError(ValueError):
    """The text is no OTP, whoever's key it might be."""


class InvalidOtpError(Exception):
    """The OTP is not one of this key's: CRC, private id or session counter are wrong."""


class Otp(NamedTuple):
    """An OTP as text, well-formed but not yet opened.

    text: exactly as sent (clients compare the echo); public_id: 0-16 lower-case modhex
    letters; ciphertext: 16 octets.
    """

    text: str
    public_id: str
    ciphertext: bytes


def parse_otp(text: str) -> Otp:
    """Read 32-48 modhex letters of either case, or what a Dvorak layout made of them.

    The Dvorak reading is tried only for text that is not modhex: the reference server also
    rewrites good OTPs that happen to use the shared letters, and refuses them.
    Raises MalformedOtpError.
    """
    if not CIPHERTEXT_LETTERS <= len(text) <= MAX_LETTERS:
        raise MalformedOtpError("an OTP has 32 to 48 letters")
    try:
        letters = text.encode("ascii")
    except UnicodeEncodeError:
        raise MalformedOtpError("an OTP has ASCII letters only") from None
    meant = text
    if letters.translate(None, _EITHER_CASE):
        typed = modhex.from_dvorak(text)
        if typed is None:
            raise MalformedOtpError("an OTP is made of modhex letters")
        meant, letters = typed, typed.encode("ascii")
    return Otp(
        text,
        meant[:-CIPHERTEXT_LETTERS].lower(),
        unhexlify(letters[-CIPHERTEXT_LETTERS:].translate(_TO_HEX)),
    )


class OtpFields(NamedTuple):
    """What a key puts into an OTP.

    private_id: 6 octets, a secret; session: 16 bits (a key counts to 0x7fff); clock: 24 bits
    at 8 Hz from a random start; use: 8 bits; random: 16 bits.
    """

    private_id: bytes
    session: int
    clock: int
    use: int
    random: int

    def __repr__(self) -> str:
        """Counters are no secret, the private id is."""
        return f"OtpFields(session={self.session}, clock={self.clock}, use={self.use}, <hidden>)"

    def pack(self) -> bytes:
        """Return the 16 octets, CRC included; ValueError for a value that does not fit."""
        private_id, session, clock, use, random = self
        if len(private_id) != 6 or clock >> 24:  # noqa: PLR2004 - as the docstring above says
            raise ValueError("a private id has 6 octets, the clock 24 bits")
        try:
            fields = _FIELDS.pack(private_id, session, clock & 0xFFFF, clock >> 16, use, random)
        except struct.error:
            raise ValueError("session and random have 16 bits, use has 8") from None
        return fields + (crc.crc16(fields) ^ 0xFFFF).to_bytes(2, "little")

    @classmethod
    def parse(cls, block: bytes) -> Self:
        """Read 16 decrypted octets; InvalidOtpError when length or CRC is wrong."""
        if len(block) != BLOCK_OCTETS or not crc.is_valid(block):
            raise InvalidOtpError("the CRC is wrong")
        private_id, session, low, high, use, random, _ = _FIELDS_AND_CRC.unpack(block)
        return cls(private_id, session, high << 16 | low, use, random)


class OtpCipher:
    """One key's AES-128, ready to open its OTPs.

    aes_key: 16 octets (ValueError otherwise). One block without chaining is what the device
    does; the private id and the CRC inside stand for authenticity. The contexts are made once,
    which costs fifteen times what a block does; a context is not for several threads at once.
    """

    __slots__ = ("_cipher", "_decrypt")

    def __init__(self, aes_key: bytes) -> None:
        if len(aes_key) != 16:  # noqa: PLR2004 - AES-128 is the device's only cipher
            raise ValueError("the AES key of an OTP slot has 16 octets")
        self._cipher = Cipher(AES(aes_key), _ECB)
        self._decrypt = self._cipher.decryptor().update

    def __repr__(self) -> str:
        return "OtpCipher(<hidden>)"

    def open(self, ciphertext: bytes, private_id: bytes) -> OtpFields:
        """Decrypt 16 octets and check them against the key's private id (6 octets).

        Raises InvalidOtpError; the cause is for logs, a client learns BAD_OTP only.
        """
        if len(ciphertext) != BLOCK_OCTETS:
            # The context keeps an incomplete block for the next call: it must never see one.
            raise InvalidOtpError("the ciphertext is not one block")
        fields = OtpFields.parse(self._decrypt(ciphertext))
        if not compare_digest(fields.private_id, private_id):
            raise InvalidOtpError("the private id is another one")
        if fields.session >= SESSION_END:
            raise InvalidOtpError("the session counter is beyond its end")
        return fields

    def seal(self, fields: OtpFields) -> bytes:
        """Encrypt as the device does: 16 octets. For virtual keys and tests."""
        return self._cipher.encryptor().update(fields.pack())
