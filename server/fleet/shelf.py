"""Which file of advisories stands: the newest edition that is believed, of those loaded or shipped.

A file is believed under a key that the configuration names now: a key that is taken out of there
takes its files with it. What came with the program is where it starts, and is believed with it.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from server.fleet.advisory_file import AdvisoryFile, signer_of, verify
from server.fleet.advisory_ports import AdvisoryBook, LoadedFile
from server.fleet.health_rules import HealthRules
from server.fleet.rulebook import Rulebook
from server.fleet.signed_file import UntrustedFileError, key_id_of
from server.journal.acts import Cause
from server.journal.canonical import MalformedError


class UnknownAdvisoryError(LookupError):
    """The advisory is not in the file."""

    def __init__(self, advisory_id: str) -> None:
        super().__init__(f"there is no advisory {advisory_id} here; list them to see which are")


class OldEditionError(Exception):
    """The file is not newer than the one that stands."""

    def __init__(self, edition: int, standing: int) -> None:
        same = " It is there already." if edition == standing else ""
        super().__init__(
            f"the file is edition {edition}, and edition {standing} stands.{same} An older file"
            " would hide what came since: whoever makes it gives it a higher number"
        )


class Standing(NamedTuple):
    """The file that stands. loaded: as it was loaded, None for what came with the program."""

    file: AdvisoryFile
    loaded: LoadedFile | None = None


class PassedOver(NamedTuple):
    """A newer edition that was loaded and is not believed, or not understood, any more."""

    loaded: LoadedFile
    why: str


class Shelf:
    """Keeps the file that stands in memory, over the book that has all that were loaded.

    shipped: what came with the program; trusted: raw public keys (Ed25519); own: the
    organisation's rules of health. `refresh` looks for what another process loaded.
    """

    def __init__(
        self,
        shipped: AdvisoryFile,
        *,
        trusted: Sequence[bytes] = (),
        own: HealthRules = HealthRules(),  # noqa: B008 - it cannot change
    ) -> None:
        self.own = own
        self._trusted = {key_id_of(key): key for key in trusted}
        self._shipped = shipped
        self._standing = Standing(shipped)
        self._files: tuple[LoadedFile, ...] = ()
        self._passed: tuple[PassedOver, ...] = ()
        self._rulebook: tuple[object, Rulebook] | None = None
        self._turn = asyncio.Lock()

    @property
    def standing(self) -> Standing:
        """Return the file that stands."""
        return self._standing

    @property
    def file(self) -> AdvisoryFile:
        """Return what the file that stands says."""
        return self._standing.file

    @property
    def files(self) -> Sequence[LoadedFile]:
        """Return all files that were loaded, oldest first."""
        return self._files

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        """Return newer editions that do not stand, and why."""
        return self._passed

    @property
    def trusted(self) -> Sequence[bytes]:
        """Return the ids of the keys that are trusted."""
        return tuple(self._trusted)

    def rulebook(self, today: date) -> Rulebook:
        """Return what keys are judged by today."""
        made_of = (self._standing, today)
        if self._rulebook is None or self._rulebook[0] != made_of:
            self._rulebook = (made_of, Rulebook(self.file, self.own, today))
        return self._rulebook[1]

    async def refresh(self, book: AdvisoryBook) -> None:
        """Look whether a file was loaded since, and let the newest that is believed stand."""
        async with self._turn:
            await self._refresh(book)

    async def _refresh(self, book: AdvisoryBook) -> None:
        newest = self._files[-1].number if self._files else 0
        more = await book.advisory_files(newest)
        if not more:
            return
        files = (*self._files, *more)
        standing, passed = Standing(self._shipped), list[PassedOver]()
        for loaded in sorted(files, key=lambda one: (one.edition, one.number), reverse=True):
            if loaded.edition < standing.file.edition:
                break
            if loaded == self._standing.loaded:
                standing = self._standing
                break
            try:
                text = await book.advisory_text(loaded.number)
                standing = Standing(verify(text, self._trusted.values()), loaded)
                break
            except (UntrustedFileError, MalformedError) as error:
                passed.append(PassedOver(loaded, str(error)))
        self._files, self._standing, self._passed = files, standing, tuple(passed)

    async def load(self, text: bytes, book: AdvisoryBook, *, cause: Cause) -> Standing:
        """Let a file stand. UntrustedFileError, MalformedError, OldEditionError; OvertakenError."""
        if not self._trusted:
            raise UntrustedFileError(
                "no key is trusted here: name the public key of who signs the file in"
                " fleet.advisory_keys, and start the service anew"
            )
        file = verify(text, self._trusted.values())
        async with self._turn:
            await self._refresh(book)
            if file.edition <= self.file.edition:
                raise OldEditionError(file.edition, self.file.edition)
            await book.add_advisory_file(
                text,
                edition=file.edition,
                key_id=signer_of(text),
                digest=file.digest,
                after=self._files[-1].number if self._files else 0,
                act=cause.act("advisories.load"),
            )
            await self._refresh(book)
            return self._standing
