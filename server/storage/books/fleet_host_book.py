"""Hosts of the fleet in the store: tokens that let them in, and forgetting them."""

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.enrolment import (
    SYSTEMS,
    Admission,
    Asked,
    Token,
    admit,
    check_new_token,
    digest_of,
)
from server.fleet.holders import folded as folded_person
from server.fleet.host_name import folded
from server.fleet.hosts import Host, HostState
from server.journal.acts import Act, Actor, Deed, State, Subject
from server.storage.books.fleet_forgetting import forget_piece, hush_facts
from server.storage.books.fleet_rows import day_of, host_of, token_of
from server.storage.books.journal_book import record
from server.storage.books.sequences import next_number
from server.storage.books.steps import among
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    FLEET_SEQUENCE,
    fleet_claim,
    fleet_host,
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
            now_us = await self._transactions.now_us(connection)
            await _end_tokens(connection, name)
            expires_us = now_us + lifetime_us
            token = Token(number, digest, name, expires_us, replaces)
            row = token._asdict() | {"folded": folded(name)}
            await connection.execute(insert(fleet_token).values(row))
            # The journal is kept for good, and a host's name may be to be forgotten.
            made: State = {"expires_us": expires_us, "replaces": replaces}
            deed = Deed(act, Subject("fleet-token", str(number)), None, made)
            await record(self._transactions.now_us, connection, deed)
            return token

    async def knows_token(self, digest: bytes) -> bool:
        """Tell whether there is such a token, used or not, without a turn at writing."""
        kept = select(fleet_token.c.token_id).where(fleet_token.c.digest == digest)
        async with self._transactions.reading() as connection:
            return (await connection.execute(kept)).first() is not None

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
                    folded=folded(token.host_name),
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
                    altered=0,
                    **_owner(admission.replaced),
                )
            )
            used = update(fleet_token).where(fleet_token.c.token_id == token.token_id)
            await connection.execute(used.values(host_id=asked.host_id))
            act = Act(_ENROLLED, "host.enrol", f"token {token.token_id}")
            # Written for good: no text that a host makes up.
            made: State = {"system": asked.system if asked.system in SYSTEMS else "another"}
            deed = Deed(act, Subject("host", asked.host_id), None, made)
            await record(self._transactions.now_us, connection, deed)
            return admission

    async def fleet_host(self, host_id: str) -> Host | None:
        """Return a host, whatever its state."""
        async with self._transactions.reading() as connection:
            return await _host(connection, host_id)

    async def fleet_hosts(self, host_ids: Sequence[str]) -> Mapping[str, Host]:
        """Return those of these hosts that there are, by id."""
        async with self._transactions.reading() as connection:
            found = select(fleet_host).where(among(connection, fleet_host.c.host_id, host_ids))
            return {row.host_id: host_of(row) for row in await connection.execute(found)}

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
            hosts = await self._erase(connection, known, act)
        await self._forget_all(hosts)
        return known if known.state is HostState.ERASED else known.erased()

    async def _erase(self, connection: AsyncConnection, known: Host, act: Act) -> list[Host]:
        """Erase a host but for what it saw; return the hosts that went with it, and itself.

        One that was erased before is returned as well: its erasure may have been interrupted.
        """
        hosts = [known]
        if known.state is HostState.ERASED:
            return hosts
        if known.state is HostState.ACTIVE:
            hosts += await _of_name(connection, known.name, HostState.REPLACED)
            await _end_tokens(connection, known.name)
        for host in hosts:
            await _empty(connection, host)
        for host in hosts:
            was, now = {"state": host.state.value}, {"state": HostState.ERASED.value}
            deed = Deed(act, Subject("host", host.host_id), was, now)
            await record(self._transactions.now_us, connection, deed)
        return hosts

    async def _forget_all(self, hosts: Sequence[Host]) -> None:
        """Forget what erased hosts saw, in pieces between which others write.

        What is interrupted here the retention's job finishes.
        """
        for host in hosts:
            work = partial(self._forget_some, host.host_id)
            while await self._transactions.in_one_go(work):
                pass

    async def _forget_some(self, host_id: str, connection: AsyncConnection) -> int:
        await take_turn(connection)
        today = day_of(await self._transactions.now_us(connection))
        return await forget_piece(connection, host_id, today)

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
    return await _of_name(connection, name, HostState.ACTIVE)


async def _of_name(connection: AsyncConnection, name: str, state: HostState) -> list[Host]:
    found = select(fleet_host).where(
        fleet_host.c.folded == folded(name), fleet_host.c.state == state.value
    )
    return [host_of(row) for row in await connection.execute(found)]


async def _end_tokens(connection: AsyncConnection, name: str) -> None:
    """Delete tokens for this name that nobody used."""
    unused = fleet_token.c.host_id.is_(None)
    these = delete(fleet_token).where(fleet_token.c.folded == folded(name), unused)
    await connection.execute(these)


async def _empty(connection: AsyncConnection, host: Host) -> None:
    left = host.erased()
    # At once: what is interrupted after this is found by what the host saw, and by nothing else.
    await hush_facts(connection, [host.host_id])
    await connection.execute(delete(fleet_claim).where(fleet_claim.c.host_id == host.host_id))
    await connection.execute(delete(fleet_token).where(fleet_token.c.host_id == host.host_id))
    await connection.execute(
        update(fleet_host)
        .where(fleet_host.c.host_id == host.host_id)
        .values(
            left._asdict()
            | {"state": left.state.value, "folded": "", "person_folded": "", "software": "{}"}
        )
    )


def _owner(replaced: Sequence[Host]) -> dict[str, str]:
    """Return whose a host is that takes the place of these: theirs."""
    was = next((one for one in replaced if one.person), None)
    if was is None:
        return {}
    return {
        "person": was.person,
        "person_folded": folded_person(was.person),
        "person_after": was.person_after,
    }
