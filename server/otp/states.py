"""Keys as the journal tells of them: switched on or off, imported; nothing secret."""

import hashlib
from collections.abc import Iterable

from server.journal.acts import Json, State, Subject
from server.otp.ports import KeyDetails, NewKey

_LISTED = 100
"""Public ids that an import's entry lists; a longer one is told by number and hash."""


def key_subject(public_id: str) -> Subject:
    """Return a key as the subject of an act."""
    return Subject("key", public_id)


def key_state(details: KeyDetails) -> State:
    """Return a key's state, without its counters: those are no administrator's doing."""
    return {
        "active": details.active,
        "version": details.version,
        "serial": details.serial,
        "generation": details.generation,
    }


class ImportSummary:
    """What an import brought, summed up piece by piece, in the order of public ids.

    The hash is SHA-256 over the public ids, each ended by a line feed: whoever has the list
    can show that it is the one.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._count = 0
        self._listed: list[Json] = []

    def add(self, keys: Iterable[NewKey]) -> None:
        """Take the next piece."""
        self.add_ids(key.public_id for key in keys)

    def add_ids(self, public_ids: Iterable[str]) -> None:
        """Take the next piece, of which only the public ids are at hand."""
        for public_id in public_ids:
            self._digest.update(f"{public_id}\n".encode())
            self._count += 1
            if self._count <= _LISTED:
                self._listed.append(public_id)

    @property
    def subject(self) -> Subject:
        """Name the import."""
        return Subject("key_import", self._digest.hexdigest()[:16])

    def state(self) -> State:
        """Return what there is after the import that was not before."""
        state: dict[str, Json] = {
            "keys": self._count,
            "public_ids_sha256": self._digest.hexdigest(),
        }
        if self._count <= _LISTED:
            state["public_ids"] = self._listed
        return state
