"""What is told, apart from how and to whom: subject and text for people, values for programs."""

from typing import NamedTuple

from server.journal.acts import State

MAX_SUBJECT = 200


class Message(NamedTuple):
    """One message to one place.

    message_id: of letters, digits, dots and dashes, the same whenever it is sent again; thread:
    what messages about one thing have in common, of the same characters; payload: for programs,
    as JSON, nothing in it that the receiver may not know.
    """

    message_id: str
    thread: str
    subject: str
    text: str
    payload: State


def one_line(text: str, largest: int = MAX_SUBJECT) -> str:
    """Return a text as one line that can be shown anywhere, cut off if it is long."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= largest else shown[: largest - 1] + "…"
