"""What people may type into names and reasons: shown later in terminals, logs and pages."""

MAX_NAME = 100
MAX_REASON = 200


class InputError(ValueError):
    """Something an operator entered is refused; the message says what to write instead."""


def checked_name(name: str) -> str:
    """Return a client's name, or raise InputError.

    Only printable characters: a line break forges a log line, an escape sequence drives a
    terminal, and a bidirectional control makes one name look like another.
    """
    return _checked("the name", name, smallest=1, largest=MAX_NAME)


def checked_reason(reason: str) -> str:
    """Return the reason of a change ("" = none given), or raise InputError."""
    return _checked("the reason", reason, smallest=0, largest=MAX_REASON)


def _checked(what: str, text: str, *, smallest: int, largest: int) -> str:
    text = text.strip(" ")
    if not smallest <= len(text) <= largest:
        raise InputError(f"{what} must have {smallest} to {largest} characters, not {len(text)}")
    # str.isprintable refuses controls, bidi and other format characters, lone surrogates,
    # unassigned code points and every blank but the space.
    if not text.isprintable():
        raise InputError(
            f"{what} holds a character that cannot be shown (a control, a line break or a"
            " change of writing direction); use letters, digits, spaces and punctuation"
        )
    return text
