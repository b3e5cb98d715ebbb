"""One message to one place, and what became of it: the proof that somebody was told."""

import enum
import hashlib
from typing import NamedTuple

from server.journal.acts import Json, State
from server.journal.canonical import canonical
from server.notices.message import Message
from server.notices.sending import Fate, Outcome, Way

_US = 1_000_000
_ID_DIGITS = 32

CALL = "call"
"""The occasion of a call to somebody on call: it has a link, and is in vain once one answered."""

TEST = "test"


class Role(enum.StrEnum):
    """As what somebody is told."""

    PERSON = "person"
    SUBSCRIBER = "subscriber"
    CONTACT = "contact"


class Recipient(NamedTuple):
    """Who is told, and where. name: as on the board; a contact's number and never their name.

    place: an e-mail address or a URL; customer: whose contact it is.
    """

    role: Role
    name: str
    way: Way
    place: str
    customer: int | None = None


class Subject(NamedTuple):
    """What it is about. kind: incident, maintenance, report or test; id: its number.

    A report's is that of the customer whose months it tells of.
    """

    kind: str
    id: str


class Standing(enum.StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    """For its first or its next attempt."""
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    IN_VAIN = "in-vain"
    """Not sent: somebody else had answered the call by then."""


class Notice(NamedTuple):
    """A message that is to be delivered. key: what it is told for, and once to each recipient.

    occasion: the kind of the fact it tells of, CALL, TEST or a customer's report; happened_us: when
    that was.
    """

    key: str
    occasion: str
    subject: Subject
    recipient: Recipient
    happened_us: int
    words: str
    text: str
    payload: State

    @property
    def delivery_id(self) -> str:
        """An id that is the same whenever the same is told to the same once more."""
        role, name, way, _, _ = self.recipient
        whole = canonical([self.key, role.value, name, way.value])
        return hashlib.sha256(whole).hexdigest()[:_ID_DIGITS]


class Delivery(NamedTuple):
    """A notice with what became of it. Times: the store's, in microseconds.

    attempts: so far; next_us: not before then, while it waits; ended_us: None while it waits.
    """

    notice: Notice
    standing: Standing
    attempts: int
    created_us: int
    next_us: int
    ended_us: int | None
    detail: str

    @property
    def delivery_id(self) -> str:
        """Its notice's."""
        return self.notice.delivery_id

    def message(self, link: str = "") -> Message:
        """Return what is sent. link: what is said of acknowledging, for this recipient alone."""
        notice = self.notice
        thread = f"{notice.subject.kind}-{notice.subject.id}"
        text = f"{notice.text}\n{link}" if link else notice.text
        return Message(self.delivery_id, thread, notice.words, text, notice.payload)


def planned(notice: Notice, now_us: int) -> Delivery:
    """Return a notice as it begins: due at once."""
    return Delivery(notice, Standing.WAITING, 0, now_us, now_us, None, "")


_WAITS_S = (15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
"""Between attempts: most outages of others end within minutes, and after a day it is no news."""

MOST_ATTEMPTS = len(_WAITS_S) + 1
MOST_CALLS = 6
"""A call is repeated by its rota: one that is ten minutes old is not worth more attempts."""


def after_attempt(delivery: Delivery, outcome: Outcome, now_us: int) -> Delivery:
    """Return a delivery after one more attempt."""
    attempts = delivery.attempts + 1
    tried = delivery._replace(attempts=attempts, detail=outcome.detail)
    if outcome.fate is Fate.DELIVERED:
        return tried._replace(standing=Standing.DELIVERED, ended_us=now_us)
    most = MOST_CALLS if delivery.notice.occasion == CALL else MOST_ATTEMPTS
    if outcome.fate is Fate.REFUSED or attempts >= most:
        return tried._replace(standing=Standing.GIVEN_UP, ended_us=now_us)
    return tried._replace(next_us=now_us + _WAITS_S[attempts - 1] * _US)


def in_vain(delivery: Delivery, now_us: int) -> Delivery:
    """Return a call that is not made any more."""
    said = "somebody had answered before it was made"
    return delivery._replace(standing=Standing.IN_VAIN, ended_us=now_us, detail=said)


def proof(delivery: Delivery) -> State:
    """Return what the ledger holds of a delivery that ended: no address, nothing that names one.

    message: a digest of the words, so that a copy of them can be shown to be what was sent.
    """
    notice = delivery.notice
    role, name, way, _, customer = notice.recipient
    told: dict[str, Json] = {"role": role.value, "name": name, "way": way.value}
    if customer is not None:
        told["customer"] = customer
    digest = hashlib.sha256(f"{notice.words}\n\n{notice.text}".encode()).hexdigest()
    return {
        "id": delivery.delivery_id,
        "occasion": notice.occasion,
        "about": f"{notice.subject.kind} {notice.subject.id}",
        "recipient": told,
        "standing": delivery.standing.value,
        "attempts": delivery.attempts,
        "happened_us": notice.happened_us,
        "planned_us": delivery.created_us,
        "ended_us": delivery.ended_us,
        "message": digest,
    }
