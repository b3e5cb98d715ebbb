"""AEADs made in the devices against those that are stored, over all devices of a store."""

from pathlib import Path

from hsm.audit.finding import Kind
from hsm.emulator.core import Emulator
from server.hsm_log.alarms import Alarms
from server.hsm_log.reconciler import Reconciler
from tests.hsm.audit.devices import Bench
from tests.server.acts import ACT
from tests.server.hsm_log.conftest import PumpHouse
from tests.server.memory_store import MemoryStore
from tests.server.storage.entries import new_key


class Office:
    """A reconciler at a store, with two devices."""

    def __init__(self, store: MemoryStore, folder: Path) -> None:
        self.counted: list[Kind] = []
        self.store = store
        self.houses = [
            PumpHouse(bench, folder / str(number), store, node=f"node {number}")
            for number, bench in enumerate([Bench().set_up(), Bench(Emulator()).set_up()])
        ]
        self.reconciler = Reconciler(store, Alarms(self.counted.append))

    async def look(self) -> None:
        for house in self.houses:
            await house.turn()
        for _ in range(2):
            await self.reconciler.look(await self.houses[0].lease())

    async def add_keys(self, *numbers: int) -> None:
        keys = [
            new_key(f"ccccccccccc{'cbdefghijklnrtuv'[number]}")._replace(record=b"\x02aead")
            for number in numbers
        ]
        await self.store.add_keys(keys, act=ACT)


async def test_keys_made_and_stored_are_in_balance(store: MemoryStore, tmp_path: Path) -> None:
    office = Office(store, tmp_path)
    await office.look()
    for number, house in enumerate(office.houses):
        house.bench.create_aeads(2)
        await office.add_keys(2 * number, 2 * number + 1)
        await office.look()
    assert office.reconciler.unaccounted == 0
    assert office.counted == []
    for house in office.houses:
        await house.pump.close()


async def test_an_aead_that_nobody_stored_is_an_alarm_told_once(
    store: MemoryStore, tmp_path: Path
) -> None:
    office = Office(store, tmp_path)
    await office.look()
    office.houses[1].bench.create_aeads(1)
    await office.look()
    await office.look()
    assert office.reconciler.unaccounted == 1
    assert office.counted == [Kind.UNACCOUNTED]
    assert await office.houses[0].facts() == [("hsm.unaccounted-aeads", "hsm")]
    await office.add_keys(1)
    await office.look()
    assert office.counted == [Kind.UNACCOUNTED] * 2, "and so is the key whose AEAD nobody made"
    await store.set_meta("hsm_log_7", "damaged")
    await office.look()
    for house in office.houses:
        await house.pump.close()
