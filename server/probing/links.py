"""The links by which somebody acknowledges at the prober: made and read with a key of its own."""

from collections.abc import Mapping

from server.journal.checkpoint import Signer, key_id_of
from server.notices.link import AcknowledgementLink, LinkError, find_person, person_mark
from server.probing.vigil import Local

PATH = "/ack/"
_DIGITS = 15


class Links:
    """Makes and reads links. base: where the prober's listener is reached; "" makes none.

    salt: the prober's own; people: who may acknowledge, by name.
    """

    def __init__(
        self, signer: Signer, *, base: str, salt: bytes, people: Mapping[str, object]
    ) -> None:
        self._signer = signer
        self._base = base.rstrip("/")
        self._salt = salt
        self._people = people

    def make(self, local: Local, person: str, expires_s: int) -> str:
        """Return the address to acknowledge at, "" when nobody could reach it."""
        if not self._base:
            return ""
        mark = person_mark(self._salt, person)
        link = AcknowledgementLink(number_of(local.reference), mark, expires_s)
        return f"{self._base}{PATH}{link.sign(self._signer)}"

    async def read(self, token: str, local: Local | None, now_s: int) -> str:
        """Return who acknowledges the incident that is here; LinkError says why nobody does."""
        link = await AcknowledgementLink.read(token, self, now_s)
        if local is None or link.incident_id != number_of(local.reference):
            raise LinkError("this link is for an incident that is not here any more")
        person = find_person(self._salt, link.person, self._people)
        if person is None:
            raise LinkError("this link is for somebody who is not on the notice board any more")
        return person

    async def public_key(self, key_id: bytes) -> bytes | None:
        """Return our own key by its id; there is no other."""
        own = self._signer.public_key
        return own if key_id == key_id_of(own) else None


def number_of(reference: str) -> int:
    """Return what stands for an incident in a link: it has no number here."""
    return int(reference[:_DIGITS], 16)
