"""The desk signs a journal that continues what it signed, and no other."""

import pytest

from hsm.journalkey import JournalKey
from server.journal.acts import Act, Actor
from server.journal.desk import (
    JournalDamagedError,
    JournalDesk,
    UnknownEntryError,
    WitnessError,
)
from server.journal.entry import BEGINNING, Entry
from server.journal.ports import Selection
from tests.server.acts import ACT, CAUSE
from tests.server.journal.chains import KEY, KEYS, chain
from tests.server.journal.copies import Copies
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY, a_client


class Desk(JournalDesk):
    """A desk with everything behind it in sight."""

    def __init__(self, *, key: JournalKey = KEY, store: MemoryStore | None = None) -> None:
        self.clock = StillClock()
        self.store = store or MemoryStore(clock=self.clock, default_policy=POLICY)
        self.copies = Copies()
        super().__init__(self.store, key, self.copies)

    async def happen(self, times: int) -> None:
        for _ in range(times):
            await a_client(self.store)

    @property
    def journal(self) -> list[Entry]:
        return self.store._journal

    def forge(self, place: int) -> None:
        """Replace an entry and compute all hashes after it anew."""
        deeds = [entry.deed for entry in self.journal]
        deeds[place] = deeds[place]._replace(act=Act(Actor("", "nobody"), "nothing", ""))
        self.store._journal = chain(deeds)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_checkpoint_is_stored_witnessed_and_believed(desk: Desk) -> None:
    for times in (0, 3, 0, 120):
        await desk.happen(times)
        checkpoint = await desk.checkpoint()
        assert checkpoint.end == (desk.journal[-1].end if desk.journal else BEGINNING)
        assert checkpoint.time_us == desk.clock.us
        assert KEYS.doubt(checkpoint) is None
        assert await desk.store.last_checkpoint() == checkpoint == desk.copies.kept[-1]
    assert [number for number, _ in await desk.checkpoints(1, 2)] == [2, 3]


@pytest.mark.parametrize("signed", [0, 1, 60, 120])
@pytest.mark.parametrize("place", [0, 59, 119])
async def test_a_forged_journal_is_never_signed_once_its_end_was(
    desk: Desk, signed: int, place: int
) -> None:
    await desk.happen(signed)
    await desk.checkpoint()
    await desk.happen(120 - signed)
    head = desk.journal[-1].end
    desk.forge(place)
    # Whoever computes the chain anew and the head with it escapes only where nothing is signed.
    if place < signed:
        with pytest.raises(JournalDamagedError):
            await desk.checkpoint()
    assert desk.journal[-1].end != head


async def test_every_damage_since_the_last_checkpoint_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.happen(3)
    await desk.checkpoint()
    await desk.happen(3)
    whole = list(desk.journal)
    end = whole[-1].end

    async def as_the_head_says() -> object:
        return end

    monkeypatch.setattr(desk.store, "journal_end", as_the_head_says)
    damages: dict[int, list[Entry]] = {
        3: [*whole[:2], whole[2]._replace(time_us=0), *whole[3:]],
        5: [*whole[:4], whole[4]._replace(time_us=0), *whole[5:]],
        4: [*whole[:3], *whole[4:]],
        6: whole[:5],
    }
    for first, entries in damages.items():
        desk.store._journal = entries
        with pytest.raises(JournalDamagedError, match="tampered with") as damage:
            await desk.checkpoint()
        assert damage.value.fault.sequence == first
    desk.store._journal = [*whole[:2], *whole[3:]]
    with pytest.raises(JournalDamagedError, match="which was signed, is missing"):
        await desk.checkpoint()
    desk.store._journal = whole
    await desk.checkpoint()


async def test_a_last_checkpoint_that_we_did_not_sign_is_found(desk: Desk) -> None:
    await desk.happen(2)
    made = await desk.checkpoint()
    desk.store._checkpoints[-1] = made._replace(signature=bytes(64))
    with pytest.raises(JournalDamagedError, match="signature is wrong"):
        await desk.checkpoint()


async def test_another_machine_continues_what_one_signed(desk: Desk) -> None:
    await desk.happen(2)
    await desk.checkpoint()
    other = Desk(key=JournalKey.generate(), store=desk.store)
    await desk.happen(2)
    assert (await other.checkpoint()).end == desk.journal[-1].end
    assert (await desk.checkpoint()).end == desk.journal[-1].end


async def test_a_copy_that_cannot_be_kept_is_told(desk: Desk) -> None:
    desk.copies.fails = OSError(28, "No space left on device")
    with pytest.raises(WitnessError, match="No space left"):
        await desk.checkpoint()
    assert await desk.store.last_checkpoint() is not None


async def test_entries_are_listed_selected_and_shown(desk: Desk) -> None:
    await desk.happen(3)
    await desk.store.set_client_active(2, active=False, act=CAUSE.act("client.disable"))
    assert [entry.sequence for entry in await desk.entries(1, 2)] == [2, 3]
    assert [entry.sequence for entry in await desk.latest(2)] == [3, 4]
    about = Selection("client", "2")
    assert [entry.deed.act for entry in await desk.entries(0, 9, about)] == [
        ACT,
        CAUSE.act("client.disable"),
    ]
    assert [entry.sequence for entry in await desk.latest(1, about)] == [4]
    assert await desk.latest(9, Selection("key")) == []
    assert (await desk.show(4)).sequence == 4
    for unknown in (0, 5):
        with pytest.raises(UnknownEntryError):
            await desk.show(unknown)
    assert await desk.end() == desk.journal[-1].end
    assert desk.public_key == KEY.public_key
