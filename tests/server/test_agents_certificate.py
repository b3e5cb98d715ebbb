"""The agents' door beside a verification door whose clients have to show a certificate."""

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.clock import SystemClock
from server.config import Config
from server.doors import agents_certificate, serve_certificate
from server.metrics.tally import Tally
from tests.certificates import Authority


@pytest.fixture
def config(tmp_path: Path) -> Config:
    authority = Authority()
    files = authority.issue(tmp_path)
    trusted = authority.write(tmp_path / "clients.pem")
    tls = {"certificate": str(files[0]), "key": str(files[1]), "client_ca": str(trusted)}
    return Config.model_validate({"tls": tls})


async def test_agents_are_asked_for_no_certificate(config: Config) -> None:
    async with AsyncExitStack() as stack:
        tallies = {"control": Tally.in_memory()}
        clock = SystemClock()
        clients = serve_certificate(stack, config.tls.files, clock, tallies["control"])
        agents = agents_certificate(stack, config, clock, tallies, clients)
        assert clients is not None
        assert agents is not None
        assert clients.credentials.context.verify_mode is ssl.CERT_REQUIRED
        assert agents.credentials.context.verify_mode is ssl.CERT_NONE


async def test_where_nobody_shows_one_both_doors_have_the_same(config: Config) -> None:
    plain = config.model_copy(update={"tls": config.tls.model_copy(update={"client_ca": None})})
    async with AsyncExitStack() as stack:
        tallies = {"control": Tally.in_memory()}
        shown = serve_certificate(stack, plain.tls.files, SystemClock(), tallies["control"])
        assert agents_certificate(stack, plain, SystemClock(), tallies, shown) is shown
    assert plain.fleet_files == plain.tls.files
