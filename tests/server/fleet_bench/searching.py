"""Searches among all keys through the operator's door, as `keystead fleet keys` makes them."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import aiohttp

from tests.server.fleet_bench.estate import Standing
from tests.server.fleet_bench.laptops import FIRMWARES, Laptop

_RULES = (
    "piv-pin-default",
    "piv-pin-tries",
    "fido-pin-not-set",
    "certificate-ends",
    "certificate-ended",
    "secure-channel-default",
    "disputed",
)
_LEVELS = ("danger", "warning", "notice")


def _value(name: str, laptop: Laptop, chance: random.Random) -> str:
    match name:
        case "serial":
            return str(laptop.serial)
        case "host":
            return laptop.name
        case "firmware":
            version = chance.choice(FIRMWARES)
            return version.rsplit(".", chance.randrange(3))[0]
        case "level":
            return chance.choice(_LEVELS)
        case _:
            return chance.choice(_RULES)


def searches(fleet: Standing, count: int) -> Iterator[tuple[str, list[float]]]:
    """Yield for each combination how long `count` searches took (s), some from the middle."""
    chance = random.Random(1)  # noqa: S311 - which keys are asked for is no secret
    names = ("serial", "host", "firmware", "level", "rule")
    for length in range(len(names) + 1):
        for together in itertools.combinations(names, length):
            asked = []
            for _ in range(count):
                laptop = chance.choice(fleet.reporters)
                query = {name: _value(name, laptop, chance) for name in together}
                if chance.random() < 0.5:
                    query["after"] = f"serial:{10_000_000 + chance.randrange(10**6)}"
                asked.append(query)
            yield " + ".join(together) or "of all", asyncio.run(_ask(fleet.admin_socket, asked))


async def _ask(socket: Path, queries: Sequence[Mapping[str, str]]) -> list[float]:
    took = []
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        for query in queries:
            begun = time.perf_counter()
            url = "http://localhost/api/v1/fleet/keys"
            async with session.get(url, params=query) as answer:
                body = await answer.read()
                assert answer.status == 200, body
            took.append(time.perf_counter() - begun)
    return took
