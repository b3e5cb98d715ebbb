"""The book of minted keys: a key's record, its release and the journal's entry change as one.

What is compared and set is the whole of a minted key. Its row is locked first, then the key's
own: whoever switches a key locks the latter alone, and nobody waits in a circle.
"""

from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.provisioning.key_states import KeyState
from hsm.provisioning.release import ReleaseContext
from hsm.provisioning.release_states import KeptRelease, ReleaseState
from hsm.seals import STRICT, seal_of
from server.journal.acts import Act, Deed
from server.otp.ports import Advance, KeyExistsError, NewKey
from server.otp.states import key_subject
from server.provisioning.ports import CountersAheadError, MintedKey
from server.provisioning.states import minted_state, refuse_illegal
from server.resealing.ports import Kind
from server.storage.books.imports import one_at_a_time, refuse_known
from server.storage.books.journal_book import record
from server.storage.books.key_book import VERSION
from server.storage.books.move_book import read_kept
from server.storage.books.resealing_book import refuse_retired
from server.storage.books.transactions import Transactions
from server.storage.schema import minted_key, otp_key, otp_key_record


class SqlMintingBook:
    """Keeps `server.provisioning.ports.MintingBook`, but for what other books have of it."""

    _transactions: Transactions

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        """Store record, release and entry at once; the key is inactive. KeyExistsError."""
        async with self._transactions.writing() as connection:
            await one_at_a_time(connection)
            await refuse_known(connection, [key.public_id], 1)
            if await read_kept(connection, [key.public_id]):
                raise KeyExistsError(key.public_id)
            before = await _last(connection, key.public_id)
            made = MintedKey(
                kept, KeyState.PRE_ACTIVATION, await self._transactions.now_us(connection)
            )
            if before is not None and not _succeeds(before, made):
                raise KeyExistsError(key.public_id)
            await _insert(connection, key, made)
            deed = Deed(act, key_subject(key.public_id), None, minted_state(made))
            await record(self._transactions.now_us, connection, deed)
            await refuse_retired(connection, Kind.OTP, [seal_of(key.record)])
            return made

    async def minted_key(self, public_id: str) -> MintedKey | None:
        """Return the last key that was minted under a public id."""
        async with self._transactions.reading() as connection:
            return await _last(connection, public_id)

    async def change_minted(
        self, before: MintedKey, after: MintedKey, *, counters: Advance | None = None, act: Act
    ) -> bool:
        """Put `after` in the place of `before` if that is what is kept; tell whether."""
        refuse_illegal(before, after)
        public_id, generation = before.public_id, before.kept.context.generation
        place = (minted_key.c.public_id == public_id, minted_key.c.generation == generation)
        async with self._transactions.writing() as connection:
            # As an UPDATE locks: the second of two who take one release sees what became of it.
            lock = select(minted_key).where(*place).with_for_update()
            row = (await connection.execute(lock)).one_or_none()
            if row is None or _minted(row) != before:
                return False
            await connection.execute(
                update(minted_key)
                .where(*place)
                .values(
                    release_state=after.kept.state.value,
                    message=after.kept.message,
                    state=after.state.value,
                )
            )
            if after.state is not before.state:
                now_us = await self._transactions.now_us(connection)
                await _switch(connection, public_id, after.state, counters, now_us)
            deed = Deed(act, key_subject(public_id), minted_state(before), minted_state(after))
            await record(self._transactions.now_us, connection, deed)
            return True


def _succeeds(before: MintedKey, made: MintedKey) -> bool:
    next_one = before.kept.context.generation + 1
    return before.state is KeyState.DESTROYED and made.kept.context.generation == next_one


async def _insert(connection: AsyncConnection, key: NewKey, made: MintedKey) -> None:
    await connection.execute(
        insert(otp_key).values(
            public_id=key.public_id,
            version=1,
            active=False,
            session=-1,
            use=-1,
            clock=0,
            nonce="",
            accepted_us=0,
            accepted_client=0,
        )
    )
    await connection.execute(
        insert(otp_key_record).values(**key._asdict(), created_us=made.created_us)
    )
    context = made.kept.context
    await connection.execute(
        insert(minted_key).values(
            public_id=context.public_id,
            generation=context.generation,
            order_name=context.order,
            serial=context.serial,
            station=context.station,
            expires_us=context.expires_us,
            release_state=made.kept.state.value,
            message=made.kept.message,
            state=made.state.value,
            in_hsm=key.record.startswith(STRICT),
            created_us=made.created_us,
        )
    )


async def _switch(
    connection: AsyncConnection,
    public_id: str,
    state: KeyState,
    counters: Advance | None,
    now_us: int,
) -> None:
    """Let the hot path see what became of a key. CountersAheadError."""
    if state is KeyState.DESTROYED:
        for table in (otp_key_record, otp_key):
            await connection.execute(delete(table).where(table.c.public_id == public_id))
        return
    if state is not KeyState.ACTIVE or counters is None:
        raise RuntimeError(f"a minted key does not become {state} here")
    changed = await connection.execute(
        update(otp_key)
        .where(
            otp_key.c.public_id == public_id,
            # Counters that came another way, from an import or after a restore, never go down.
            tuple_(otp_key.c.session, otp_key.c.use) < tuple_(counters.session, counters.use),
        )
        .values(
            active=True,
            version=VERSION + 1,
            session=counters.session,
            use=counters.use,
            clock=counters.clock,
            accepted_us=now_us,
        )
    )
    if changed.rowcount != 1:
        raise CountersAheadError(public_id)


def _selected() -> Select[Any]:
    return select(minted_key).order_by(minted_key.c.generation.desc()).limit(1)


async def _last(connection: AsyncConnection, public_id: str) -> MintedKey | None:
    last = _selected().where(minted_key.c.public_id == public_id)
    row = (await connection.execute(last)).one_or_none()
    return None if row is None else _minted(row)


def _minted(row: Row[Any]) -> MintedKey:
    context = ReleaseContext(
        row.order_name, row.public_id, row.generation, row.serial, row.station, row.expires_us
    )
    kept = KeptRelease(context, ReleaseState(row.release_state), bytes(row.message))
    return MintedKey(kept, KeyState(row.state), row.created_us)
