"""The decision in Python and the statement in SQL: the same outcomes, the same stored state.

Both stores get the same rows, the same time and the same batches; the pure function run on
dictionaries is what they are compared with.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.otp.decision import ClientRow, KeyRow, Limit, decide
from server.otp.ports import Advance, Entry, Outcome
from tests.server.storage.keepers import PostgresKeeper, Rows, SqliteKeeper
from validation.gcra import Budget, Policy, Rate

NOW_US = 1_795_262_400_000_000
DEFAULT = Policy(Rate(7, 20), Rate(11, 60))

TICK_US = 125_000
CIRCLE_US = TICK_US << 24

CLIENTS = (1, 2, 3)
PUBLIC_IDS = ("", "b", "cc", "cccccccccccb")
BUCKETS = (0, 1)

rates = st.builds(
    Rate, st.integers(1, 20), st.one_of(st.integers(0, 60), st.sampled_from([10**15, 2**60]))
)
limits = st.builds(
    Limit,
    st.builds(Policy, rates, rates),
    st.booleans(),
    st.one_of(st.none(), st.integers(-30, 60).map(lambda offset: NOW_US + offset)),
)
clients = st.builds(
    ClientRow,
    active=st.sampled_from([True, True, True, False]),
    version=st.integers(1, 2),
    limit=st.one_of(st.none(), limits),
)
counters = st.tuples(st.integers(-1, 3), st.integers(-1, 3))
clocks = st.one_of(st.integers(0, 0xFFFFFF), st.integers(0, 2000))
nonces = st.sampled_from(["", "one", "two"])
tats = st.one_of(
    st.just(0),
    st.integers(-100, 200).map(lambda offset: NOW_US + offset),
    st.just(NOW_US + 10**15),
)


@st.composite
def key_rows(draw: st.DrawFn) -> KeyRow:
    session, use = draw(counters)
    return KeyRow(
        active=draw(st.sampled_from([True, True, True, False])),
        version=draw(st.integers(1, 2)),
        session=session,
        use=use,
        clock=draw(clocks),
        nonce=draw(nonces),
        accepted_us=NOW_US - draw(st.one_of(st.integers(-50, 50), st.integers(0, 10**9))),
    )


@st.composite
def batches(draw: st.DrawFn) -> list[Entry]:
    advanced: set[str] = set()
    batch = []
    for _ in range(draw(st.integers(1, 12))):
        public_id = draw(st.sampled_from(PUBLIC_IDS))
        advance = None
        if public_id not in advanced and draw(st.booleans()):
            advanced.add(public_id)
            counts = st.integers(0, 4)
            advance = Advance(draw(counts), draw(counts), draw(clocks), draw(st.booleans()))
        batch.append(
            Entry(
                client_id=draw(st.sampled_from(CLIENTS)),
                client_version=draw(st.sampled_from([1, 1, 1, 2])),
                bucket=draw(st.sampled_from(BUCKETS)),
                free=draw(st.sampled_from([False, False, True])),
                public_id=public_id,
                key_version=draw(st.sampled_from([0, 1, 1, 1, 2])),
                advance=advance,
                nonce=draw(nonces),
            )
        )
    return batch


class World(NamedTuple):
    """What is stored before the first batch."""

    clients: dict[int, ClientRow]
    keys: dict[str, KeyRow]
    budgets: dict[tuple[int, int], Budget]

    def rows(self) -> Rows:
        return {
            "client": [_client_columns(number, row) for number, row in self.clients.items()],
            "budget": [
                {"client_id": client, "bucket": bucket, **budget._asdict()}
                for (client, bucket), budget in self.budgets.items()
                if client in self.clients
            ],
            "otp_key": [
                {"public_id": public_id, "accepted_client": 0, **row._asdict()}
                for public_id, row in self.keys.items()
            ],
        }


worlds = st.builds(
    World,
    st.dictionaries(st.sampled_from(CLIENTS), clients, min_size=1),
    st.dictionaries(st.sampled_from(PUBLIC_IDS), key_rows()),
    st.dictionaries(
        st.tuples(st.sampled_from(CLIENTS), st.sampled_from(BUCKETS)), st.builds(Budget, tats, tats)
    ),
)
steps = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 60), st.sampled_from([-(10**9), 10**9, -1, 30_000_000])), batches()
    ),
    min_size=1,
    max_size=4,
)


def _client_columns(number: int, row: ClientRow) -> dict[str, object]:
    limit = row.limit
    return {
        "id": number,
        "name": "",
        "active": row.active,
        "version": row.version,
        "signed_only": False,
        "phishing_test": False,
        "created_us": 0,
        "step_us": limit and limit.policy.burst.step_us,
        "slack_us": limit and limit.policy.burst.slack_us,
        "day_step_us": limit and limit.policy.day.step_us,
        "day_slack_us": limit and limit.policy.day.slack_us,
        "shadow": limit and limit.shadow,
        "limit_reason": limit and "",
        "limit_expires_us": limit and limit.expires_us,
    }


def expected(world: World, batch: list[Entry], now_us: int) -> list[Outcome]:
    """Decide with the pure function, and store in the world."""
    decision = decide(
        batch,
        clients=world.clients,
        keys=world.keys,
        budgets=world.budgets,
        default_policy=DEFAULT,
        now_us=now_us,
    )
    world.budgets.update(decision.budgets)
    for update in decision.keys:
        world.keys[update.public_id] = world.keys[update.public_id]._replace(
            session=update.session,
            use=update.use,
            clock=update.clock,
            nonce=update.nonce,
            accepted_us=update.accepted_us,
        )
    return decision.outcomes


@pytest.fixture(params=["sqlite", "postgres"])
def running(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[asyncio.Runner, SqliteKeeper | PostgresKeeper]]:
    """Open a keeper for all examples of a property, on a loop of their own."""
    keeper: SqliteKeeper | PostgresKeeper
    if request.param == "sqlite":
        keeper = SqliteKeeper(tmp_path / "keystead.db", DEFAULT)
    else:
        keeper = PostgresKeeper(request.getfixturevalue("postgres_url"), DEFAULT)
    with asyncio.Runner() as runner:
        runner.run(keeper.open())
        yield runner, keeper
        runner.run(keeper.close())


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds, batches_in_time=steps)
def test_a_keeper_decides_and_stores_as_the_pure_function(
    running: tuple[asyncio.Runner, SqliteKeeper | PostgresKeeper],
    world: World,
    batches_in_time: list[tuple[int, list[Entry]]],
) -> None:
    runner, keeper = running
    runner.run(_compare(keeper, world, batches_in_time))


@st.composite
def held_back(draw: st.DrawFn) -> tuple[int, int, int]:
    """Return the key's clock then and now, and the time that passed in microseconds."""
    then = draw(st.integers(0, 0xFFFFFF))
    passed_us = draw(
        st.one_of(
            st.integers(-(10**6), 200 * 10**6),
            st.integers(0, 10**7).map(lambda n: n * 10**6),
            st.sampled_from([n * CIRCLE_US for n in (1, 2)]),
        )
    )
    # Around the tolerances of 20 s and 30 %, and anywhere.
    off_us = draw(
        st.one_of(
            st.integers(-40 * 10**6, 40 * 10**6),
            st.sampled_from([-1, 1]).map(lambda sign: sign * (passed_us * 3 // 10)),
            st.integers(0, CIRCLE_US),
        )
    )
    now = (then + (passed_us + off_us) // TICK_US + draw(st.integers(-1, 1))) & 0xFFFFFF
    return then, now, passed_us


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=st.lists(held_back(), min_size=len(PUBLIC_IDS), max_size=len(PUBLIC_IDS)))
def test_a_keeper_finds_held_back_otps_as_the_pure_function_does(
    running: tuple[asyncio.Runner, SqliteKeeper | PostgresKeeper],
    cases: list[tuple[int, int, int]],
) -> None:
    keys, batch = {}, []
    for public_id, (then, now, passed_us) in zip(PUBLIC_IDS, cases, strict=True):
        keys[public_id] = KeyRow(True, 1, 1, 1, then, "", NOW_US - passed_us)
        advance = Advance(1, 2, now, phishing_test=True)
        batch.append(Entry(1, 1, 0, True, public_id, 1, advance, "nonce"))
    world = World({1: ClientRow(active=True, version=1)}, keys, {})
    runner, keeper = running
    runner.run(_compare(keeper, world, [(0, batch)]))


async def _compare(
    keeper: SqliteKeeper | PostgresKeeper,
    world: World,
    batches_in_time: list[tuple[int, list[Entry]]],
) -> None:
    world = World(dict(world.clients), dict(world.keys), dict(world.budgets))
    await keeper.install(world.rows())
    store = keeper._opened[0]
    keeper.clock.us = NOW_US
    for passed_us, batch in batches_in_time:
        keeper.clock.us += passed_us
        wanted = expected(world, batch, keeper.clock.us)
        assert list(await store.spend_and_advance(batch)) == wanted
    assert await keeper.counters() == world.keys
    assert await keeper.budgets() == {
        account: budget
        for account, budget in world.budgets.items()
        if account[0] in world.clients and budget != Budget(0, 0)
    }
