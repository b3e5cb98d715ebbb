"""A store filled with a fleet straight away: hosts, keys, faults and sightings, as reports would.

Each kind of key is absorbed and judged once, by the server's own functions; of its rows the numbers
are exchanged. tests/server/storage/test_fleet_filling.py takes the same fleet as reports.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped] # the driver ships no types

from server.fleet.absorbing import absorb, as_report, key_id_of
from server.fleet.advisory_file import shipped
from server.fleet.health_rules import HealthRules
from server.fleet.intake import digest_of
from server.fleet.lines import line_word
from server.fleet.rulebook import Rulebook
from server.storage.books.fleet_rows import LEVELS, firmware_of, write_facts
from server.storage.books.judgement_book import write_hits
from tests.server.fleet_bench.laptops import KINDS, Laptop, facts_of

_SIGHTINGS = ("key_id", "host_id", "first_day", "last_day")
_FAULTS = ("rule", "key_id", "level", "firmware")
_AT_ONCE = 20_000
_DIGITS = 8


class Fleet:
    """The rows of `count` laptops. reporting: how many of them report, every so manieth.

    Those alone have a key that signs: to make one costs more than all the rest.
    """

    def __init__(self, seed: str, count: int, reporting: int, today: date) -> None:
        self._seed = seed
        self._count = count
        self._today = today
        self._every = max(1, count // reporting)
        rulebook = Rulebook(shipped(), HealthRules(), today)
        self._kinds = [_Kind(kind, today, rulebook) for kind in range(KINDS)]

    def reporters(self) -> list[Laptop]:
        """Return the laptops that report."""
        return [Laptop(self._seed, number) for number in range(0, self._count, self._every)]

    def hosts(self) -> Iterator[dict[str, Any]]:
        for laptop in sorted(self._laptops(), key=lambda one: one.host_id):
            signs = laptop.number % self._every == 0
            yield {
                "host_id": laptop.host_id,
                "name": laptop.name,
                "folded": laptop.name,
                "public_key": laptop.public_key if signs else bytes(32),
                "state": "active",
                "system": "linux",
                "release": "Debian 12",
                "agent": "0.1.0",
                "software": '{"libfido2": "1.15.0", "yubikey-manager": "5.9.1"}',
                "enrolled_us": 0,
                "reported_us": 0,
                "sequence": 1,
                "report_id": "0" * 32,
                "dropped": 0,
                "missing": 0,
                "clashes": 0,
                "altered": 0,
            }

    def keys(self) -> Iterator[dict[str, Any]]:
        for laptop in self._laptops():
            yield self._kinds[laptop.kind].row(laptop)

    def faults(self) -> Iterator[tuple[Any, ...]]:
        for laptop in self._laptops():
            yield from self._kinds[laptop.kind].faults(laptop)

    def sightings(self) -> Iterator[tuple[Any, ...]]:
        day = self._today.isoformat()
        for laptop in self._laptops():
            yield f"serial:{laptop.serial}", laptop.host_id, day, day

    def _laptops(self) -> Iterator[Laptop]:
        return (Laptop(self._seed, number) for number in range(self._count))


class _Kind:
    def __init__(self, kind: int, today: date, rulebook: Rulebook) -> None:
        example = Laptop("", kind)
        report = example.key(facts_of(kind, today), today)
        key = absorb(None, report, example.host_id, today, today=today).key
        said = as_report(key)
        health, turn = rulebook.judge(said, today), rulebook.next_turn(said, today)
        text = json.dumps(
            [example.serial, dict(report.facts), {}], sort_keys=True, separators=(",", ":")
        )
        assert hashlib.sha256(text.encode()).digest() == digest_of(report)
        assert key_id_of(report.identity, "") == f"serial:{example.serial}"
        self._rest = text[len(f"[{example.serial}") :]
        self._rules = sorted({fault.rule.name for fault in health.faults})
        self._row = {
            "firmware": firmware_of(key),
            "line": line_word(said),
            "level": LEVELS[health.worst],
            "first_seen": today.isoformat(),
            "last_seen": today.isoformat(),
            "said": key.said.isoformat(),
            "whole": key.is_whole,
            "judged": today.isoformat(),
            "due": None if turn is None else turn.isoformat(),
            "changes": 0,
            "rulebook": rulebook.stamp,
            "hits": write_hits(rulebook.hits(said)),
            "facts": write_facts(key),
            "unreadable": "{}",
        }

    def row(self, laptop: Laptop) -> dict[str, Any]:
        said = f"[{laptop.serial}{self._rest}"
        return {
            "key_id": f"serial:{laptop.serial}",
            "serial": laptop.serial,
            "host_id": laptop.host_id,
            "digest": hashlib.sha256(said.encode()).digest(),
            **self._row,
        }

    def faults(self, laptop: Laptop) -> Iterator[tuple[Any, ...]]:
        for rule in self._rules:
            yield rule, f"serial:{laptop.serial}", self._row["level"], self._row["firmware"]


def fill_sqlite(path: Path, fleet: Fleet) -> None:
    """Fill the file of a service that does not run."""
    connection = sqlite3.connect(path, isolation_level=None)
    # Without a log: who interrupts this begins anew.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    for table, columns, rows in _tables(fleet):
        names, marks = ", ".join(f'"{one}"' for one in columns), ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
        connection.executemany(statement, rows)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


async def fill_postgres(url: str, fleet: Fleet) -> None:
    """Fill a database that nobody serves from."""
    connection = await asyncpg.connect(url)
    try:
        for table, columns, rows in _tables(fleet):
            for some in _some(rows):
                await connection.copy_records_to_table(table, records=some, columns=columns)
        for table in ("fleet_host", "fleet_key", "fleet_fault", "fleet_sighting"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()


def _tables(
    fleet: Fleet,
) -> Iterator[tuple[str, Sequence[str], Iterator[tuple[Any, ...]]]]:
    for table, rows in (("fleet_host", fleet.hosts()), ("fleet_key", fleet.keys())):
        first = next(rows)
        columns = tuple(first)
        yield table, columns, _values(columns, first, rows)
    yield "fleet_fault", _FAULTS, fleet.faults()
    yield "fleet_sighting", _SIGHTINGS, fleet.sightings()


def _values(
    columns: Sequence[str], first: dict[str, Any], rows: Iterable[dict[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    yield tuple(first.values())
    for row in rows:
        yield tuple(row[name] for name in columns)


def _some(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    some: list[tuple[Any, ...]] = []
    for row in rows:
        some.append(row)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
