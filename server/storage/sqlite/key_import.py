"""Imports into the embedded store: all or nothing, yet never in the way of verifications for long.

One transaction over a hundred thousand rows would keep every verification waiting for its
end. So a large import is staged: its rows come in small transactions, with a negative
version -n that says "of import n". While meta names n as the unfinished import, those rows
are not there for anybody; removing that name makes all of them appear at once. From then on
-n reads as version 1 (the first administrative change writes 2).

A crash leaves staged rows that nobody sees; the next start or import removes them.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import BigInteger, ColumnElement, Select, cast, insert, select
from sqlalchemy.exc import IntegrityError

from server.clock import Clock
from server.journal.acts import Act, Deed
from server.moving.ports import ConflictError, Gathered, IncomingKey, Progress
from server.otp.ports import (
    KeyExistsError,
    NewKey,
    StoreError,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from server.otp.states import ImportSummary
from server.resealing.ports import Kind
from server.storage.books.imports import (
    CONFLICT,
    Kept,
    chunks,
    in_order,
    never_used,
    refuse_known,
    refuse_repeated,
    seals_of,
    with_kept,
)
from server.storage.books.resealing_book import refuse_retired
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.gathering import FileGathering
from server.storage.schema import (
    IMPORT_SEQUENCE,
    UNFINISHED_IMPORT,
    kept_counter,
    meta,
    otp_key,
)
from server.storage.sqlite import import_statements as sql
from server.storage.sqlite.checkpoint import Checkpointer
from server.storage.sqlite.hot import Change
from server.storage.sqlite.import_end import Ending, LastChanges

_CHUNK = 250
"""Rows per transaction: a few milliseconds each, after which verifications have their turn."""

_AT_START = 10_000
"""Leftovers removed per transaction while nobody waits."""


class KeyImport:
    """Adds keys, and everything else that comes with an import, to the embedded store.

    write: commits changes of many rows on the hot path's own connection, whose page cache
    another connection's commit would empty. checkpoints: told what the end of an import writes
    beside that. kept: counters that wait for their keys, of some ids.
    attached: lets what is written read from another file.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        clock: Clock,
        write: Callable[[Sequence[Change]], Awaitable[None]],
        checkpoints: Checkpointer,
        kept: Kept,
        attached: Callable[[Path, str], AbstractAsyncContextManager[None]],
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._write = write
        self._kept = kept
        self._attached = attached
        self._ending = Ending(transactions, checkpoints)
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """Keep imports out: for who changes counters of keys that may be about to come."""
        async with self._one_at_a_time:
            yield

    async def add(self, keys: Sequence[NewKey], act: Act) -> None:
        """Create all keys, or none: KeyExistsError."""
        await refuse_repeated(keys)
        async with self._one_at_a_time:
            await self.clean_up()
            # Nobody else adds keys, so what is not known now will not be later.
            async with self._transactions.reading() as connection:
                await refuse_known(connection, [key.public_id for key in keys], _CHUNK)
                # No seal is retired either while this goes on (SqliteStore.retire_seals).
                await refuse_retired(connection, Kind.OTP, await seals_of(keys))
            if len(keys) <= _CHUNK:
                if keys:
                    summary = ImportSummary()
                    summary.add(sorted(keys))
                    changes = await self._addition(never_used(keys), version=1)
                    deed = Deed(act, summary.subject, None, summary.state())
                    await self._ending.commit(changes, deed)
                return
            summary = ImportSummary()
            async with self._staged() as number:
                # In the order of the file's pages, each of which is then written once.
                async for chunk in in_order(keys, _CHUNK):
                    await self._write(await self._addition(never_used(chunk), version=-number))
                    summary.add(chunk)
                deed = Deed(act, summary.subject, None, summary.state())
                await self._ending.commit([sql.finish()], deed)

    async def move_in(self, gathered: Gathered, progress: Progress, deed: Deed) -> None:
        """Take over everything, or nothing: as `server.moving.ports.MoveBook` promises."""
        if not isinstance(gathered, FileGathering):
            raise TypeError("the embedded store takes over files only")
        async with self._one_at_a_time:
            await self.clean_up()
            async with self._transactions.reading() as connection:
                brought = zip((Kind.OTP, Kind.SECRETS), await gathered.seals(), strict=True)
                for kind, seals in brought:
                    await refuse_retired(connection, kind, seals)
            try:
                async with self._staged() as number:
                    await self._move_in(gathered, progress, number, deed)
            except KeyExistsError as error:
                raise ConflictError(CONFLICT) from error
            except StoreUnavailableError as error:
                if _is_conflict(error):
                    raise ConflictError(CONFLICT) from error
                raise

    async def _move_in(
        self, gathered: FileGathering, progress: Progress, number: int, deed: Deed
    ) -> None:
        done = 0
        now_us = self._clock.now_us()
        # From file to file in C, without a row of it in Python: that costs verifications nothing
        # but the disk.
        async with self._attached(gathered.path, sql.INCOMING):
            async for first, last_id, count in gathered.ranges(_CHUNK):
                await self._write(sql.copy_keys(first, last_id, number=number, now_us=now_us))
                done += count
                await progress(done)
        last = LastChanges(self._ending, self._write, deed)
        revoked_kept: list[str] = []
        async for counters in chunks(gathered.kept(), _CHUNK):
            ids = [each.public_id for each in counters]
            async with self._transactions.reading() as connection:
                # A key that came since they were compared would never get its counters.
                await refuse_known(connection, ids, _CHUNK)
            stored = await self._kept(ids)
            new = [each for each in counters if each.public_id not in stored]
            if new:
                await self._write([sql.keep_counters(new, number)])
            again = [each for each in counters if each.public_id in stored]
            await last.raise_counters(sql.raise_kept(again))
            revoked_kept += [each.public_id for each in again if not each.active]
            done += len(counters)
            await progress(done)
        revoked: list[str] = []
        async for raised in chunks(gathered.raised(), _CHUNK):
            await last.raise_counters(sql.raise_counters(raised))
            revoked += [each.public_id for each in raised if not each.active]
            done += len(raised)
            await progress(done)
        switched_off = [sql.switch_off(revoked), sql.switch_off_kept(revoked_kept)]
        await last.commit(gathered, switched_off, now_us)

    async def clean_up(self, *, at_once: int = _CHUNK) -> None:
        """Remove what an import left behind that did not come to its end.

        at_once: rows per transaction.
        """
        number = await self._unfinished()
        if number is None:
            return
        keys = select(otp_key.c.public_id).where(otp_key.c.version == -number)
        async for first, last in self._ranges(keys, otp_key.c.public_id, at_once):
            await self._write(sql.forget_keys(number, first, last))
        kept = select(kept_counter.c.public_id).where(kept_counter.c.import_number == number)
        async for first, last in self._ranges(kept, kept_counter.c.public_id, at_once):
            await self._write(sql.forget_kept(number, first, last))
        await self._write([sql.finish()])

    async def clean_up_at_start(self) -> None:
        """Remove leftovers while nobody is served yet."""
        await self.clean_up(at_once=_AT_START)

    async def _ranges(
        self, ids: Select[str], column: ColumnElement[str], size: int
    ) -> AsyncIterator[tuple[str, str]]:
        """Yield the first and the last id of each page; a scan, so not within the write turn."""
        last = None
        while True:
            page = ids if last is None else ids.where(column > last)
            async with self._transactions.reading() as connection:
                found = list(await connection.scalars(page.order_by(column).limit(size)))
            if not found:
                return
            last = found[-1]
            yield found[0], last

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[int]:
        """Give an import its number; whatever ends it early, its rows are removed."""
        async with self._transactions.writing() as connection:
            number = await next_number(connection, IMPORT_SEQUENCE)
            await connection.execute(insert(meta).values(name=UNFINISHED_IMPORT, value=str(number)))
        try:
            yield number
        except UnknownOutcomeError as error:
            # Only the last commit shows anything, and whether that one happened can be seen.
            if await self._unfinished() != number:
                raise
            with suppress(StoreError):
                await self.clean_up()
            raise StoreUnavailableError(f"nothing was written: {error}") from error
        except BaseException:
            # What cannot be removed now will be at the next start or import.
            with suppress(StoreError):
                await self.clean_up()
            raise

    async def _unfinished(self) -> int | None:
        """Return the number of an import that has not come to its end."""
        async with self._transactions.reading() as connection:
            number: int | None = await connection.scalar(
                select(cast(meta.c.value, BigInteger)).where(meta.c.name == UNFINISHED_IMPORT)
            )
        return number

    async def _addition(self, keys: Sequence[IncomingKey], *, version: int) -> list[Change]:
        keys = await with_kept(keys, self._kept)
        return sql.add_keys(keys, version=version, now_us=self._clock.now_us())


def _is_conflict(error: StoreUnavailableError) -> bool:
    """Tell whether a row was there already: from the hot path's driver, or from a transaction."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.IntegrityError | IntegrityError)
