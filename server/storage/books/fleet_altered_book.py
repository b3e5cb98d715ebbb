"""Hosts that altered what a key said on its way, counted in the store."""

from sqlalchemy import update

from server.fleet.channel.blame import relayed_otherwise
from server.fleet.hosts import HostState
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_host


class SqlFleetAlteredBook:
    """Keeps `note_altered` of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def note_altered(self, host_id: str, key_id: str, how: str) -> None:
        """Count it against the host, and tell it as a fact."""
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            # One that was erased or replaced may be in the middle of a dialogue, and is heard until
            # this process ends: nothing is told of it any more.
            this = (fleet_host.c.host_id == host_id, fleet_host.c.state == HostState.ACTIVE.value)
            more = update(fleet_host).where(*this).values(altered=fleet_host.c.altered + 1)
            if (await connection.execute(more)).rowcount:
                told = relayed_otherwise(host_id, key_id, how)
                await append_facts(self._transactions.now_us, connection, [told])
