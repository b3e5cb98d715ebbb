"""A running Keystead whose store holds a fleet and some keys that validate."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.estate import Store
from loadtest.bench.keyring import Keyring, Party, sessions_used, targets
from loadtest.bench.paced import Pace, pace
from loadtest.bench.postgres import Postgres, postgres
from loadtest.bench.processes import free_port, processor_seconds, running
from loadtest.bench.service import Installation, enrol, import_keys
from tests.server.fleet_bench.filling import Fleet, fill_postgres, fill_sqlite
from tests.server.fleet_bench.laptops import Laptop
from validation.signature import ApiKey

_VALIDATING = 2_000
_APPLICATIONS = 20
"""Relying parties that ask in turn: verifications of one and the same wait for each other."""

_CONNECTIONS = 32
_MEMORY = "bench.json"


class Size(NamedTuple):
    """How many keys there are, and laptops that report."""

    keys: int
    reporters: int


class Verifications:
    """One paced run of verifications, in words."""

    def __init__(self, measured: Pace) -> None:
        self.p99_us = measured.p99_us
        self.fault = measured.fault
        self._measured = measured

    def __str__(self) -> str:
        one = self._measured
        return (
            f"{one.per_s:,.0f}/s, p50 {one.p50_us / 1e3:.1f} ms, p99 {one.p99_us / 1e3:.1f} ms,"
            f" longest {one.max_us / 1e3:.0f} ms {one.fault}"
        )


class Standing:
    """The service while it runs. memory: what was used up of counters and sequences."""

    def __init__(self, folder: Path, fleet: Fleet, filled_s: float) -> None:
        self.admin_socket = folder / "data" / "run" / "admin.sock"
        self.reporters: Sequence[Laptop] = fleet.reporters()
        self.filled_s = filled_s
        self.size_mb = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6
        self.port, self.fleet_port = free_port(), free_port()
        self.pid = 0
        self.database_pid: int | None = None
        self._memory = folder / _MEMORY
        self._reports = json.loads(self._memory.read_text()).get("reports", 0)

    def verify(self, per_s: int, seconds: int) -> Verifications:
        """Verify fresh, signed OTPs in an open loop."""
        kept = json.loads(self._memory.read_text())
        keyring = Keyring(bytes.fromhex(kept["seed"]), _VALIDATING)
        count, session = per_s * seconds, kept["session"]
        kept["session"] = session + sessions_used(_VALIDATING, count)
        self._memory.write_text(json.dumps(kept))
        parties = [Party(one, ApiKey(bytes.fromhex(key))) for one, key in kept["clients"]]
        asked = list(targets(keyring, parties, session=session, count=count))
        return Verifications(pace(self.port, asked, per_s=per_s, connections=_CONNECTIONS))

    def next_reporter(self) -> tuple[Laptop, int]:
        """Return whose turn it is to report, and under which number."""
        number, self._reports = self._reports, self._reports + 1
        rounds, place = divmod(number, len(self.reporters))
        return self.reporters[place], rounds + 2

    def remember(self) -> None:
        """Write down how many reports were made."""
        kept = json.loads(self._memory.read_text()) | {"reports": self._reports}
        self._memory.write_text(json.dumps(kept))

    def processor_seconds(self) -> tuple[float, float]:
        """Return the processor time used so far by the service and by PostgreSQL."""
        database = 0.0 if self.database_pid is None else processor_seconds(self.database_pid)
        return processor_seconds(self.pid), database


@contextlib.contextmanager
def standing(folder: Path, store: Store, seed: str, size: Size, workers: int) -> Iterator[Standing]:
    """Run the estate in `folder`, built there when it is missing."""
    memory = folder / _MEMORY
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    fleet = Fleet(seed, size.keys, size.reporters, datetime.now(UTC).date())
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres(folder)) if store == "postgres" else None
        installation = Installation(folder / "data", database.url if database else None)
        filled_s = 0.0
        if not memory.exists():
            filled_s = _build(installation, database, folder, memory, fleet)
        estate = Standing(folder, fleet, filled_s)
        command = installation.command(
            *("serve", "--listen", f"127.0.0.1:{estate.port}", "--workers", str(workers)),
            *("--ops-listen", f"127.0.0.1:{free_port()}"),
            *("--fleet-listen", f"127.0.0.1:{estate.fleet_port}"),
            *(() if database is None else ("--database", database.url)),
        )
        log = folder / "keystead.log"
        estate.pid = stack.enter_context(running(command, ready="ready", log=log))
        estate.database_pid = None if database is None else database.pid
        stack.callback(estate.remember)
        yield estate


def _build(
    installation: Installation,
    database: Postgres | None,
    folder: Path,
    memory: Path,
    fleet: Fleet,
) -> float:
    installation.say("init")
    with installation.serving(folder / "keystead.log"):
        seed = secrets.token_bytes(16)
        import_keys(installation, Keyring(seed, _VALIDATING), folder)
        clients = [enrol(installation, f"bench-{one}") for one in range(_APPLICATIONS)]
    began = time.perf_counter()
    if database is None:
        fill_sqlite(installation.data / "keystead.db", fleet)
    else:
        asyncio.run(fill_postgres(database.url, fleet))
    # Holds API keys of the bench's clients: private like any others.
    memory.touch(mode=0o600)
    pairs = [(client_id, api_key.hex()) for client_id, api_key in clients]
    memory.write_text(json.dumps({"seed": seed.hex(), "clients": pairs, "session": 1}))
    return time.perf_counter() - began
