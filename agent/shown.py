"""Text that came from outside, as it may be shown: in a log, on a terminal. Pure."""

_MOST = 500


def shown(text: str) -> str:
    """Return it without what ends a line or steers a terminal, and no longer than a message."""
    return "".join(one if one.isprintable() else " " for one in text[:_MOST])
