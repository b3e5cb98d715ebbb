"""Who does something and why: what travels with every administrative change to its entry."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None
State: TypeAlias = Mapping[str, Json]
"""A thing before or after a change, as JSON. Never a secret: the journal is kept for good."""

LOCAL = "local"
OPERATOR = "operator"
SYSTEM = "system"


class Actor(NamedTuple):
    """Who acts. kind: what sort of name it is ("local", "system", ...); name: unique in its kind.

    "local" is a user of the host who came through the Unix socket or ran a command, "operator"
    somebody who came with a token of that operator's, "system" is Keystead itself.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @classmethod
    def local(cls, uid: int, user: str | None) -> "Actor":
        """Return a user of this host. user: what the host calls that uid, None when it has no name.

        The number is what the kernel vouches for; names are given to other people later.
        """
        return cls(LOCAL, str(uid) if user is None else f"{uid}({user})")


class Act(NamedTuple):
    """Something that is being done. action: room and verb, as in "client.disable"."""

    actor: Actor
    action: str
    reason: str


class Cause(NamedTuple):
    """Who asks for a change and why ("" = no reason given); the room knows what it is then."""

    actor: Actor
    reason: str = ""

    def act(self, action: str) -> Act:
        """Return the act that this is the cause of."""
        return Act(self.actor, action, self.reason)


class Subject(NamedTuple):
    """What is changed. kind: "client", "key", ...; id: its name there."""

    kind: str
    id: str


class Deed(NamedTuple):
    """An act with what it did, ready for the journal. None: it was not, or is not any more."""

    act: Act
    subject: Subject
    before: State | None
    after: State | None
