"""What people may write about an incident: read later in terminals, mails and on pages."""

from server.incidents.record_json import MAX_TEXT, MAX_TITLE


class IncidentInputError(ValueError):
    """Something that was entered about an incident is refused; the message says what to write."""


def checked_title(title: str) -> str:
    """Return a title: one line of printable characters. IncidentInputError."""
    title = title.strip(" ")
    if not 1 <= len(title) <= MAX_TITLE or not title.isprintable():
        raise IncidentInputError(
            f"a title is one line of 1 to {MAX_TITLE} characters that can be shown"
        )
    return title


def checked_words(words: str, *, needed: str = "") -> str:
    """Return what is said, lines apart; IncidentInputError.

    needed: what is missing when there is nothing, "" when it may be left out. Controls and changes
    of writing direction are refused: they forge lines and drive terminals.
    """
    words = "\n".join(line.rstrip() for line in words.strip().splitlines())
    if needed and not words:
        raise IncidentInputError(needed)
    if len(words) > MAX_TEXT:
        raise IncidentInputError(f"that is {len(words)} characters: at most {MAX_TEXT} are kept")
    if not words.replace("\n", " ").isprintable():
        raise IncidentInputError(
            "the text holds a character that cannot be shown (a control or a change of writing"
            " direction); use letters, digits, spaces, punctuation and ends of lines"
        )
    return words
