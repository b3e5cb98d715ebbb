"""Database URLs: no secrets in them, and nothing of them in an error."""

import pytest

from server.otp.ports import StoreUnavailableError
from server.storage.postgres.connection import check_dsn
from server.storage.postgres.store import open_postgres
from server.storage.refusals import DatabaseUrlRefusedError
from server.storage.upgrade import schema_state
from tests.server.storage.entries import POLICY

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://someone:{SECRET}@127.0.0.1/keystead",
        f"postgresql://someone@127.0.0.1/keystead?password={SECRET}",
        "postgresql://someone:@127.0.0.1/keystead",
    ],
)
async def test_a_password_in_the_url_is_refused_naming_the_passfile(url: str) -> None:
    for ask in (open_postgres(url, default_policy=POLICY), schema_state(url)):
        with pytest.raises(DatabaseUrlRefusedError, match=r"~/\.pgpass") as refused:
            await ask
        assert SECRET not in str(refused.value)


def test_a_password_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with pytest.raises(DatabaseUrlRefusedError, match="PGPASSWORD") as refused:
        check_dsn("postgresql://someone@127.0.0.1/keystead")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["mysql://127.0.0.1/x", "keystead.db", "postgresql://[::1/x"])
def test_what_is_no_postgresql_url_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlRefusedError):
        check_dsn(url)


async def test_a_server_that_does_not_answer_is_an_unavailable_store() -> None:
    with pytest.raises(StoreUnavailableError):
        await open_postgres("postgresql://someone@127.0.0.1:1/keystead", default_policy=POLICY)
