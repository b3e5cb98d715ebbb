"""Services to test against: several workers on each store."""

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer

WORKERS = 2

PATIENT = "[verify]\ndeadline_seconds = 20\n[http]\nheader_seconds = 25\n"
"""A machine that stands still for some seconds must neither turn a decision into BACKEND_ERROR, nor
have a connection cut on which the test had no turn to ask yet. Ends in the table [http]."""

LOG_LETTERS = 4_000
"""How much of a service's log a failed test shows."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a real PostgreSQL of this module's own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Return the URL of an empty database, None for the embedded store."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    url: str = server.new_database()
    return url


@pytest.fixture(scope="module")
def keystead(
    tmp_path_factory: pytest.TempPathFactory, database: str | None
) -> Iterator[KeysteadProcess]:
    """Run a service with several workers on each store in turn, one for all tests of a module."""
    with KeysteadProcess(tmp_path_factory.mktemp("service") / "var") as service:
        service.init()
        service.configure(PATIENT)
        service.start(workers=WORKERS, database=database)
        yield service
        sys.stdout.write(service.log_text()[-LOG_LETTERS:])


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return what prints a campaign's ledger where a person sees it, also when it passed."""

    def tell_now(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return tell_now
