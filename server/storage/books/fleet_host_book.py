"""Hosts of the fleet in the store: tokens that let them in, and forgetting them."""

from collections.abc import Sequence

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.enrolment import Admission, Asked, Token, admit, check_new_token, digest_of
from server.fleet.hosts import Host, HostState
from server.journal.acts import Act, Actor, Deed, State, Subject
from server.storage.books.fleet_rows import host_of, token_of
from server.storage.books.journal_book import record
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    FLEET_SEQUENCE,
    fleet_change,
    fleet_fault,
    fleet_host,
    fleet_key,
    fleet_sighting,
    fleet_token,
    sequence,
)

_ENROLLED = Actor("system", "keystead")


async def take_turn(connection: AsyncConnection) -> None:
    """Wait until nobody else changes hosts or takes reports, up to the end of the transaction."""
    turn = select(sequence).where(sequence.c.name == FLEET_SEQUENCE).with_for_update()
    await connection.execute(turn)


class SqlFleetHostBook:
    """Keeps the hosts of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def add_enrolment_token(
        self, name: str, digest: bytes, *, lifetime_us: int, replaces: bool, act: Act
    ) -> Token:
        """Keep a token for a host. HostEnrolledError."""
        async with self._transactions.writing() as connection:
            number = await next_number(connection, FLEET_SEQUENCE)
            by_name = await _active(connection, name)
            check_new_token(name, replaces=replaces, by_name=by_name)
            expires_us = await self._transactions.now_us(connection) + lifetime_us
            token = Token(number, digest, name, expires_us, replaces)
            await connection.execute(insert(fleet_token).values(token._asdict()))
            # The journal is kept for good, and a host's name may be to be forgotten.
            made: State = {"expires_us": expires_us, "replaces": replaces}
            deed = Deed(act, Subject("fleet-token", str(number)), None, made)
            await record(self._transactions.now_us, connection, deed)
            return token

    async def enrol(self, asked: Asked) -> Admission:
        """Let a host in, once. BadTokenError, after which nothing is changed."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            kept = select(fleet_token).where(fleet_token.c.digest == digest_of(asked.token))
            row = (await connection.execute(kept)).one_or_none()
            now_us = await self._transactions.now_us(connection)
            token = None if row is None else token_of(row)
            admission = admit(
                asked,
                token,
                by_id=await _host(connection, asked.host_id),
                by_name=await _active(connection, asked.name),
                now_us=now_us,
            )
            if token is None or admission.again:
                return admission
            for host in admission.replaced:
                await self._retire(connection, host, asked.host_id)
            await connection.execute(
                insert(fleet_host).values(
                    host_id=asked.host_id,
                    name=token.host_name,
                    folded=token.host_name.casefold(),
                    public_key=asked.public_key,
                    state=HostState.ACTIVE.value,
                    system=asked.system,
                    release="",
                    agent=asked.agent,
                    software="{}",
                    enrolled_us=now_us,
                    sequence=0,
                    report_id="",
                    dropped=0,
                    missing=0,
                    clashes=0,
                )
            )
            used = update(fleet_token).where(fleet_token.c.token_id == token.token_id)
            await connection.execute(used.values(host_id=asked.host_id))
            act = Act(_ENROLLED, "host.enrol", f"token {token.token_id}")
            made: State = {"system": asked.system}
            deed = Deed(act, Subject("host", asked.host_id), None, made)
            await record(self._transactions.now_us, connection, deed)
            return admission

    async def fleet_host(self, host_id: str) -> Host | None:
        """Return a host, whatever its state."""
        async with self._transactions.reading() as connection:
            return await _host(connection, host_id)

    async def list_hosts(self, after: str, limit: int) -> Sequence[Host]:
        """Return up to `limit` hosts with an id beyond `after`, in order."""
        page = select(fleet_host).where(fleet_host.c.host_id > after)
        page = page.order_by(fleet_host.c.host_id).limit(limit)
        async with self._transactions.reading() as connection:
            return [host_of(row) for row in await connection.execute(page)]

    async def erase_host(self, host_id: str, *, act: Act) -> Host | None:
        """Forget a host: its name, its sightings, and keys that nobody else saw."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            known = await _host(connection, host_id)
            if known is None:
                return None
            erased = known._replace(name="", public_key=b"", state=HostState.ERASED, release="")
            if known.state is HostState.ERASED:
                return known
            await _forget_sightings(connection, host_id)
            await connection.execute(delete(fleet_token).where(fleet_token.c.host_id == host_id))
            await connection.execute(
                update(fleet_host)
                .where(fleet_host.c.host_id == host_id)
                .values(
                    name="",
                    folded="",
                    public_key=b"",
                    state=HostState.ERASED.value,
                    release="",
                    software="{}",
                )
            )
            was, now = {"state": known.state.value}, {"state": HostState.ERASED.value}
            deed = Deed(act, Subject("host", host_id), was, now)
            await record(self._transactions.now_us, connection, deed)
            return erased

    async def _retire(self, connection: AsyncConnection, host: Host, by: str) -> None:
        state = HostState.REPLACED.value
        ended = update(fleet_host).where(fleet_host.c.host_id == host.host_id)
        await connection.execute(ended.values(state=state))
        act = Act(_ENROLLED, "host.replace", f"host {by}")
        deed = Deed(
            act, Subject("host", host.host_id), {"state": host.state.value}, {"state": state}
        )
        await record(self._transactions.now_us, connection, deed)


async def _host(connection: AsyncConnection, host_id: str) -> Host | None:
    found = select(fleet_host).where(fleet_host.c.host_id == host_id)
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else host_of(row)


async def _active(connection: AsyncConnection, name: str) -> list[Host]:
    found = select(fleet_host).where(
        fleet_host.c.folded == name.casefold(), fleet_host.c.state == HostState.ACTIVE.value
    )
    return [host_of(row) for row in await connection.execute(found)]


async def _forget_sightings(connection: AsyncConnection, host_id: str) -> None:
    """Remove a host's sightings, and with them keys that no other host saw."""
    theirs = select(fleet_sighting.c.key_id).where(fleet_sighting.c.host_id == host_id)
    other = fleet_sighting.alias()
    seen_elsewhere = exists().where(
        other.c.key_id == fleet_sighting.c.key_id, other.c.host_id != host_id
    )
    gone = list((await connection.execute(theirs.where(~seen_elsewhere))).scalars())
    for table in (fleet_fault, fleet_change, fleet_key):
        await connection.execute(delete(table).where(table.c.key_id.in_(gone)))
    await connection.execute(delete(fleet_sighting).where(fleet_sighting.c.host_id == host_id))
    # What it noted of keys that others saw as well stays, without saying who noted it.
    for table in (fleet_change, fleet_key):
        nameless = update(table).where(table.c.host_id == host_id).values(host_id="")
        await connection.execute(nameless)
