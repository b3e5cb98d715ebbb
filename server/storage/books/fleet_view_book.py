"""The fleet as a whole: numbers out of indexes, and lists to both sides of a place."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import KnownKey
from server.fleet.counts import VERSIONS, FleetCounts, Trouble
from server.fleet.hosts import Host, HostState
from server.fleet.paging import Page, Place, cut
from server.fleet.ports import FleetKey, Search
from server.fleet.view_ports import HostSearch
from server.storage.books.fleet_key_book import find_keys, keys_wanted
from server.storage.books.fleet_rows import LEVELS, host_of, key_of, version_of
from server.storage.books.transactions import Transactions
from server.storage.schema import fleet_fault, fleet_host, fleet_key


class SqlFleetViewBook:
    """Keeps `server.fleet.view_ports.ViewBook`."""

    _transactions: Transactions

    async def fleet_counts(self, silent_us: int) -> FleetCounts:
        """Count keys and hosts: each number comes out of an index, but for the hosts' troubles."""
        number = func.count()
        by_version = select(fleet_key.c.firmware, number).group_by(fleet_key.c.firmware)
        by_version = by_version.order_by(number.desc(), fleet_key.c.firmware).limit(VERSIONS)
        by_level = select(fleet_key.c.level, number).group_by(fleet_key.c.level)
        by_rule = select(fleet_fault.c.rule, number).group_by(fleet_fault.c.rule)
        async with self._transactions.reading() as connection:
            levels = await _numbers(connection, by_level)
            versions = await _numbers(connection, by_version)
            rules = await _numbers(connection, by_rule)
            hosts = (await connection.execute(_hosts_counted(silent_us))).one()
        keys = sum(levels.values())
        firmware = {
            None if version is None else version_of(version): count
            for version, count in versions.items()
        }
        return FleetCounts(
            keys,
            {level: levels.get(number, 0) for level, number in LEVELS.items()},
            rules,
            firmware,
            keys - sum(firmware.values()),
            hosts.active or 0,
            {trouble: getattr(hosts, trouble.value) or 0 for trouble in Trouble},
        )

    async def key_page(self, search: Search, place: Place, limit: int) -> Page[FleetKey]:
        """Return up to `limit` keys, by id."""
        async with self._transactions.reading() as connection:
            wanted = await keys_wanted(connection, search)
            beyond = _beyond(fleet_key.c.key_id, place)
            page = wanted.where(*beyond).order_by(_order(fleet_key.c.key_id, place))
            return cut(await find_keys(connection, page.limit(limit + 1)), place, limit)

    async def host_page(self, search: HostSearch, place: Place, limit: int) -> Page[Host]:
        """Return up to `limit` hosts by name. A place is a host's id."""
        table = fleet_host.c
        wanted = select(fleet_host).where(table.state != HostState.ERASED.value)
        if search.name:
            begins = table.folded.startswith(search.name.casefold(), autoescape=True)
            wanted = wanted.where(begins)
        if search.trouble is not None:
            wanted = wanted.where(_in_trouble(search.trouble, search.silent_us))
        async with self._transactions.reading() as connection:
            name = select(table.folded).where(table.host_id == place.entry)
            folded = (await connection.execute(name)).scalar_one_or_none()
            if folded is None:
                place = Place()  # whoever stood there is gone
            else:
                mine, there = tuple_(table.folded, table.host_id), (folded, place.entry)
                wanted = wanted.where(mine < there if place.is_before else mine > there)
            order = [_order(table.folded, place), _order(table.host_id, place)]
            rows = await connection.execute(wanted.order_by(*order).limit(limit + 1))
            return cut([host_of(row) for row in rows], place, limit)

    async def fleet_known(self, after: str, limit: int) -> Sequence[KnownKey]:
        """Return what is known of up to `limit` keys with an id beyond `after`, in order."""
        page = select(fleet_key).where(fleet_key.c.key_id > after)
        page = page.order_by(fleet_key.c.key_id).limit(limit)
        async with self._transactions.reading() as connection:
            return [key_of(row) for row in await connection.execute(page)]


async def _numbers(connection: AsyncConnection, counted: Select[Any]) -> dict[Any, int]:
    rows = await connection.execute(counted)
    return {row[0]: row[1] for row in rows}


def _hosts_counted(silent_us: int) -> Select[Any]:
    """Return a statement whose one row has the number of hosts, and of each trouble."""

    def number(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0)).label(name)

    active = number(fleet_host.c.state == HostState.ACTIVE.value, "active")
    troubles = (number(_in_trouble(one, silent_us), one.value) for one in Trouble)
    counted: Any = select(active, *troubles)
    known: Select[Any] = counted.where(fleet_host.c.state != HostState.ERASED.value)
    return known


def _in_trouble(trouble: Trouble, silent_us: int) -> ColumnElement[bool]:
    table = fleet_host.c
    is_active = table.state == HostState.ACTIVE.value
    return {
        Trouble.CLASHES: table.clashes > 0,
        Trouble.ALTERED: table.altered > 0,
        Trouble.MISSING: table.missing > 0,
        Trouble.SILENT: and_(is_active, table.reported_us < silent_us),
        Trouble.NEVER: and_(is_active, table.reported_us.is_(None)),
        Trouble.REPLACED: table.state == HostState.REPLACED.value,
    }[trouble]


def _beyond(column: ColumnElement[str], place: Place) -> list[ColumnElement[bool]]:
    if not place.entry:
        return []
    return [column < place.entry if place.is_before else column > place.entry]


def _order(column: ColumnElement[str], place: Place) -> ColumnElement[str]:
    return column.desc() if place.is_before else column.asc()
