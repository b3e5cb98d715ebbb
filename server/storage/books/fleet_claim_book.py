"""What hosts' users say of who holds a key, in the store, until an operator decides."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.claiming import AskedClaim, Earlier, weigh
from server.fleet.holder_ports import Entrusting, HeldKey
from server.fleet.holders import HolderClaim, KeyName, folded
from server.fleet.hosts import HostState
from server.fleet.receipt import Receipt
from server.journal.acts import Act, Deed, Subject
from server.storage.books.fleet_holder_book import SqlFleetHolderBook, held
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_rows import claim_of, day_of
from server.storage.books.journal_book import record
from server.storage.schema import fleet_claim, fleet_host


class SqlFleetClaimBook(SqlFleetHolderBook):
    """Keeps the claims of `server.fleet.holder_ports.HolderBook`."""

    async def take_claim(self, claim: AskedClaim) -> Receipt:
        """Keep what a host's user says of a key, in the place of what they said before."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            receipt = await _weighed(connection, claim)
            if receipt is not Receipt.NEW:
                return receipt
            today = day_of(await self._transactions.now_us(connection))
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            row = {
                "key_id": claim.key_id,
                "host_id": claim.host_id,
                "claim_id": claim.claim_id,
                "number": claim.number,
                "day": min(claim.day, today).isoformat(),
                "person": claim.person,
                "person_folded": folded(claim.person),
                "kind": claim.kind.value,
                "waits": True,
            }
            table = fleet_claim.c
            offer = insert(fleet_claim).values(row)
            await connection.execute(
                offer.on_conflict_do_update(index_elements=[table.key_id, table.host_id], set_=row)
            )
            return Receipt.NEW

    async def fleet_claims(
        self, ids: Sequence[str] | None, after: str, limit: int
    ) -> Sequence[HolderClaim]:
        """Return up to `limit` claims that wait, with an id beyond `after`, in order of ids."""
        table = fleet_claim.c
        page = select(fleet_claim).where(table.waits, table.claim_id > after)
        if ids is not None:
            page = page.where(table.key_id.in_(ids))
        async with self._transactions.reading() as connection:
            rows = await connection.execute(page.order_by(table.claim_id).limit(limit))
            return [claim_of(row) for row in rows]

    async def accept_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HeldKey | None:
        """Make the registry say what a claim says. None: no such claim waits."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            claim = await _waiting(connection, key_id, host_id)
            if claim is None or claim_id not in {"", claim.claim_id}:
                return None
            await _end(connection, claim)
            wanted = Entrusting(KeyName(key_id), claim.person, claim.kind)
            now = await self._put(connection, key_id, wanted, act, anyway=True)
            return (await held(connection, [now]))[0]

    async def dismiss_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HolderClaim | None:
        """Take a claim away, and its person's name. None: no such claim waits."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            claim = await _waiting(connection, key_id, host_id)
            if claim is None or claim_id not in {"", claim.claim_id}:
                return None
            await _end(connection, claim)
            was = {"host": host_id, "kind": claim.kind.value}
            deed = Deed(act, Subject("fleet-holder", key_id), was, None)
            await record(self._transactions.now_us, connection, deed)
            return claim


async def _weighed(connection: AsyncConnection, claim: AskedClaim) -> Receipt:
    """Return what becomes of a claim, by what is known of its host and of what that said."""
    table = fleet_claim.c
    mine = table.host_id == claim.host_id
    state = select(fleet_host.c.state).where(fleet_host.c.host_id == claim.host_id)
    found = (await connection.execute(state)).scalar_one_or_none()
    known = select(table.claim_id, table.number).where(mine, table.key_id == claim.key_id)
    row = (await connection.execute(known)).one_or_none()
    taken = select(table.claim_id).where(table.claim_id == claim.claim_id)
    count = select(func.count()).select_from(fleet_claim).where(mine)
    return weigh(
        claim,
        None if found is None else HostState(found),
        None if row is None else Earlier(*row),
        taken=(await connection.execute(taken)).first() is not None,
        mine=(await connection.execute(count)).scalar_one(),
    )


async def _waiting(connection: AsyncConnection, key_id: str, host_id: str) -> HolderClaim | None:
    table = fleet_claim.c
    found = select(fleet_claim).where(table.key_id == key_id, table.host_id == host_id, table.waits)
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else claim_of(row)


async def _end(connection: AsyncConnection, claim: HolderClaim) -> None:
    """Keep of a claim that it was there, so that it does not come again, and nobody's name."""
    table = fleet_claim.c
    this = update(fleet_claim).where(table.key_id == claim.key_id, table.host_id == claim.host_id)
    await connection.execute(this.values(waits=False, person="", person_folded=""))
