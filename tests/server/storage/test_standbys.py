"""How many standbys follow a store: counted by whoever may use it, and gone when they go."""

import asyncio
import subprocess
from pathlib import Path

from tests.postgres_server import PostgresServer, postgres_programs
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import PostgresKeeper, SqliteKeeper
from tests.server.storage.test_postgres_faults import eventually


async def test_what_follows_the_server_is_counted_also_by_an_unprivileged_user(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    database = postgres_url.rpartition("/")[2]
    for statement in (
        "CREATE ROLE onlooker LOGIN",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO onlooker",
    ):
        postgres_server.execute(statement, database=database)
    url = postgres_url.replace("keystead@", "onlooker@")
    keeper = PostgresKeeper(url, POLICY)
    store = await keeper.open()
    assert await store.standbys() == 0
    receiver = await asyncio.create_subprocess_exec(
        *(postgres_programs() / "pg_receivewal", "-D", tmp_path, "--no-loop"),
        *("-d", f"postgresql://keystead@127.0.0.1:{postgres_server.port}/postgres"),
        stderr=subprocess.DEVNULL,
    )

    async def one_follows() -> bool:
        return await store.standbys() == 1

    async def none_follows() -> bool:
        return await store.standbys() == 0

    try:
        await eventually(one_follows)
    finally:
        receiver.terminate()
        await receiver.wait()
    await eventually(none_follows)
    await keeper.close()
    for statement in ("DROP OWNED BY onlooker", "DROP ROLE onlooker"):
        postgres_server.execute(statement, database=database)


async def test_a_file_has_no_standbys(tmp_path: Path) -> None:
    keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await keeper.open()
    assert await store.standbys() == 0
    await keeper.close()
