"""The pump: every entry is archived once, alarms are facts once, and only then it is forgotten."""

import os
from pathlib import Path
from typing import Any

import pytest
from yubihsm.core import YubiHsm
from yubihsm.defs import CAPABILITY, COMMAND
from yubihsm.objects import AuthenticationKey

from hsm.audit.archive import Archive, ArchiveError, path_of
from hsm.audit.entry import LogRead
from hsm.audit.finding import Kind
from hsm.audit.noted import Note
from hsm.audit.source import AuditedDevice, Used
from hsm.device.errors import DeviceError, DeviceRefusedError
from hsm.device.opening import open_session
from hsm.emulator import snapshot
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault
from server.hsm_log.pump import LONGEST_S, MARK, NOTES
from tests.hsm.audit.devices import Bench, create_aead, login
from tests.server.hsm_log.conftest import PumpHouse
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


async def test_a_log_is_archived_noted_and_then_forgotten(house: PumpHouse) -> None:
    before = house.bench.log_used
    assert await house.turn()
    assert house.bench.log_used == 0
    assert len(house.entries()) == before
    assert house.verdict().fault is None
    assert house.alarms() == []
    written = await house.store.meta(f"{NOTES}{house.serial}")
    assert written is not None
    note = Note.parse(written)
    assert (note.node, note.sequence, note.hash) == ("node", 1, house.records()[0].hash)
    await house.pump.close()


async def test_only_a_full_log_or_an_old_one_is_read(house: PumpHouse) -> None:
    assert await house.turn(now=False), "the first time, to see whether all is in order"
    house.bench.create_aeads(MARK - 1)
    assert not await house.turn(now=False)
    house.clock.pass_by(LONGEST_S - 1)
    assert not await house.turn(now=False)
    house.clock.pass_by(2)
    assert await house.turn(now=False)
    assert house.pump.age_s == 0
    house.bench.create_aeads(MARK)
    assert await house.turn(now=False)
    assert house.pump.used == Used(house.serial, MARK, 62)
    assert house.bench.log_used == 0
    assert len(house.records()) == 3
    await house.pump.close()


async def test_an_empty_log_is_in_order(house: PumpHouse) -> None:
    await house.turn()
    house.clock.pass_by(LONGEST_S * 3)
    assert not await house.turn(now=False)
    assert house.pump.age_s == 0
    assert len(house.records()) == 1
    await house.pump.close()


async def test_the_aeads_made_are_counted_over_all_reads(house: PumpHouse) -> None:
    for made in (3, 0, 4):
        house.bench.create_aeads(made)
        await house.turn()
    after = house.records()[-1].after
    assert after is not None
    assert after.tally.created == 7
    await house.pump.close()


async def test_who_does_what_he_may_not_is_told_once(house: PumpHouse) -> None:
    await house.turn()
    with open_session(house.bench.device, login("admin")) as session:
        keys = os.urandom(16), os.urandom(16)
        AuthenticationKey.put(
            session, 0x666, "x", 1, CAPABILITY.CREATE_OTP_AEAD, CAPABILITY.NONE, *keys
        )
    stranger = YubiHsm(house.bench.backend).create_session(0x666, *keys)
    create_aead(stranger)
    overstep(house.bench)
    await house.turn()
    await house.turn()
    expected = [Kind.UNKNOWN_OBJECT, Kind.UNKNOWN_KEY, Kind.OUTSIDE_ROLE]
    assert house.alarms() == expected
    assert house.counted == expected
    subject = f"hsm:{house.serial}"
    assert await house.facts() == [(f"hsm.{kind.value}", subject) for kind in expected]
    await house.pump.close()


async def test_a_reset_is_an_alarm_and_the_new_log_is_followed(house: PumpHouse) -> None:
    await house.turn()
    house.bench.emulator.device.reset()
    house.bench.set_up()
    await house.turn()
    assert house.alarms() == [Kind.RESET]
    house.bench.create_aeads(1)
    await house.turn()
    assert house.alarms() == [Kind.RESET]
    assert house.verdict().fault is None
    await house.pump.close()


async def test_an_old_state_put_back_is_an_alarm(house: PumpHouse) -> None:
    await house.turn()
    house.bench.create_aeads(5)
    old = snapshot.take(house.bench.emulator)
    house.bench.create_aeads(9)
    await house.turn()
    await house.pump.close()
    back = PumpHouse(Bench(snapshot.revive(old)), house.folder, house.store)
    await back.turn()
    assert back.alarms() == [Kind.WENT_BACK]
    assert back.verdict().fault is None, "it is in the archive, as it was found"
    await back.pump.close()


async def test_a_full_log_is_read_and_the_device_works_again(house: PumpHouse) -> None:
    await house.turn()
    house.bench.create_aeads(62)
    assert house.bench.log_used == 62
    with pytest.raises(DeviceError, match="full log"):
        house.bench.create_aeads(1)
    await house.turn(now=False)
    house.bench.create_aeads(1)
    await house.turn()
    assert house.alarms() == []
    assert len([one for one in house.entries() if one.command == COMMAND.CREATE_OTP_AEAD]) == 63
    await house.pump.close()


async def test_starts_while_the_log_was_full_are_an_alarm(house: PumpHouse) -> None:
    await house.turn()
    house.bench.create_aeads(62)
    house.bench.emulator.reboot()
    await house.turn()
    assert house.alarms() == [Kind.UNLOGGED_BOOTS]
    await house.turn()
    assert house.alarms() == [Kind.UNLOGGED_BOOTS]
    await house.pump.close()


def overstep(bench: Bench) -> None:
    """Let the validator try what its role has no right to."""
    with (
        pytest.raises(DeviceRefusedError, match="does not allow"),
        open_session(bench.device, login("validator")) as session,
    ):
        session.send_secure_cmd(COMMAND.UNWRAP_DATA, bytes(40))


async def settle(house: PumpHouse) -> None:
    """Take turns until one comes to its end."""
    for _ in range(4):
        try:
            await house.turn()
        except DeviceError:
            continue
        return
    raise AssertionError("it does not heal")


FAULTS = [Fault.UNHEARD, Fault.REPLY_LOST, Fault.REBOOT, Fault.GARBLED]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_mishap_at_any_message_loses_and_doubles_nothing(
    tmp_path: Path, fault: Fault
) -> None:
    bench, store = Bench().set_up(), MemoryStore(clock=StillClock(), default_policy=POLICY)
    house = PumpHouse(bench, tmp_path / "log", store)
    await house.turn()
    # Each turn takes about fifteen messages; a mishap after the last one hits none.
    for at in range(24):
        bench.create_aeads(2)
        overstep(bench)
        bench.mishaps.plan(*[None] * at, fault)
        await settle(house)
        bench.mishaps._planned.clear()
    await settle(house)
    numbers = [entry.number for entry in house.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert bench.log_used == 0
    assert house.verdict().fault is None
    made = [one for one in house.entries() if one.command == COMMAND.CREATE_OTP_AEAD]
    assert len(made) == 48
    assert house.alarms() == [Kind.OUTSIDE_ROLE] * 24
    assert len(await house.facts()) == 24
    await house.pump.close()


class Crash(BaseException):
    """The process ends here."""


def _dies(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:  # noqa: ANN401
    real = getattr(owner, name)

    def sudden(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        if after:
            real(*arguments, **named)
        raise Crash

    async def suddenly(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        if after:
            await real(*arguments, **named)
        raise Crash

    is_async = name == "note_hsm_log"
    monkeypatch.setattr(owner, name, suddenly if is_async else sudden)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (AuditedDevice, "used"),
        (AuditedDevice, "read"),
        (Archive, "append"),
        (MemoryStore, "note_hsm_log"),
        (AuditedDevice, "forget"),
    ],
)
@pytest.mark.parametrize("turns_before", [0, 1])
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    house: PumpHouse, owner: type, name: str, *, after: bool, turns_before: int
) -> None:
    for _ in range(turns_before):
        await house.turn()
    house.bench.create_aeads(3)
    overstep(house.bench)
    with pytest.MonkeyPatch.context() as patch:
        _dies(patch, owner, name, after=after)
        with pytest.raises(Crash):
            await house.turn()
    house = await house.renewed()
    house.bench.create_aeads(1)
    await house.turn()
    numbers = [entry.number for entry in house.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert house.bench.log_used == 0
    assert house.verdict().fault is None
    assert await house.facts() == [("hsm.outside-role", f"hsm:{house.serial}")]
    after_all = house.records()[-1].after
    assert after_all is not None
    assert after_all.tally.created == 4
    await house.pump.close()


async def test_what_cannot_be_archived_is_not_forgotten(
    house: PumpHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.turn()
    house.bench.create_aeads(3)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(ArchiveError, match="No space"):
            await house.turn()
    assert house.bench.log_used == 3
    await house.turn()
    assert house.bench.log_used == 0
    assert house.verdict().fault is None
    await house.pump.close()


async def test_an_archive_that_was_cut_is_an_alarm_and_work_goes_on(house: PumpHouse) -> None:
    for _ in range(3):
        house.bench.create_aeads(1)
        await house.turn()
    path = path_of(house.folder, house.serial)
    path.write_bytes(b"".join(house.lines()[:-1]))
    house = await house.renewed()
    house.bench.create_aeads(1)
    await house.turn()
    assert house.alarms() == [Kind.ARCHIVE]
    await house.turn()
    assert house.alarms() == [Kind.ARCHIVE]
    await house.pump.close()


async def test_a_store_that_lost_its_notes_is_told_again_what_the_archive_holds(
    house: PumpHouse,
) -> None:
    """As after a restore of a backup: the archive is ahead of the store by several records."""
    name = f"{NOTES}{house.serial}"
    await house.turn()
    old = await house.store.meta(name)
    assert old is not None
    house.bench.emulator.device.reset()
    house.bench.set_up()
    await house.turn()
    house.bench.create_aeads(1)
    await house.turn()
    await house.store.set_meta(name, old)
    house.store._facts.clear()
    house = await house.renewed()
    await house.turn()
    assert await house.facts() == [("hsm.reset", f"hsm:{house.serial}")]
    assert house.alarms() == [Kind.RESET]
    assert house.verdict().fault is None
    await house.store.set_meta(name, "{}")
    await house.turn()
    assert house.alarms() == [Kind.RESET, Kind.ARCHIVE]
    await house.pump.close()


async def test_machines_that_share_a_device_take_turns(
    bench: Bench, store: MemoryStore, tmp_path: Path
) -> None:
    houses = [PumpHouse(bench, tmp_path / name, store, node=name) for name in ("one", "two")]
    for index in range(6):
        bench.create_aeads(2)
        await houses[index % 2].turn()
    assert houses[0].alarms() == houses[1].alarms() == []
    numbers = sorted(entry.number for house in houses for entry in house.entries())
    assert numbers == list(range(1, len(numbers) + 1))
    assert [len(house.records()) for house in houses] == [3, 3]
    for house in houses:
        await house.pump.close()


async def test_who_was_overtaken_forgets_nothing(
    bench: Bench, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = (PumpHouse(bench, tmp_path / name, store, node=name) for name in ("one", "two"))
    await slow.turn()
    bench.create_aeads(2)
    real = Archive.append

    async def overtake() -> None:
        monkeypatch.setattr(Archive, "append", real)
        await quick.turn()
        bench.create_aeads(1)

    def held_up(self: Archive, *arguments: Any) -> Any:  # noqa: ANN401
        record = real(self, *arguments)
        store.overtake = overtake  # type: ignore[attr-defined]
        return record

    noting = store.note_hsm_log

    async def note(*arguments: Any) -> bool:  # noqa: ANN401
        pending = store.__dict__.pop("overtake", None)
        if pending is not None:
            await pending()
        return await noting(*arguments)

    monkeypatch.setattr(Archive, "append", held_up)
    monkeypatch.setattr(store, "note_hsm_log", note)
    assert not await slow.turn()
    assert bench.log_used == 1
    assert await slow.turn()
    assert bench.log_used == 0
    assert slow.alarms() == quick.alarms() == []
    for house in (slow, quick):
        await house.pump.close()


async def test_another_device_in_its_place_gets_an_archive_of_its_own(
    house: PumpHouse, tmp_path: Path
) -> None:
    await house.turn()
    other = _other_device()
    house.bench.mishaps._device = other.emulator
    await house.turn()
    assert path_of(house.folder, other.emulator.device.identity.serial).exists()
    assert len(list((tmp_path / "hsm-log").iterdir())) == 2
    await house.pump.close()


def test_a_log_is_not_taken_out_of_another_device_than_was_read(bench: Bench) -> None:
    source = AuditedDevice(bench.device, login("auditor"))
    serial, log = source.read()
    assert isinstance(log, LogRead)
    with pytest.raises(DeviceRefusedError, match="nothing was taken"):
        source.forget(serial + 1, log.entries[-1].number)
    assert bench.log_used == len(log.entries)
    source.forget(serial, log.entries[-1].number)
    source.forget(serial, log.entries[-1].number)
    assert bench.log_used == 0


def _other_device() -> Bench:
    return Bench(Emulator()).set_up()
