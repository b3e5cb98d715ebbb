"""The fleet as somebody looks at it: lists to both sides of a place, and hosts in trouble."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, select, tuple_

from server.fleet.absorbing import KnownKey
from server.fleet.host_name import folded as folded_name
from server.fleet.hosts import Host, HostState
from server.fleet.paging import Page, Place, cut
from server.fleet.ports import FleetKey, Search
from server.fleet.trouble import Trouble
from server.fleet.view_ports import HostSearch
from server.storage.books.fleet_key_book import find_keys
from server.storage.books.fleet_rows import host_of, key_of
from server.storage.books.fleet_search import ids_from
from server.storage.books.steps import among
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_host, fleet_key


class SqlFleetViewBook:
    """Keeps `server.fleet.view_ports.ViewBook`."""

    _transactions: Transactions

    async def host_troubles(self) -> Mapping[Trouble, int]:
        """Count hosts in trouble: in one look at all of them."""
        numbers: list[ColumnElement[Any]] = [
            func.sum(case((_in_trouble(one), 1), else_=0)).label(one.value) for one in Trouble
        ]
        counted = select(*numbers).where(fleet_host.c.state != HostState.ERASED.value)
        async with self._transactions.reading() as connection:
            row = (await connection.execute(counted)).one()
        return {trouble: getattr(row, trouble.value) or 0 for trouble in Trouble}

    async def key_page(self, search: Search, place: Place, limit: int) -> Page[FleetKey]:
        """Return up to `limit` keys, by id."""
        key_id = fleet_key.c.key_id
        async with self._transactions.reading() as connection:
            ids = await ids_from(connection, search, place, limit + 1)
            page = select(fleet_key).where(among(connection, key_id, ids))
            found = await find_keys(connection, page.order_by(_order(key_id, place)))
            return cut(found, place, limit)

    async def host_page(self, search: HostSearch, place: Place, limit: int) -> Page[Host]:
        """Return up to `limit` hosts by name. A place is a host's id."""
        table = fleet_host.c
        wanted = select(fleet_host).where(table.state != HostState.ERASED.value)
        # Few of very many hosts are looked for: to read all once and sort what is found is ten
        # times as fast as to go by the index of names, row after row. An expression says so.
        by_name: ColumnElement[str] = table.folded
        if search != HostSearch():
            by_name = func.coalesce(table.folded, "")
        if search.name:
            begins = table.folded.startswith(folded_name(search.name), autoescape=True)
            wanted = wanted.where(begins)
        if search.trouble is not None:
            wanted = wanted.where(_in_trouble(search.trouble))
        async with self._transactions.reading() as connection:
            name = select(table.folded).where(table.host_id == place.entry)
            folded = (await connection.execute(name)).scalar_one_or_none()
            if folded is None:
                place = Place()  # whoever stood there is gone
            else:
                mine, there = tuple_(by_name, table.host_id), (folded, place.entry)
                wanted = wanted.where(mine < there if place.is_before else mine > there)
            order = [_order(by_name, place), _order(table.host_id, place)]
            rows = await connection.execute(wanted.order_by(*order).limit(limit + 1))
            return cut([host_of(row) for row in rows], place, limit)

    async def fleet_known(self, after: str, limit: int) -> Sequence[KnownKey]:
        """Return what is known of up to `limit` keys with an id beyond `after`, in order."""
        page = select(fleet_key).where(fleet_key.c.key_id > after)
        page = page.order_by(fleet_key.c.key_id).limit(limit)
        async with self._transactions.reading() as connection:
            return [key_of(row) for row in await connection.execute(page)]


def _in_trouble(trouble: Trouble) -> ColumnElement[bool]:
    table = fleet_host.c
    heard = func.coalesce(table.reported_us, table.enrolled_us)
    is_active = table.state == HostState.ACTIVE.value
    return {
        Trouble.CLASHES: table.clashes > 0,
        Trouble.ALTERED: table.altered > 0,
        Trouble.MISSING: table.missing > 0,
        Trouble.SILENT: and_(is_active, table.silent_us > heard),
        Trouble.NEVER: and_(is_active, table.reported_us.is_(None)),
        Trouble.REPLACED: table.state == HostState.REPLACED.value,
    }[trouble]


def _order(column: ColumnElement[str], place: Place) -> ColumnElement[str]:
    return column.desc() if place.is_before else column.asc()
