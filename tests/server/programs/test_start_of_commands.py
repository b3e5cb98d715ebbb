"""Commands start quickly: what takes long to load is loaded by those that use it."""

import subprocess
import sys

SLOW = ("aiohttp", "alembic", "icalendar", "jinja2", "pydantic", "sqlalchemy", "yubihsm")


def test_the_command_line_loads_nothing_slow_before_it_knows_the_command() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import server.programs.cli, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(SLOW).isdisjoint(loaded)
