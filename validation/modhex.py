"""Modhex: the sixteen letters a YubiKey types because most keyboard layouts agree on them."""

from binascii import unhexlify

ALPHABET = "cbdefghijklnrtuv"
"""Letter i stands for the hexadecimal digit i."""

_HEX = "0123456789abcdef"
_DVORAK = "jxe.uidchtnbpygk"
"""What appears for each letter of ALPHABET when the host's layout is Dvorak."""

_TO_MODHEX = str.maketrans(_HEX, ALPHABET)
_NOT_MODHEX = _HEX[:10] + "aABCDEF"
_TO_HEX = bytes.maketrans(
    (ALPHABET + _NOT_MODHEX).encode(), (_HEX + "!" * len(_NOT_MODHEX)).encode()
)
"""Hexadecimal digits that are not modhex must not slip through as themselves."""

_FROM_DVORAK = str.maketrans(_DVORAK, ALPHABET)


def encode(data: bytes) -> str:
    """Return the modhex text of `data`, two letters an octet."""
    return data.hex().translate(_TO_MODHEX)


def decode(text: str) -> bytes:
    """Return the octets of lower-case modhex; ValueError for anything else."""
    try:
        return unhexlify(text.encode("ascii").translate(_TO_HEX))
    except ValueError:
        # The text itself is left out: it may be an OTP.
        raise ValueError("not modhex, or an odd number of letters") from None


def is_modhex(text: str) -> bool:
    """Tell whether `text` is made of lower-case modhex letters only (of none, too)."""
    return not text.strip(ALPHABET)


def from_dvorak(text: str) -> str | None:
    """Return the modhex that was meant, in lower case, or None when Dvorak does not explain it.

    Only for text that is not modhex: the two alphabets share `bcdeghijkntu`, and a good OTP
    made of those letters alone would be turned into another one.
    """
    # ASCII first: lower() maps some letters outside ASCII onto ASCII ones (the Kelvin sign to k).
    if not text.isascii():
        return None
    typed = text.lower()
    if typed.strip(_DVORAK):
        return None
    return typed.translate(_FROM_DVORAK)
