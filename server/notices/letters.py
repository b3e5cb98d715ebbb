"""Which deliveries go out as one message: a person's calls that are due at once. Pure.

Whoever is called for many incidents reads of all of them in one letter, and is not kept busy with
letters. Only by e-mail: a pager's program takes one call at a time, and tells them apart by ids.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from server.notices.delivery import CALL, Delivery
from server.notices.message import Message, one_line
from server.notices.sending import Way

MOST_IN_A_LETTER = 50
"""Calls; a letter stays one that can be read, and that every mail server takes."""

_NAMED = 3
_ID_DIGITS = 32
_RULE = "-" * 72

Letter: TypeAlias = tuple[Delivery, ...]
"""Deliveries to one recipient that are sent as one message; never empty."""


class Said(NamedTuple):
    """A delivery, and what is said of its link: "" where there is none."""

    delivery: Delivery
    link: str


def letters(waiting: Sequence[Delivery]) -> list[Letter]:
    """Return what goes out together, in the order of what is first in each."""
    found: list[list[Delivery]] = []
    of_a_person: dict[tuple[str, str], list[Delivery]] = {}
    for one in waiting:
        recipient = one.notice.recipient
        is_joined = one.notice.occasion == CALL and recipient.way is Way.EMAIL
        key = (recipient.name, recipient.place)
        letter = of_a_person.get(key) if is_joined else None
        if letter is None or len(letter) >= MOST_IN_A_LETTER:
            letter = []
            found.append(letter)
            if is_joined:
                of_a_person[key] = letter
        letter.append(one)
    return [tuple(letter) for letter in found]


def message_of(said: Sequence[Said]) -> Message:
    """Return the message of a letter; of a single delivery its own.

    Each call's subject and text are in it word for word: the ledger has a digest of them. The id is
    that of these calls together: the same whenever the same are sent again, and of no others.
    """
    first, link = said[0]
    if len(said) == 1:
        return first.message(link)
    numbers = [one.delivery.notice.subject.id for one in said]
    named = ", ".join(numbers[:_NAMED]) + (", ..." if len(numbers) > _NAMED else "")
    subject = one_line(f"[Keystead] You are called for {len(said)} incidents: {named}")
    parts = [f"{one.notice.words}\n\n{one.message(words).text}".rstrip("\n") for one, words in said]
    digest = hashlib.sha256("\n".join(one.delivery.delivery_id for one in said).encode())
    text = f"\n\n{_RULE}\n\n".join([f"{subject}.", *parts])
    single = first.message()
    return single._replace(
        message_id=digest.hexdigest()[:_ID_DIGITS], subject=subject, text=f"{text}\n"
    )
