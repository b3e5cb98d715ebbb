"""A device that logs, a store, and the pump between them."""

import secrets
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from hsm.audit.archive import path_of
from hsm.audit.entry import Entry
from hsm.audit.finding import Finding, Kind
from hsm.audit.record import Record
from hsm.audit.rules import Rules
from hsm.audit.source import AuditedDevice, LogSource
from hsm.audit.verify import Verdict, verify
from hsm.journalkey import JournalKey
from server.hsm_log.alarms import Alarms
from server.hsm_log.pump import LogPump
from server.leases import Lease
from tests.hsm.audit.devices import MANIFEST, Bench, login
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY

KEY = JournalKey.generate()
FOREVER_US = 1 << 55


class PumpHouse:
    """One machine: its archives, its store, its pump. `renewed` is what a restart makes of it."""

    def __init__(
        self,
        bench: Bench,
        folder: Path,
        store: MemoryStore,
        *,
        node: str = "node",
        source: LogSource | None = None,
    ) -> None:
        self.bench, self.folder, self.store, self.node = bench, folder, store, node
        self.source = source or AuditedDevice(bench.device, login("auditor"))
        self.counted: list[Kind] = []
        self.clock = StillClock()
        self.pump = LogPump(
            self.source,
            folder=folder,
            signer=KEY,
            rules=Rules.of(MANIFEST, boots=True),
            book=store,
            node=node,
            clock=self.clock,
            alarms=Alarms(self.counted.append),
        )
        self._numbers = count()

    async def lease(self) -> Lease:
        name = f"{self.node}-{secrets.token_hex(4)}"
        lease = await self.store.acquire_lease(name, "test", FOREVER_US)
        assert lease is not None
        return lease

    async def turn(self, *, now: bool = True) -> bool:
        return await self.pump.turn(await self.lease(), now=now)

    async def renewed(self) -> "PumpHouse":
        await self.pump.close()
        return PumpHouse(self.bench, self.folder, self.store, node=self.node)

    @property
    def serial(self) -> int:
        return self.bench.emulator.device.identity.serial

    def lines(self) -> list[bytes]:
        path = path_of(self.folder, self.serial)
        return path.read_bytes().splitlines(keepends=True) if path.exists() else []

    def records(self) -> list[Record]:
        return [Record.parse(line[:-1]) for line in self.lines()]

    def entries(self) -> list[Entry]:
        return [entry for record in self.records() for entry in record.log.entries]

    def findings(self) -> list[Finding]:
        return [found for record in self.records() for found in record.findings]

    def alarms(self) -> list[Kind]:
        return [found.kind for found in self.findings() if found.is_alarm]

    def verdict(self) -> Verdict:
        (verdict,) = verify([self.lines()], [KEY.public_key])
        return verdict

    async def facts(self) -> list[tuple[str, str]]:
        name = f"reader {secrets.token_hex(4)}"
        await self.store.subscribe(name, from_start=True)
        found = await self.store.unread_facts(name, 1000)
        await self.store.unsubscribe(name)
        return [(one.fact.kind, one.fact.subject) for one in found]


@pytest.fixture
def bench() -> Bench:
    return Bench().set_up()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=StillClock(), default_policy=POLICY)


@pytest.fixture
def house(bench: Bench, store: MemoryStore, tmp_path: Path) -> PumpHouse:
    return PumpHouse(bench, tmp_path / "hsm-log", store)


Maker = Callable[[], PumpHouse]
