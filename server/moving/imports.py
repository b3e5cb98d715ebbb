"""An import under way: pieces of files in, a report out, then everything at once or nothing."""

from collections.abc import Sequence

from hsm.vault import Vault
from server.journal.acts import Cause
from server.moving.client_intake import change_of, has_secret
from server.moving.counters_file import Counters
from server.moving.key_intake import is_same
from server.moving.ports import File, Gathering, MoveBook, Progress, Reader
from server.moving.report import Change, Report
from server.moving.states import import_deed

_CLIENTS = 500


class RefusedError(Exception):
    """The files cannot be imported. report: every line at fault, up to a cap."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.fault_count} lines cannot be imported; nothing was changed")
        self.report = report


class Import:
    """Files on their way in. Nothing of the store changes before `activate`."""

    def __init__(
        self, book: MoveBook, vault: Vault, *, reader: Reader, gathering: Gathering
    ) -> None:
        self.report = Report()
        self.rows = 0
        """How many rows `activate` will write, about."""
        self._book = book
        self._vault = vault
        self._reader = reader
        self._gathering = gathering

    async def read(self, file: File, piece: bytes) -> None:
        """Read whole lines of a file, in their order. Faults are noted, not raised."""
        await self._reader.read(file, piece)

    async def check(self) -> Report:
        """Check everything as a whole, and hold it against the store."""
        reading = await self._reader.finish()
        self.report.take_over(reading.faults, reading.fault_count)
        for file in reading.records:
            self.report.count(file, Change.NEW, 0)
        await self._gathering.open()
        new = await self._compare_keys(reading.records.get(File.KEYS, 0))
        await self._compare_clients()
        others = 0
        async for page in self._gathering.counters_of_others():
            others += len(page)
            await self._sort_out(page)
        if File.COUNTERS in reading.records:
            self.report.count(File.COUNTERS, Change.NEW, reading.records[File.COUNTERS] - others)
        self.rows += new
        return self.report

    async def _compare_keys(self, records: int) -> int:
        """Find the keys that the store has already; return how many are new."""
        same = 0
        async for page in self._gathering.proofs():
            known = await self._book.known_keys([public_id for public_id, _, _ in page])
            alike = []
            for public_id, line, proof in page:
                if (stored := known.get(public_id)) is None:
                    continue
                if await is_same(self._vault, public_id, proof, stored):
                    alike.append(public_id)
                    continue
                self.report.blame(
                    File.KEYS,
                    line,
                    f"the public id {public_id!r} is known already, with other secrets;"
                    " remove the line to keep the key that is there",
                )
            await self._gathering.mark_known(alike)
            same += len(alike)
        if records:
            self.report.count(File.KEYS, Change.NEW, records - same)
            self.report.count(File.KEYS, Change.UNCHANGED, same)
        return records - same

    async def _compare_clients(self) -> None:
        clients = await self._gathering.all_clients()
        for start in range(0, len(clients), _CLIENTS):
            page = clients[start : start + _CLIENTS]
            known = await self._book.known_clients([client.client_id for _, client in page])
            changes: dict[int, bool] = {}
            for line, client in page:
                stored = known.get(client.client_id)
                if stored is not None and not await has_secret(self._vault, client, stored):
                    self.report.blame(
                        File.CLIENTS,
                        line,
                        f"the Client ID {client.client_id} is known already, with another API key;"
                        " remove the line to keep the client that is there",
                    )
                change = change_of(client, stored)
                self.report.count(File.CLIENTS, change)
                if stored is not None:
                    changes[client.client_id] = change is Change.CHANGED
            await self._gathering.mark_clients(changes)

    async def _sort_out(self, page: Sequence[Counters]) -> None:
        ids = [counters.public_id for counters in page]
        known = await self._book.known_keys(ids)
        kept = await self._book.kept_counters([one for one in ids if one not in known])
        to_raise, to_keep = [], []
        for counters in page:
            public_id = counters.public_id
            if (key := known.get(public_id)) is not None:
                change = _compared(key.counters, counters)
                if change is Change.CHANGED:
                    to_raise.append(public_id)
            else:
                stored = kept.get(public_id)
                change = Change.KEPT if stored is None else _compared(stored, counters)
                if change is not Change.UNCHANGED:
                    to_keep.append(public_id)
            self.report.count(File.COUNTERS, change)
        self.rows += len(to_raise) + len(to_keep)
        await self._gathering.sort_out(to_raise, to_keep)

    async def activate(self, progress: Progress, *, cause: Cause) -> None:
        """Take everything over, at once; RefusedError when a line is at fault, ConflictError."""
        if self.report.fault_count:
            raise RefusedError(self.report)
        deed = await import_deed(cause.act("import"), self.report, self._gathering)
        await self._book.move_in(self._gathering, progress, deed=deed)


def _compared(stored: Counters, counters: Counters) -> Change:
    ahead = (counters.session, counters.use) > (stored.session, stored.use)
    switched_off = stored.active and not counters.active
    return Change.CHANGED if ahead or switched_off else Change.UNCHANGED
