"""What people and broken keyboards make of an OTP."""

import secrets

from validation.modhex import ALPHABET
from validation.otp import CIPHERTEXT_LETTERS


def garble(text: str) -> tuple[str, bool]:
    """Return the OTP spoiled, and whether it still has the form of one (44 letters: 12 + 32).

    One letter of the ciphertext is another, two neighbours are exchanged, or the end is missing.
    """
    place = len(text) - 1 - secrets.randbelow(CIPHERTEXT_LETTERS - 1)
    letter = text[place]
    kind = secrets.randbelow(3)
    if kind == 0:
        return text[: CIPHERTEXT_LETTERS - 1], False
    if kind == 1 and text[place - 1] != letter:
        return text[: place - 1] + letter + text[place - 1] + text[place + 1 :], True
    other = secrets.choice(ALPHABET.replace(letter, ""))
    return text[:place] + other + text[place + 1 :], True
