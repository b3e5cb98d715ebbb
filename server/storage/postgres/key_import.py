"""Imports into PostgreSQL: one transaction, which keeps no verification waiting."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Act, Deed
from server.moving.counters_file import Counters
from server.moving.ports import ConflictError, Gathered, IncomingClient, IncomingKey, Progress
from server.moving.states import raising_deed
from server.otp.ports import KeyExistsError, NewKey
from server.otp.states import ImportSummary
from server.resealing.ports import Kind
from server.storage.books.imports import (
    CONFLICT,
    chunks,
    in_order,
    never_used,
    one_at_a_time,
    refuse_known,
    refuse_repeated,
    seals_of,
    with_kept,
)
from server.storage.books.journal_book import record
from server.storage.books.move_book import read_kept
from server.storage.books.resealing_book import refuse_retired
from server.storage.books.transactions import Transactions
from server.storage.schema import CLIENT_SEQUENCE

_CHUNK = 2_000

_ADD_RECORDS = """
INSERT INTO otp_key_record (public_id, generation, record, serial, created_us)
SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[], $4::text[], $5::bigint[])
    ON CONFLICT DO NOTHING RETURNING public_id
"""

_ADD_COUNTERS = """
INSERT INTO otp_key (public_id, active, version, session, use, clock, nonce,
                     accepted_us, accepted_client)
SELECT public_id, active, 1, session, use, clock, nonce, accepted_us, 0
  FROM unnest($1::text[], $2::bool[], $3::int[], $4::int[], $5::int[], $6::text[], $7::bigint[])
       AS new(public_id, active, session, use, clock, nonce, accepted_us)
"""

_KEEP = """
INSERT INTO kept_counter AS k (public_id, active, session, use, clock, nonce, accepted_us,
                               import_number)
SELECT new.*, 0
  FROM unnest($1::text[], $2::bool[], $3::int[], $4::int[], $5::int[], $6::text[], $7::bigint[])
       AS new(public_id, active, session, use, clock, nonce, accepted_us)
 ORDER BY public_id
ON CONFLICT (public_id) DO UPDATE
SET active = k.active AND excluded.active, session = excluded.session, use = excluded.use,
    clock = excluded.clock, nonce = excluded.nonce, accepted_us = excluded.accepted_us
WHERE (k.session, k.use) <= (excluded.session, excluded.use)
"""

# In one order, as the batches' rows are locked: no deadlocks.
_LOCK = "SELECT 1 FROM otp_key WHERE public_id = ANY ($1) ORDER BY public_id FOR NO KEY UPDATE"

_RAISE = """
UPDATE otp_key AS o
   SET session = n.session, use = n.use, clock = n.clock, nonce = n.nonce,
       accepted_us = n.accepted_us, accepted_client = 0
  FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::text[], $6::bigint[])
       AS n(public_id, session, use, clock, nonce, accepted_us)
 WHERE o.public_id = n.public_id AND (o.session, o.use) < (n.session, n.use)
"""

_SWITCH_OFF = """
UPDATE otp_key SET active = false, version = version + 1 WHERE public_id = ANY ($1) AND active
"""

_ADD_CLIENTS = """
INSERT INTO client (id, name, active, version, signed_only, phishing_test, created_us, email,
                    notes)
SELECT id, name, active, 1, false, false, created_us, nullif(email, ''), nullif(notes, '')
  FROM unnest($1::bigint[], $2::text[], $3::bool[], $4::bigint[], $5::text[], $6::text[])
       AS new(id, name, active, created_us, email, notes)
    ON CONFLICT DO NOTHING RETURNING id
"""

_ADD_API_KEYS = """
INSERT INTO api_key (client_id, key_id, record, created_us)
SELECT id, 1, record, created_us
  FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS new(id, record, created_us)
"""

_CHANGE_CLIENTS = """
UPDATE client AS c
   SET active = c.active AND n.active, email = coalesce(c.email, nullif(n.email, '')),
       notes = coalesce(c.notes, nullif(n.notes, '')), version = c.version + 1
  FROM unnest($1::bigint[], $2::bool[], $3::text[], $4::text[]) AS n(id, active, email, notes)
 WHERE c.id = n.id
"""

_NEVER_AGAIN = "UPDATE sequence SET last = greatest(last, $1) WHERE name = $2"


async def add_keys(transactions: Transactions, keys: Sequence[NewKey], act: Act) -> None:
    """Create all keys, or none: KeyExistsError."""
    await refuse_repeated(keys)
    summary = ImportSummary()
    async with transactions.writing() as connection:
        await one_at_a_time(connection)
        kept = partial(read_kept, connection)  # another one might have to be waited for
        await refuse_known(connection, [key.public_id for key in keys], _CHUNK)
        now_us = await transactions.now_us(connection)
        # In one order, so that two imports at once cannot wait for each other.
        async for chunk in in_order(keys, _CHUNK):
            await _add(connection, await with_kept(never_used(chunk), kept), now_us)
            summary.add(chunk)
        if keys:
            deed = Deed(act, summary.subject, None, summary.state())
            await record(transactions.now_us, connection, deed)
            seals = await seals_of(keys)
            await refuse_retired(connection, Kind.OTP, seals)


async def move_in(
    transactions: Transactions, gathered: Gathered, progress: Progress, *, deed: Deed
) -> None:
    """Take over everything, or nothing: as `server.moving.ports.MoveBook` promises."""
    done = 0
    async with transactions.writing() as connection:
        await one_at_a_time(connection)
        kept = partial(read_kept, connection)
        now_us = await transactions.now_us(connection)
        try:
            async for keys in chunks(gathered.new_keys(), _CHUNK):
                await _add(connection, await with_kept(keys, kept), now_us)
                done += len(keys)
                await progress(done)
            async for counters in chunks(gathered.kept(), _CHUNK):
                ids = [each.public_id for each in counters]
                # A key that came since they were compared would never get its counters.
                await refuse_known(connection, ids, _CHUNK)
                stored = await kept(ids)
                merged = [each.later(stored.get(each.public_id, each)) for each in counters]
                await connection.exec_driver_sql(_KEEP, _columns([each[:7] for each in merged]))
                done += len(counters)
                await progress(done)
        except KeyExistsError as error:
            raise ConflictError(CONFLICT) from error
        # Whoever verifies with a key waits for the transaction that raises its counters, so
        # only the last of them go with the rest: usually that is all of them.
        last: list[Counters] = []
        revoked: list[str] = []
        told = False
        async for counters in chunks(gathered.raised(), _CHUNK):
            if len(last) >= _CHUNK:
                async with transactions.writing() as early:
                    await _lock(early, [each.public_id for each in last])
                    await _raise(early, last)
                    if not told:
                        # These stay raised whatever comes, so the journal tells of them now.
                        await record(transactions.now_us, early, raising_deed(deed))
                last, told = [], True
            last += counters
            revoked += [each.public_id for each in counters if not each.active]
            done += len(counters)
            await progress(done)
        await _take_clients(connection, await gathered.clients(), now_us)
        await _lock(connection, [*(each.public_id for each in last), *revoked])
        await _raise(connection, last)
        await connection.exec_driver_sql(_SWITCH_OFF, (revoked,))
        await record(transactions.now_us, connection, deed)
        for kind, seals in zip((Kind.OTP, Kind.SECRETS), await gathered.seals(), strict=True):
            await refuse_retired(connection, kind, seals)


async def _add(connection: AsyncConnection, keys: Sequence[IncomingKey], now_us: int) -> None:
    rows = [(*each.key, each.created_us or now_us) for each in keys]
    added = await connection.exec_driver_sql(_ADD_RECORDS, _columns(rows))
    if missing := {each.key.public_id for each in keys} - set(added.scalars()):
        # Another import brought it since we looked.
        raise KeyExistsError(min(missing))
    states = [(each.key.public_id, *_state(each.counters)) for each in keys]
    await connection.exec_driver_sql(_ADD_COUNTERS, _columns(states))


async def _lock(connection: AsyncConnection, public_ids: Sequence[str]) -> None:
    """Lock all rows of keys that will be changed, before any is."""
    await connection.exec_driver_sql(_LOCK, (public_ids,))


async def _raise(connection: AsyncConnection, counters: Sequence[Counters]) -> None:
    if counters:
        ahead = [(each.public_id, *each[2:7]) for each in counters]
        await connection.exec_driver_sql(_RAISE, _columns(ahead))


async def _take_clients(
    connection: AsyncConnection, clients: Sequence[IncomingClient], now_us: int
) -> None:
    new = [each for each in clients if not each.is_known]
    changed = [each for each in clients if each.is_known]
    if new:
        rows = [
            (each[0], each.name, each.active, each.created_us or now_us, each.email, each.notes)
            for each in new
        ]
        added = await connection.exec_driver_sql(_ADD_CLIENTS, _columns(rows))
        if len(added.scalars().all()) != len(new):
            raise ConflictError(CONFLICT)
        api_keys = [(each.client_id, each.api_key, each.created_us or now_us) for each in new]
        await connection.exec_driver_sql(_ADD_API_KEYS, _columns(api_keys))
        await connection.exec_driver_sql(_NEVER_AGAIN, (new[-1].client_id, CLIENT_SEQUENCE))
    if changed:
        told = [(each.client_id, each.active, each.email, each.notes) for each in changed]
        await connection.exec_driver_sql(_CHANGE_CLIENTS, _columns(told))


def _state(counters: Counters | None) -> tuple[object, ...]:
    return (True, -1, -1, 0, "", 0) if counters is None else counters[1:7]


def _columns(rows: Sequence[tuple[object, ...]]) -> tuple[list[object], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
