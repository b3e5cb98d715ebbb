"""What a link to acknowledge by does: looked at it shows, pressed it acknowledges, and only then.

Mail scanners and chats open links to look at them. So looking changes nothing, whatever looks.
"""

import enum
from typing import NamedTuple, Protocol

from server.incidents.decisions import IncidentStateError
from server.incidents.desk import ON_CALL
from server.incidents.record import Author, AuthorKind, Incident, State, Step
from server.incidents.states import StepRefusedError
from server.journal.acts import Actor, Cause
from server.notices.audience import opening_of
from server.notices.link import AcknowledgementLink, LinkError, PublicKeySource, find_person
from server.notices.ports import BoardSource

MAX_TOKEN = 256
"""Characters; what is longer is no token."""


class Verdict(enum.StrEnum):
    """What a link leads to."""

    READY = "ready"
    """It can be acknowledged by this person now."""
    DONE = "done"
    """It was, this moment."""
    ANSWERED = "answered"
    """Somebody had done so before."""
    OVER = "over"
    """It is resolved or dismissed."""
    REFUSED = "refused"
    """It is no link of ours, too old, or of somebody who is not called any more."""


class Found(NamedTuple):
    """What is behind a link. words: for the person, why it is refused.

    person: who acknowledges; by: who had answered before, "" for nobody.
    """

    verdict: Verdict
    words: str = ""
    incident_id: int = 0
    title: str = ""
    component: str = ""
    severity: int = 0
    person: str = ""
    by: str = ""


class Acknowledges(Protocol):
    """Acknowledges incidents, as a person does (`server.incidents.desk`)."""

    async def acknowledge(self, incident_id: int, *, cause: Cause) -> Incident:
        """Note that a person works on it. StepRefusedError or another refusal when it is late."""
        ...

    async def show(self, incident_id: int) -> Incident:
        """Return one with its history; LookupError."""
        ...


class AcknowledgementSource(Protocol):
    """Finds out what is behind a link, here or in another process. Raises the store's errors."""

    async def acknowledgement(self, token: str, *, press: bool) -> Found:
        """Return what is behind a link; press: and acknowledge, if that can be done now."""
        ...


class AcknowledgementDesk:
    """Keeps `AcknowledgementSource`. salt: the installation's."""

    def __init__(
        self,
        incidents: Acknowledges,
        keys: PublicKeySource,
        board: BoardSource,
        *,
        salt: bytes,
        now_s: "Now",
    ) -> None:
        self._incidents = incidents
        self._keys = keys
        self._board = board
        self._salt = salt
        self._now_s = now_s

    async def acknowledgement(self, token: str, *, press: bool) -> Found:
        """Return what is behind a link; press: and acknowledge, if that can be done now."""
        try:
            person, incident = await self._behind(token)
        except LinkError as error:
            return Found(Verdict.REFUSED, str(error))
        found = judged(incident, person)
        if not press or found.verdict is not Verdict.READY:
            return found
        cause = Cause(Actor(ON_CALL, person), "by the link that was sent")
        try:
            after = await self._incidents.acknowledge(incident.incident_id, cause=cause)
        except (IncidentStateError, StepRefusedError):
            # Somebody else was quicker: that is what there is to be seen now.
            return judged(await self._incidents.show(incident.incident_id), person)
        return judged(after, person)._replace(verdict=Verdict.DONE)

    async def _behind(self, token: str) -> tuple[str, Incident]:
        """Return whose link it is, and the incident it is for; LinkError says why it is none."""
        link = await AcknowledgementLink.read(token, self._keys, await self._now_s())
        person = find_person(self._salt, link.person, self._board.board().people)
        if person is None:
            raise LinkError("this link is of somebody who is not called any more")
        try:
            incident = await self._incidents.show(link.incident_id)
        except LookupError:
            raise LinkError("there is no such incident any more") from None
        if link.opening != opening_of(incident):
            raise LinkError(
                "this link is from before the incident was opened again. The newest message has"
                " one that works"
            )
        return person, incident


class Now(Protocol):
    """Tells the store's time."""

    async def __call__(self) -> int:
        """Return whole seconds since the epoch."""
        ...


def judged(incident: Incident, person: str) -> Found:
    """Return what a person sees of an incident whose link they have."""
    answers = [
        record.author
        for record in incident.history
        if record.step is Step.ACKNOWLEDGED and record.author.is_person
    ]
    verdict = {State.OPEN: Verdict.READY, State.RESOLVED: Verdict.OVER}.get(
        incident.state, Verdict.ANSWERED
    )
    if incident.state is State.DISMISSED:
        verdict = Verdict.OVER
    return Found(
        verdict,
        "",
        incident.incident_id,
        incident.title,
        incident.component.value,
        incident.severity.value,
        person,
        _name(answers[-1]) if answers and verdict is not Verdict.READY else "",
    )


def _name(author: Author) -> str:
    return author.name if author.kind is AuthorKind.OPERATOR else author.kind.value
