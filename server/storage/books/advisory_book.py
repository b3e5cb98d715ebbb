"""Files of advisories in the store, and decisions that one is critical: added, never changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.facts import NewFact
from server.fleet.advisory_ports import LoadedFile, OvertakenError
from server.fleet.criterion import Decision
from server.journal.acts import Act, Deed, State, Subject
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_advisory_file as files
from server.storage.schema import fleet_decision


class SqlAdvisoryBook:
    """Keeps files and decisions of `server.fleet.advisory_ports.AdvisoryBook`."""

    _transactions: Transactions

    async def advisory_files(self, after: int) -> Sequence[LoadedFile]:
        """Return the files that were loaded with numbers beyond `after`, in order."""
        head = [column for column in files.c if column.name != "content"]
        page = select(*head).where(files.c.number > after).order_by(files.c.number)
        async with self._transactions.reading() as connection:
            return [LoadedFile(*row) for row in await connection.execute(page)]

    async def advisory_text(self, number: int) -> bytes:
        """Return the whole of a file. LookupError."""
        one = select(files.c.content).where(files.c.number == number)
        async with self._transactions.reading() as connection:
            found: bytes | None = (await connection.execute(one)).scalar_one_or_none()
        if found is None:
            raise LookupError(f"no file of advisories has number {number}")
        return found

    async def add_advisory_file(
        self, text: bytes, *, edition: int, key_id: bytes, digest: str, after: int, act: Act
    ) -> LoadedFile:
        """Keep a file; after: the newest number that was known to who decided. OvertakenError."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            newest = await connection.scalar(select(func.max(files.c.number))) or 0
            if newest != after:
                raise OvertakenError
            now_us = await self._transactions.now_us(connection)
            made = LoadedFile(after + 1, edition, key_id, digest, now_us, str(act.actor))
            row = made._asdict() | {"content": text}
            row["actor"], row["signer"] = row.pop("by"), row.pop("key_id")
            await connection.execute(insert(files).values(row))
            said: State = {"edition": edition, "key": key_id.hex(), "digest": digest}
            loaded = NewFact("fleet.advisories-loaded", str(made.number), said)
            await append_facts(self._transactions.now_us, connection, [loaded])
            deed = Deed(act, Subject("advisories", str(made.number)), None, said)
            await record(self._transactions.now_us, connection, deed)
            return made

    async def decisions(self) -> Sequence[Decision]:
        """Return all decisions, in order."""
        page = select(fleet_decision).order_by(fleet_decision.c.number)
        async with self._transactions.reading() as connection:
            return [_decision(row) for row in await connection.execute(page)]

    async def add_decision(
        self, advisory_id: str, *, critical: bool, edition: int, criterion: str, act: Act
    ) -> Decision:
        """Keep a decision. OvertakenError: the newest one on that advisory says the same."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            if await _is_critical(connection, advisory_id) is critical:
                raise OvertakenError
            newest = await connection.scalar(select(func.max(fleet_decision.c.number))) or 0
            now_us = await self._transactions.now_us(connection)
            made = Decision(
                newest + 1,
                advisory_id,
                critical,
                edition,
                now_us,
                str(act.actor),
                act.reason,
                criterion,
            )
            row = made._asdict()
            row["actor"] = row.pop("by")
            await connection.execute(insert(fleet_decision).values(row))
            said: State = {"decision": made.number, "critical": critical, "edition": edition}
            told = NewFact("fleet.advisory-decided", advisory_id, said)
            await append_facts(self._transactions.now_us, connection, [told])
            deed = Deed(act, Subject("advisory", advisory_id), {"critical": not critical}, said)
            await record(self._transactions.now_us, connection, deed)
            return made


async def _is_critical(connection: AsyncConnection, advisory_id: str) -> bool:
    last = (
        select(fleet_decision.c.critical)
        .where(fleet_decision.c.advisory_id == advisory_id)
        .order_by(fleet_decision.c.number.desc())
        .limit(1)
    )
    return bool((await connection.execute(last)).scalar_one_or_none())


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        row.number,
        row.advisory_id,
        row.critical,
        row.edition,
        row.at_us,
        row.actor,
        row.reason,
        row.criterion,
    )
