"""Text from outside made harmless before it reaches a log line or a terminal."""

_UNSAFE = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x20),  # control characters: CR and LF would begin a forged line
        *range(0x7F, 0xA0),  # DEL and the C1 controls: terminals obey some of them
        0x061C,  # the rest reorders text before a reader's eyes (bidi), or hides it
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
    )
}


def harmless(text: str) -> str:
    """Escape what could forge a line, steer a terminal or reorder text (also lone surrogates)."""
    return text.translate(_UNSAFE).encode("utf-8", "backslashreplace").decode()
