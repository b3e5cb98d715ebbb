"""A rotation: which seals all records are to have, who asked for it, and whether it goes on.

One stands at a time, as a named value of the store. It says no more than the goal: how far it is
follows from the records.

    (none) --begin--> standing --activate, walk, retire, destroy--> (none)
"""

import json
from typing import NamedTuple, Self

from hsm.seals import describe
from server.journal.acts import Actor, Cause, Deed, State, Subject
from server.resealing.ports import GoalError, Kind, RotationBook, Target

NAME = "vault_rotation"
_NONE = ""


class Rotation(NamedTuple):
    """What is going on. began_us: the store's time; cause: who asked, and why."""

    target: Target
    began_us: int
    cause: Cause

    def encode(self) -> str:
        """Return the stored value; `decode` is its inverse."""
        value = {
            "otp": self.target.otp.hex(),
            "secrets": self.target.secrets.hex(),
            "began_us": self.began_us,
            "actor": [self.cause.actor.kind, self.cause.actor.name],
            "reason": self.cause.reason,
        }
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a stored value; GoalError when somebody altered it beyond use."""
        try:
            value = json.loads(text)
            target = Target(bytes.fromhex(value["otp"]), bytes.fromhex(value["secrets"]))
            kind, name = map(str, value["actor"])
            cause = Cause(Actor(kind, name), str(value["reason"]))
            return cls(target, int(value["began_us"]), cause)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise GoalError(
                f"what the store says of a rotation is damaged (meta, {NAME}): find out who wrote"
                " to the database. Remove the value, then begin the rotation again"
            ) from None

    @property
    def subject(self) -> Subject:
        """A rotation as the subject of an act: by the keys that it is for."""
        return Subject("vault", f"{self.target.otp.hex()}/{self.target.secrets.hex()}")

    def state(self) -> State:
        """Return it as the journal shows it."""
        return {kind.value: describe(self.target.of(kind)) for kind in Kind}


class UnderWayError(GoalError):
    """One at a time."""

    def __init__(self) -> None:
        super().__init__(
            "a rotation is under way: wait until it has ended (keystead vault status), then ask"
            " again"
        )


async def standing(book: RotationBook) -> Rotation | None:
    """Return the rotation that stands, or None. GoalError for one that cannot be read."""
    text = await book.meta(NAME)
    return Rotation.decode(text) if text else None


async def begin(book: RotationBook, rotation: Rotation, action: str) -> None:
    """Let a rotation stand; GoalError when another one does. action: for the journal."""
    deed = Deed(rotation.cause.act(action), rotation.subject, None, rotation.state())
    text = rotation.encode()
    if await book.settle_meta(NAME, text, deed) == text:
        return
    if not await book.swap_meta(NAME, _NONE, text, deed):
        raise UnderWayError


async def end(book: RotationBook, rotation: Rotation) -> None:
    """Say that a rotation has come to its end; nothing when somebody did already."""
    act = rotation.cause.act("vault.rotated")
    await book.swap_meta(
        NAME, rotation.encode(), _NONE, Deed(act, rotation.subject, rotation.state(), None)
    )
