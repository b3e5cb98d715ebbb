"""The edition of attestation roots that counts, and loading a newer one. Editions never go back."""

import json
from collections.abc import Sequence

from server.fleet.attestation_bundle import AttestationBundle, shipped, verify
from server.fleet.server_identity import Values
from server.fleet.signed_file import UntrustedFileError
from server.journal.acts import Cause, Deed, Subject
from server.journal.canonical import MalformedError

NAME = "fleet_attestation_roots"
"""What the loaded file is called among the store's values."""

_TRIES = 16


class EditionRefusedError(Exception):
    """A file is not taken; the message says why."""


class RootsDesk:
    """trusted: public keys (32 octets) of those whose editions are taken (fleet.attestation_keys).

    A loaded edition counts as long as its signer is trusted, and until a newer one ships.
    """

    def __init__(self, store: Values, trusted: Sequence[bytes]) -> None:
        self._store = store
        self._trusted = tuple(trusted)
        self._shipped = shipped()
        self._read: tuple[str, AttestationBundle | None] = ("", None)

    async def current(self) -> AttestationBundle:
        """Return the edition that counts. Store errors."""
        loaded = self._verified(await self._store.meta(NAME))
        if loaded is None or loaded.edition <= self._shipped.edition:
            return self._shipped
        return loaded

    async def load(self, text: str, *, cause: Cause) -> AttestationBundle:
        """Take a newer edition. EditionRefusedError says why it is not taken."""
        try:
            bundle = verify(text.encode(), self._trusted)
        except (MalformedError, UntrustedFileError) as error:
            raise EditionRefusedError(f"the file is not taken: {error}") from None
        file = json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True)
        for _ in range(_TRIES):
            stands = await self._store.meta(NAME)
            before = max(self._shipped.edition, _edition_in(stands))
            if bundle.edition <= before:
                raise EditionRefusedError(
                    f"the file is edition {bundle.edition}, and edition {before} was taken already:"
                    " editions never go back"
                )
            act = cause.act("fleet-roots.load")
            now = {"edition": bundle.edition, "roots": len(bundle.roots)}
            deed = Deed(act, Subject("fleet-roots", ""), {"edition": before}, now)
            if stands is None:
                if await self._store.settle_meta(NAME, file, deed) == file:
                    return bundle
            elif await self._store.swap_meta(NAME, stands, file, deed):
                return bundle
        raise EditionRefusedError("somebody else loads roots all the time: try again")

    def _verified(self, text: str | None) -> AttestationBundle | None:
        """Read what is stored, under the keys that are trusted now: the store is no authority."""
        if text is None:
            return None
        if self._read[0] != text:
            try:
                bundle = verify(text.encode(), self._trusted)
            except (MalformedError, UntrustedFileError):
                bundle = None
            self._read = (text, bundle)
        return self._read[1]


def _edition_in(text: str | None) -> int:
    """Return the edition of a stored file, whoever signed it: a key taken away takes none back."""
    try:
        found = 0 if text is None else json.loads(text)["document"]["edition"]
    except (ValueError, KeyError, TypeError):
        return 0
    return found if type(found) is int else 0
